"""Strategies: what they see of a pool, and what they must do. A strategy is a frozen dataclass of its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Rows, Size
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.query import Query
from al_lightning.core.region import Region


class ImageSource(Protocol):
    """Images of the pool without their labels."""

    def __call__(self, rows: Rows, /) -> NDArray[np.uint8]:
        """rows (n,) -> (n, 3, H, W)."""


@dataclass(frozen=True)
class Candidates:
    """All that a strategy may see: the pool, what is labelled in it, and what `measure` said of it.

    Build it with `Candidates.of`, which sorts by row, so that no choice depends on the order of arrival.
    """

    rows: Rows
    """(P,) ascending dataset rows, labelled ones included."""
    ids: tuple[str, ...]
    """P ids."""
    labelled: NDArray[np.bool_]
    """(P,) True where the image is labelled, and so can be a centre but not a pick."""
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """name -> (P, ...) as gathered from `Strategy.measure`."""
    images: ImageSource | None = None
    """Pixels by row, for strategies that need "images"."""
    stage: int = 0
    """Number of selections that came before this one."""
    trainer: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for a strategy's own `Trainer`: accelerator, default_root_dir and the like."""
    derived: dict[str, NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    """Memo of `derive`, shared by copies that differ only in `labelled` and, in a loop, by all stages."""

    @classmethod
    def of(
        cls,
        rows: Sequence[int] | Rows,
        ids: Sequence[str],
        labelled: Sequence[bool] | NDArray[np.bool_],
        values: Mapping[str, NDArray[Any]] | None = None,
        images: ImageSource | None = None,
        stage: int = 0,
        trainer: Mapping[str, Any] | None = None,
        derived: dict[str, NDArray[Any]] | None = None,
    ) -> Candidates:
        """Sort by row and check.

        Raises:
            ValueError: lengths differ, a row comes twice, or a value is not finite (the ids are named).
        """
        unsorted = np.asarray(rows, dtype=np.int64)
        order = np.argsort(unsorted, kind="stable")
        mask = np.asarray(labelled, dtype=bool)
        values = values or {}
        lengths = {"rows": len(order), "ids": len(ids), "labelled": len(mask)}
        lengths |= {f"values[{name!r}]": len(value) for name, value in values.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"candidates: lengths differ: {lengths}")
        if len(np.unique(unsorted)) != len(unsorted):
            raise ValueError("candidates: a row occurs twice")
        names = tuple(str(ids[i]) for i in order)
        in_order: dict[str, NDArray[Any]] = {}
        for name, value in values.items():
            sorted_value = np.asarray(value)[order]
            if sorted_value.dtype.kind == "f":
                finite = np.isfinite(sorted_value).reshape(len(order), -1).all(axis=1)
                if not finite.all():
                    bad = [names[i] for i in np.flatnonzero(~finite)]
                    raise ValueError(
                        f"{name!r} is NaN or infinite for {len(bad)} of {len(order)} images "
                        f"(first: {bad[0]}): the learner has diverged; lower its learning rate, "
                        "or train it in a wider precision"
                    )
            in_order[name] = sorted_value
        return cls(
            unsorted[order],
            names,
            mask[order],
            in_order,
            images,
            stage,
            dict(trainer or {}),
            {} if derived is None else derived,
        )

    @property
    def unlabelled(self) -> NDArray[np.int64]:
        """(U,) positions (not rows) of what may be picked, ascending."""
        return np.flatnonzero(~self.labelled)

    def derive(self, name: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """A value (P, ...) that depends on the pool's images alone, computed once for all copies of this pool."""
        if name not in self.derived:
            self.derived[name] = compute()
        return self.derived[name]

    def also_labelled(self, rows: Rows) -> Candidates:
        """The same pool with these rows labelled too; nothing is copied but the mask."""
        return replace(self, labelled=self.labelled | np.isin(self.rows, rows))

    def value(self, name: str) -> NDArray[Any]:
        """(P, ...) the named value.

        Raises:
            ValueError: the value is not there.
        """
        if name not in self.values:
            raise ValueError(f"candidates have no value {name!r}; they have {sorted(self.values) or 'none'}")
        return self.values[name]


@dataclass(frozen=True)
class StageContext:
    """What `prepare` of a strategy gets before the pool is scored: to train something of its own on what is revealed,
    and to look at the pool first."""

    rows: Rows
    """(P,) ascending rows of the pool."""
    size: Size
    """(H, W) of the learner's image."""
    classes: int
    """C of `Prediction.probabilities`."""
    images: ImageSource
    regions: Callable[[int], tuple[Region, ...]]
    """row -> its revealed regions; one box of the whole image where it is labelled as a whole."""
    clicks: Callable[[int], NDArray[np.float64]]
    """row -> (n, 2) clicks x, y in the learner's image that lie in its revealed regions."""
    predict: Callable[[Batch], Prediction]
    """The learner on one batch {"rows", "image"}, moved to the device of the images."""
    scan: Callable[[Callable[[Prediction], dict[str, Tensor]]], dict[str, NDArray[Any]]]
    """A pass over the pool like that of `Strategy.measure`: reduction of a batch -> {name: (P, ...)}."""
    rng: np.random.Generator
    trainer: Mapping[str, Any]
    """Arguments for a Trainer of the strategy's own."""


@dataclass(frozen=True)
class Plan:
    """How many images are labelled when."""

    initial: int
    """Images labelled before the first training."""
    per_stage: int
    """Images to select after each stage but the last, or regions of as many images' pixels."""
    stages: int
    """Rows of the curve, the initial one included."""


class Scores(Protocol):
    """What strategies of images and of regions share.

    `measure` runs on the device for each batch of the pool and reduces it to a few numbers an image. A strategy that
    trains something of its own, or must see the whole pool before it measures, also has
    `prepare(context: StageContext)`, called before each scoring of the pool: what it returns measures and selects in
    its place, for one stage. One that does not follow the budget as configured has
    `plan(plan: Plan, pool: int) -> Plan`, which changes it for a pool of that many images.
    """

    @property
    def needs(self) -> frozenset[str]:
        """What the learner must provide (names of `Prediction`'s fields), or "images"."""

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        """Prediction of B images -> {name: (B,) or (B, D) tensor}; no map of pixels may be returned."""


@runtime_checkable
class Strategy(Scores, Protocol):
    """An acquisition function of whole images. `select` runs once a stage, on the host, outside every Trainer."""

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        """Exactly `per_stage` distinct unlabelled rows; 0 < per_stage < number of unlabelled images."""


@runtime_checkable
class RegionStrategy(Scores, Protocol):
    """An acquisition function of regions."""

    regions: ClassVar[Literal[True]]
    """Tells it from a strategy of whole images."""

    def prepare(self, context: StageContext) -> RegionStrategy:
        """What measures and selects at this stage."""

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        """Regions of unlabelled rows, disjoint from what is revealed or not, whose new pixels are worth `area` pixels
        of the learner's image (H, W), or the last region more. Whole images are regions too (None)."""


def asks_for_regions(strategy: Strategy | RegionStrategy) -> TypeGuard[RegionStrategy]:
    """Whether a strategy asks for regions."""
    return bool(getattr(strategy, "regions", False))


S = TypeVar("S", bound="Strategy | RegionStrategy")


def prepared(strategy: S, context: StageContext) -> S:
    """What measures and selects at this stage: what `prepare` returns where the strategy has one."""
    prepare: Callable[[StageContext], S] | None = getattr(strategy, "prepare", None)
    return strategy if prepare is None else prepare(context)


def planned(strategy: Strategy | RegionStrategy, plan: Plan, pool: int) -> Plan:
    """The budget for a pool of that many images, as the strategy's `plan` changes it where it has one."""
    change: Callable[[Plan, int], Plan] | None = getattr(strategy, "plan", None)
    return plan if change is None else change(plan, pool)
