"""CEREALS: regions by their information and their predicted cost (Mackowiak et al. 2018)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.prediction import Prediction
from al_lightning.core.query import Query
from al_lightning.core.region import boxes, cover
from al_lightning.core.strategy import Candidates, RegionStrategy, StageContext
from al_lightning.strategies.regions.base import NEW, Unprepared, check_window, remainder
from al_lightning.strategies.regions.cost_model import CostModel, train_cost_model
from al_lightning.strategies.regions.windows import (
    FUSIONS,
    box_sums,
    clipped,
    fill_area,
    information,
    suppress,
)
from al_lightning.uncertainty import entropy, vote_entropy

logger = logging.getLogger(__name__)

Fusion = Literal["product", "info_only", "ratio", "difference"]
Measure = Literal["entropy", "vote-entropy"]


@dataclass(frozen=True)
class Cereals(Unprepared):
    """The regions of highest g, the fusion of information I and predicted cost C, over the whole pool.

    I is the entropy of a window and C its predicted clicks, both in [0, 1] (`windows.information`). There is a window
    at every `step` pixels. In each image the best one is taken and all that overlap it are dropped, until none is
    left; of the remaining windows of all images those of highest g are picked until their new pixels reach the area of
    the stage. Revealed pixels have no information and no cost, and at least half of a window must be new.

    The cost network is trained from scratch at every stage on the revealed regions. C is divided by its maximum over
    the windows of all images: a first pass over the pool finds this maximum and a second one ranks, so that no maps of
    pixels are stored. "info_only" needs neither the network nor the first pass.

    Args:
        size (int): height and width of a window, in pixels of the learner's image, to which larger ones are clipped.
            Default 128.
        step (int): pixels between neighbouring windows. Default 1.
        uncertainty (str): "entropy" of the (mean) probabilities, or "vote-entropy" over MC passes or a committee.
            Default "entropy".
        fusion (str): "product" (1 − C)·I, "info_only" I, "ratio" I/(C + 0.1), "difference" I − C; the last two are
            ours. Default "product".
        cost_iterations (int): training steps of the cost network, with one image each. Default 500.
        cost_lr (float): learning rate of the cost network, between 0 and 1. Default 1e-4.
        cost_multiplier (float): factor on the widths of the cost network, above 0. Default 0.25.
    """

    size: int = 128
    step: int = 1
    uncertainty: Measure = "entropy"
    fusion: Fusion = "product"
    cost_iterations: int = 500
    cost_lr: float = 1e-4
    cost_multiplier: float = 0.25

    def __post_init__(self) -> None:
        check_window(self.size, self.step)
        if self.uncertainty not in ("entropy", "vote-entropy"):
            raise ValueError(f"uncertainty={self.uncertainty!r}: expected 'entropy' or 'vote-entropy'")
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion={self.fusion!r}: expected one of {', '.join(FUSIONS)}")
        if self.cost_iterations < 1 or not 0 < self.cost_lr < 1 or not self.cost_multiplier > 0:
            raise ValueError(
                f"cost_iterations={self.cost_iterations}, cost_lr={self.cost_lr:g}, cost_multiplier="
                f"{self.cost_multiplier:g}: expected at least 1, a rate between 0 and 1, and a factor above 0"
            )

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"probabilities"} if self.uncertainty == "entropy" else {"probabilities", "passes"})

    def prepare(self, context: StageContext) -> RegionStrategy:
        """Train the cost network and find the largest cost, where the fusion uses the cost."""
        windows = Windows(self, context)
        if self.fusion == "info_only":
            return windows
        model = train_cost_model(context, self.cost_multiplier, self.cost_iterations, self.cost_lr)
        largest = context.scan(Windows(self, context, model).largest_cost)["cost"]
        maximum = float(largest.max())
        if not np.isfinite(maximum):
            raise ValueError("cereals: predicted clicks are not finite: the learner or the cost network has diverged")
        logger.info("CEREALS: C = 1 is %.4g clicks a window of %d pixels", maximum * model.scale, self.size)
        return Windows(self, context, model, maximum)


@dataclass(frozen=True)
class Windows:
    """`Cereals` for one stage."""

    options: Cereals
    context: StageContext
    model: CostModel | None = None
    maximum: float = 0.0
    """Largest cost of the windows that may be picked, over all images."""
    regions: ClassVar[Literal[True]] = True

    @property
    def needs(self) -> frozenset[str]:
        return self.options.needs

    def prepare(self, context: StageContext) -> RegionStrategy:
        return self.options.prepare(context)

    def _hidden(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Mask (B, H, W) of pixels that are not revealed, and their number in each window (B, H', W')."""
        known = [self.context.regions(row) for row in prediction.rows.tolist()]
        masks = np.stack([~cover(regions, self.context.size) for regions in known])
        assert prediction.probabilities is not None
        hidden = torch.from_numpy(masks).to(prediction.probabilities.device)
        return hidden, box_sums(hidden, (self.options.size,) * 2, self.options.step)

    def _open(self, fresh: Tensor) -> Tensor:
        height, width = clipped((self.options.size,) * 2, self.context.size)
        return (fresh >= NEW * height * width) & (fresh > 0)

    def _costs(self, prediction: Prediction, hidden: Tensor) -> Tensor:
        """Predicted new clicks of each window (B, H', W')."""
        assert self.model is not None
        density = self.model.to(hidden.device).forward(prediction.rows.cpu().numpy(), prediction)
        return box_sums(density * hidden, (self.options.size,) * 2, self.options.step)

    def largest_cost(self, prediction: Prediction) -> dict[str, Tensor]:
        """{"cost": (B,)}: the largest predicted cost of the windows that may be picked; 0 where there are none."""
        hidden, fresh = self._hidden(prediction)
        return {"cost": torch.where(self._open(fresh), self._costs(prediction, hidden), 0).amax((1, 2))}

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        """{"windows": (B, K, 4)}: top, left, g and new pixels of each image's disjoint windows, best first.

        K = floor(H/h)·floor(W/w), the maximum of disjoint windows; missing ones are zeros.
        """
        options, size = self.options, (self.options.size,) * 2
        hidden, fresh = self._hidden(prediction)
        assert prediction.probabilities is not None
        if options.uncertainty == "entropy":
            votes, pixels = None, entropy(prediction.probabilities.float())
        else:
            assert prediction.passes is not None
            votes, pixels = prediction.passes.count, vote_entropy(prediction.passes)
        gain = information(pixels * hidden, size, prediction.probabilities.shape[1], votes, options.step)
        cost = torch.zeros_like(gain)
        if self.model is not None and self.maximum > 0:
            # The same cost may be rounded up here, where the batch is of another size than in the first pass.
            cost = (self._costs(prediction, hidden) / self.maximum).clamp(max=1)
        value = FUSIONS[options.fusion](gain, cost)
        spoilt = value.isnan().flatten(1).any(1)
        value = torch.where(self._open(fresh) & ~spoilt[:, None, None], value, -torch.inf)
        table = np.zeros((len(value), self._most(), 4))
        table[spoilt.cpu().numpy()] = np.nan  # for the error of `Candidates.of`, which names the images
        starts = fresh.cpu().numpy()
        for image, (found, counts) in enumerate(
            zip(suppress(value, size, self.context.size, options.step), starts, strict=True)
        ):
            at = [self._position(first, axis) for axis, first in ((0, found[:, 0]), (1, found[:, 1]))]
            table[image, : len(found), :3] = found
            table[image, : len(found), 3] = counts[at[0], at[1]]
        return {"windows": torch.from_numpy(table)}

    def _position(self, first: NDArray[np.float64], axis: int) -> NDArray[np.int64]:
        """Index along an axis of the windows that start at these pixels; only the last may start between the steps."""
        return -(-first.astype(np.int64) // self.options.step)

    def _most(self) -> int:
        height, width = clipped((self.options.size,) * 2, self.context.size)
        return (self.context.size[0] // height) * (self.context.size[1] // width)

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        windows = candidates.value("windows")
        image, slot = np.nonzero((windows[:, :, 3] > 0) & ~candidates.labelled[:, None])
        found = windows[image, slot]
        height, width = clipped((self.options.size,) * 2, self.context.size)
        taken = fill_area(found[:, 2], found[:, 3].astype(np.int64), area)
        sides = np.empty((len(taken), 4), dtype=np.int64)
        sides[:, :2], sides[:, 2:] = found[taken, :2], (height, width)
        source = "cereals" if self.model is not None else "region-entropy"
        query = Query.of(candidates.rows[image[taken]], source, found[taken, 2], boxes(sides))
        return query + remainder(candidates, query, area - int(found[taken, 3].sum()), self.context)


def region_entropy(size: int = 128, step: int = 1, uncertainty: Measure = "entropy") -> Cereals:
    """CEREALS without the cost: the regions of highest entropy, g = I.

    Args:
        size, step, uncertainty: as of `Cereals`.
    """
    return Cereals(size, step, uncertainty, "info_only")
