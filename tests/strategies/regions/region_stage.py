"""One stage of a strategy of regions without a learner: its context, the measuring of the pool, and the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from region_parts import IDS, ROWS, SIZE

from al_lightning.core.arrays import Rows
from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, StageContext
from al_lightning.strategies import choose

Maps = dict[int, np.ndarray]
"""Row -> (H, W) probability of the second of two classes."""


def probabilities(maps: Maps, rows: Rows = ROWS) -> Prediction:
    """A batch of these rows with the probabilities of the maps."""
    p = torch.tensor(np.stack([maps[int(row)] for row in rows]), dtype=torch.float32)
    return Prediction(torch.tensor(rows), torch.stack([1 - p, p], 1))


def certain() -> Maps:
    """No pixel of any image is uncertain."""
    return {int(row): np.full(SIZE, 1e-3) for row in ROWS}


def context_of(
    pool: LabelPool,
    maps: Maps | None = None,
    clicks: dict[int, np.ndarray] | None = None,
    seed: int = 0,
    predict: Callable[[Rows], Prediction] | None = None,
    batches: Sequence[Rows] = (ROWS,),
) -> StageContext:
    """The context of a stage of this pool.

    Args:
        maps: what the learner says of each image; one half everywhere by default.
        clicks: row -> (n, 2) clicks of the whole image, revealed or not; none by default.
        predict: rows -> what the learner says, in place of `maps`.
        batches: the rows of the pool, in the order in which they are measured.
    """
    images = np.random.default_rng(5).integers(0, 256, (10, 3, *SIZE)).astype(np.uint8)
    images.flags.writeable = False
    maps = maps or {int(row): np.full(SIZE, 0.5) for row in ROWS}
    answer = predict or (lambda rows: probabilities(maps, rows))

    def revealed_clicks(row: int) -> np.ndarray:
        points = np.empty((0, 2)) if clicks is None else np.asarray(clicks[row], dtype=float)
        inside = [pool.revealed(row)[int(y), int(x)] for x, y in points]
        return points[np.array(inside, dtype=bool)]

    def scan(reduce):
        parts = [reduce(answer(batch)) for batch in batches]
        order = np.argsort(np.concatenate(batches))
        return {name: np.concatenate([part[name].numpy() for part in parts])[order] for name in parts[0]}

    return StageContext(
        rows=ROWS,
        size=SIZE,
        classes=2,
        images=lambda rows: images[rows],
        regions=pool.regions,
        clicks=revealed_clicks,
        predict=lambda batch: answer(batch["rows"].numpy()),
        scan=scan,
        rng=np.random.default_rng(seed),
        trainer={"accelerator": "cpu"},
    )


def candidates_of(strategy, pool: LabelPool, context: StageContext) -> Candidates:
    """What a prepared strategy chooses from."""
    values = context.scan(strategy.measure) if strategy.needs - {"images"} else {}
    return Candidates.of(ROWS, [IDS[row] for row in ROWS], pool.is_labelled, values, context.images)


def area_of(pool: LabelPool, images: int) -> int:
    """Pixels that a stage asks for: those of so many images, less what was revealed beyond whole images before."""
    return images * SIZE[0] * SIZE[1] - pool.overspent_pixels


def acquire(strategy, pool: LabelPool, maps=None, budget: int = 1, clicks=None, seed: int = 0, **options) -> Query:
    """What the loop does for one stage.

    Args:
        maps, clicks, seed, options: as of `context_of`.
        budget: number of images whose pixels are asked for.
    """
    context = context_of(pool, maps, clicks, seed, **options)
    ready = strategy.prepare(context)
    candidates = candidates_of(ready, pool, context)
    return choose(ready, candidates, budget, np.random.default_rng(seed), area_of(pool, budget))
