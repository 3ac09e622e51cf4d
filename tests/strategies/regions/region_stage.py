"""One stage of a strategy of regions without a learner: its context, its scan and its choice."""

from __future__ import annotations

import numpy as np
import torch
from region_parts import IDS, ROWS, SIZE

from al_lightning.core.pool import LabelPool
from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.strategy import Candidates, StageContext
from al_lightning.strategies import choose


def probabilities(maps: dict[int, np.ndarray]) -> Prediction:
    """Two classes; a map holds the probability of the second by row."""
    p = torch.tensor(np.stack([maps[int(row)] for row in ROWS]), dtype=torch.float32)
    return Prediction(torch.tensor(ROWS), torch.stack([1 - p, p], 1))


def context_of(pool: LabelPool, maps: dict[int, np.ndarray] | None = None, clicks=None, seed: int = 0) -> StageContext:
    images = np.random.default_rng(5).integers(0, 256, (10, 3, *SIZE)).astype(np.uint8)
    maps = maps or {int(row): np.full(SIZE, 0.5) for row in ROWS}

    def found(row: int) -> np.ndarray:
        points = np.empty((0, 2)) if clicks is None else np.asarray(clicks[row], dtype=float)
        inside = [pool.revealed(row)[int(y), int(x)] for x, y in points]
        return points[np.array(inside, dtype=bool)]

    def predict(batch):
        p = torch.tensor(np.stack([maps[int(row)] for row in batch["rows"]]), dtype=torch.float32)
        return Prediction(batch["rows"], torch.stack([1 - p, p], 1))

    return StageContext(
        rows=ROWS,
        size=SIZE,
        classes=2,
        images=lambda rows: images[rows],
        regions=pool.regions,
        clicks=found,
        predict=predict,
        scan=lambda reduce: {k: v.numpy() for k, v in reduce(probabilities(maps)).items()},
        rng=np.random.default_rng(seed),
        trainer={"accelerator": "cpu"},
    )


def acquire(strategy, pool: LabelPool, maps=None, budget: int = 1, clicks=None, seed: int = 0) -> Query:
    """What the loop does for one stage, without a learner."""
    context = context_of(pool, maps, clicks, seed)
    ready = strategy.prepare(context)
    values = context.scan(ready.measure) if ready.needs else {}
    candidates = Candidates.of(ROWS, [IDS[row] for row in ROWS], pool.is_labelled, values)
    area = budget * SIZE[0] * SIZE[1] - pool.overspent_pixels
    return choose(ready, candidates, budget, np.random.default_rng(seed), area)


def dull() -> dict[int, np.ndarray]:
    return {int(row): np.full(SIZE, 1e-3) for row in ROWS}
