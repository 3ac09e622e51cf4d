"""The contracts of strategies, and the arguments that they get. A strategy is a frozen dataclass of its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeGuard, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Rows, Size
from al_lightning.core.prediction import Batch, Prediction
from al_lightning.core.progress import Progress, silent
from al_lightning.core.query import Query
from al_lightning.core.quota import Quota
from al_lightning.core.region import Region


class ImageSource(Protocol):
    """Images of the pool without their labels."""

    def __call__(self, rows: Rows, /) -> NDArray[np.uint8]:
        """rows (n,) -> (n, 3, H, W)."""


@dataclass(frozen=True)
class Candidates:
    """The input of `select`: the images of the pool, which of them are labelled, and the values that `measure` gave.

    Build it with `Candidates.of`, which sorts by row, so that no selection depends on the order of the batches.

    Example:
        >>> candidates = Candidates.of([7, 3], ["b", "a"], [False, True], {"score": np.array([0.5, 0.9])})
        >>> candidates.rows.tolist(), candidates.value("score").tolist(), candidates.unlabelled.tolist()
        ([3, 7], [0.9, 0.5], [1])
    """

    rows: Rows
    """(P,) ascending dataset rows, labelled ones included."""
    ids: tuple[str, ...]
    """P ids."""
    labelled: NDArray[np.bool_]
    """(P,) True where the image is labelled: it can be a centre but not a pick."""
    values: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """name -> (P, ...), the results of `Strategy.measure` for all images."""
    images: ImageSource | None = None
    """Images by row, for strategies that need "images"."""
    stage: int = 0
    """Number of selections before this one."""
    trainer: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for a strategy's own `Trainer`: accelerator, default_root_dir and others."""
    derived: dict[str, NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    """Cache of `derive`: one for copies that differ only in `labelled` and, in a loop, for all stages."""
    quota: Quota | None = None
    """The picks that are left to each group, where they are limited; set by `al-lightning select`."""
    progress: Progress = field(default=silent, compare=False, repr=False)
    """Told by strategies whose selection takes minutes how far it is."""

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
        """Candidates sorted by row, once checked.

        Raises:
            ValueError: lengths differ, a row occurs twice, or a value is not finite (the first id is named).
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
        """(U,) positions (not rows) of the images that can be picked, ascending."""
        return np.flatnonzero(~self.labelled)

    def derive(self, name: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """A value (P, ...) that depends only on the pool's images, computed once for all copies of this pool."""
        if name not in self.derived:
            self.derived[name] = compute()
        return self.derived[name]

    def also_labelled(self, rows: Rows) -> Candidates:
        """The same pool with these rows labelled too, which count towards the quota; only the mask is copied."""
        also = np.isin(self.rows, rows)
        quota = None if self.quota is None else self.quota.without(np.flatnonzero(also & ~self.labelled))
        return replace(self, labelled=self.labelled | also, quota=quota)

    def within_quota(self, query: Query) -> Query:
        """The picks of a query that the quota admits, in their order."""
        if self.quota is None or not len(query):
            return query
        return query.subset(self.quota.admits(np.searchsorted(self.rows, query.rows)))

    def value(self, name: str) -> NDArray[Any]:
        """The value (P, ...) of this name.

        Raises:
            ValueError: there is no such value.
        """
        if name not in self.values:
            raise ValueError(f"candidates have no value {name!r}; they have {sorted(self.values) or 'none'}")
        return self.values[name]


@dataclass(frozen=True)
class StageContext:
    """The argument of a strategy's `prepare`, which is called before the pool is scored: what it needs to train a model
    on the revealed labels, or to scan the pool first."""

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
    """One pass over the pool, as for `Strategy.measure`: a reduction of each batch -> {name: (P, ...)}."""
    rng: np.random.Generator
    trainer: Mapping[str, Any]
    """Arguments for the strategy's own Trainer."""


@dataclass(frozen=True)
class Plan:
    """The number of stages, and of images that are labelled at each."""

    initial: int
    """Images labelled before the first training."""
    per_stage: int
    """Images to select after each stage but the last; regions are selected up to the pixels of as many images."""
    stages: int
    """Number of stages, the initial one included: the points of the learning curve."""


class Scores(Protocol):
    """What strategies of images and of regions have in common.

    `measure` runs on the device for each batch of the pool and reduces it to a few numbers per image. A strategy that
    trains a model of its own, or needs the whole pool before it measures, also has `prepare(context: StageContext)`,
    called before each scoring of the pool; it returns the strategy that measures and selects in this stage. A strategy
    that changes the configured budget has `plan(plan: Plan, pool: int) -> Plan`, where pool is the number of images.
    """

    @property
    def needs(self) -> frozenset[str]:
        """Fields of `Prediction` that the learner must provide, and "images" where the strategy reads images."""

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        """Prediction of B images -> {name: (B,) or (B, D) tensor}; maps of pixels would not fit in memory."""


@runtime_checkable
class Strategy(Scores, Protocol):
    """An acquisition function of whole images. `select` runs once per stage, on the host, outside any Trainer."""

    def select(self, candidates: Candidates, per_stage: int, rng: np.random.Generator) -> Query:
        """Exactly `per_stage` distinct unlabelled rows; 0 < per_stage < number of unlabelled images."""


@runtime_checkable
class RegionStrategy(Scores, Protocol):
    """An acquisition function of regions."""

    regions: ClassVar[Literal[True]]
    """Distinguishes it from a strategy of whole images."""

    def prepare(self, context: StageContext) -> RegionStrategy:
        """The strategy that measures and selects in this stage."""

    def select(self, candidates: Candidates, area: int, rng: np.random.Generator) -> Query:
        """Regions of unlabelled rows whose new pixels add up to `area` pixels of the learner's image (H, W) or exceed
        it by less than the last region. They may overlap revealed regions; None stands for a whole image."""


def asks_for_regions(strategy: Strategy | RegionStrategy) -> TypeGuard[RegionStrategy]:
    """Whether a strategy asks for regions."""
    return bool(getattr(strategy, "regions", False))


S = TypeVar("S", bound="Strategy | RegionStrategy")


def prepared(strategy: S, context: StageContext) -> S:
    """The strategy that measures and selects in this stage: the result of `prepare`, or itself where it has none."""
    prepare: Callable[[StageContext], S] | None = getattr(strategy, "prepare", None)
    return strategy if prepare is None else prepare(context)


def planned(strategy: Strategy | RegionStrategy, plan: Plan, pool: int) -> Plan:
    """The plan for a pool of this many images: the result of the strategy's `plan`, or unchanged where it has none."""
    change: Callable[[Plan, int], Plan] | None = getattr(strategy, "plan", None)
    return plan if change is None else change(plan, pool)
