"""Types that cross module borders, and the legend of shapes.

    N   images of a dataset             row: position of an image in its dataset, 0 ≤ row < N
    P   images of the pool              id:  stable name of an image (file stem or relative path)
    B   images of a batch, or a budget
    C   classes (a sigmoid head counts as two: background, foreground)
    D   dimensions of a descriptor
    H W height and width in pixels;     h w: the same of the deepest encoder map
    M   stochastic passes or committee members

Arrays hold rows; files and logs hold ids. A position inside a subset never leaves the function that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

IGNORE = 255
"""Target value of pixels that no loss and no metric counts."""


@dataclass(frozen=True)
class Task:
    """What a target holds."""

    kind: Literal["segmentation", "depth"] = "segmentation"
    classes: tuple[str, ...] = ("background", "polyp")
    """Names of the classes, index = target value; unused by depth."""
    maximum: float = 20.0
    """Depth in cm that a learner's output of 1 stands for; unused by segmentation."""
    objects: bool = False
    """Whether tests also score single objects (glands), beside pixels."""
    parts: tuple[str, ...] = ()
    """Parts of the test set whose objects are also scored apart ("A" and "B" of GlaS)."""

    @property
    def channels(self) -> int:
        """Output channels of a network: one for depth and for two classes (a sigmoid), else one a class."""
        return 1 if self.kind == "depth" or len(self.classes) == 2 else len(self.classes)


class Batch(TypedDict, total=False):
    """One batch as the datamodule yields it."""

    rows: Tensor
    """(B,) int64."""
    image: Tensor
    """(B, 3, H, W) uint8."""
    target: Tensor
    """(B, H, W) uint8 class indices with `IGNORE`, or (B, 1, H, W) float32 depth in cm."""
    native: list[Tensor]
    """B targets at their own size, present where evaluation is at the original size."""
    objects: list[Tensor]
    """B maps (H, W) of object ids, 0 background, beside `native` where the task scores objects."""
    parts: list[str]
    """B names of test parts, beside `objects` where the task has parts."""


@dataclass
class Passes:
    """Running sums over M stochastic passes or committee members: memory does not grow with M.

    Feed every pass's probabilities (B, C, H, W) to `add`; the attributes are then means over passes.
    """

    count: int = 0
    mean: Tensor | None = None
    """(B, C, H, W): p̄."""
    square: Tensor | None = None
    """(B, C, H, W): mean of p²."""
    votes: Tensor | None = None
    """(B, C, H, W): share of passes whose argmax is c."""
    entropy: Tensor | None = None
    """(B, H, W): mean of H(p), in nats."""
    log: Tensor | None = None
    """(B, C, H, W): mean of ln p, p clamped to [1e-12, 1]."""

    def add(self, probabilities: Tensor) -> None:
        """Accumulate one pass: x̄ ← x̄ + (x − x̄)/M for each of the five means."""
        p = probabilities
        log = p.clamp(1e-12, 1).log()
        votes = torch.zeros_like(p).scatter_(1, p.argmax(1, keepdim=True), 1.0)
        fresh = {"mean": p, "square": p**2, "votes": votes, "entropy": -(p * log).sum(1), "log": log}
        self.count += 1
        for name, value in fresh.items():
            old = getattr(self, name)
            if old is None:
                setattr(self, name, value.clone())
            else:
                old.lerp_(value, 1 / self.count)  # in place: maps of large images are slow to allocate


@dataclass
class Prediction:
    """What a learner says about one batch of images; tensors stay on the device that made them.

    A learner fills what its `provides` names; the rest is None.
    """

    rows: Tensor
    """(B,) int64."""
    probabilities: Tensor | None = None
    """"probabilities": (B, C, H, W), C ≥ 2, mean over passes or members where there are several."""
    deterministic: Callable[[], Tensor] | None = None
    """Gives (B, C, H, W) of one pass with dropout off, where `probabilities` is a mean over MC passes."""
    depth: Tensor | None = None
    """"depth": (B, 1, H, W) in cm, mean over passes or members."""
    deviation: Tensor | None = None
    """"deviation": (B, 1, H, W) in cm, standard deviation over passes or members."""
    latent: Tensor | None = None
    """"latent": (B, D) one descriptor an image."""
    features: Tensor | None = None
    """"features": (B, D, h, w) deepest encoder map, after its normalisation and activation."""
    passes: Passes | None = None
    """"passes": sums over M ≥ 2 MC-dropout passes or committee members."""
    members: Tensor | None = None
    """"members": (B, M, D) one descriptor an image and committee member."""


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
    def open(self) -> NDArray[np.int64]:
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
class Pseudo:
    """Images that the learner shall label for itself for one stage; they cost nothing."""

    rows: Rows
    """(n,) distinct unlabelled rows that are not picks of the same query."""
    kind: Literal["soft", "hard", "confident"]
    """soft: the foreground probability; hard: the argmax; confident: the argmax where the pixel entropy
    (nats) is at most `threshold`, `IGNORE` elsewhere."""
    threshold: float = 0.0


@dataclass(frozen=True)
class Query:
    """What to ask the annotator: images, or regions of images, in the order of choice."""

    rows: Rows
    """(B,) dataset rows, distinct unless there are boxes."""
    source: tuple[str, ...]
    """B names of the rule that made each pick ("k-center", "bvsb", "top-up", ...)."""
    score: NDArray[np.float64]
    """(B,) the value each was picked for, NaN where the rule has none."""
    pseudo: Pseudo | None = None
    """Images to pseudo-label for the next stage, beside the picks."""
    boxes: NDArray[np.int64] | None = None
    """(B, 4) top, left, height, width of each region, in pixels of the learner's image (H, W); zeros stand for a
    whole image. None where all are whole images."""

    def __post_init__(self) -> None:
        assert len(self.rows) == len(self.source) == len(self.score)
        assert self.boxes is None or self.boxes.shape == (len(self.rows), 4)

    @classmethod
    def of(cls, rows: Rows, source: str, score: Floats | None = None, boxes: NDArray[np.int64] | None = None) -> Query:
        """All rows from one source; score None means NaN."""
        rows = np.asarray(rows, dtype=np.int64)
        values = np.full(len(rows), np.nan) if score is None else np.asarray(score, dtype=np.float64)
        return cls(rows, (source,) * len(rows), values, boxes=boxes)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Query) -> Query:
        boxes = [np.zeros((len(q), 4), dtype=np.int64) if q.boxes is None else q.boxes for q in (self, other)]
        return Query(
            np.concatenate([self.rows, other.rows]),
            self.source + other.source,
            np.concatenate([self.score, other.score]),
            self.pseudo or other.pseudo,
            None if self.boxes is None and other.boxes is None else np.concatenate(boxes),
        )

    def take(self, keep: Sequence[int] | NDArray[Any] | slice) -> Query:
        """The picks at these positions (or where this mask is True), in that order."""
        positions = np.arange(len(self))[keep]
        source = tuple(self.source[i] for i in positions)
        boxes = None if self.boxes is None else self.boxes[positions]
        return Query(self.rows[positions], source, self.score[positions], self.pseudo, boxes)


@dataclass(frozen=True)
class Survey:
    """What a strategy that has `prepare` gets before the pool is scored: to train something of its own on what is
    revealed, and to look at the pool first."""

    rows: Rows
    """(P,) ascending rows of the pool."""
    size: tuple[int, int]
    """(H, W) of the learner's image."""
    classes: int
    """C of `Prediction.probabilities`."""
    images: ImageSource
    boxes: Callable[[int], NDArray[np.int64]]
    """row -> (n, 4) its revealed regions; one box of (0, 0, H, W) where it is labelled as a whole."""
    clicks: Callable[[int], NDArray[np.float64]]
    """row -> (n, 2) clicks x, y in the learner's image that lie in its revealed regions."""
    surplus: int
    """Pixels revealed beyond a whole number of images' worth; the next budget is that much smaller."""
    predict: Callable[[Batch], Prediction]
    """The learner on one batch {"rows", "image"}, moved to the device of the images."""
    scan: Callable[[Callable[[Prediction], dict[str, Tensor]]], dict[str, NDArray[Any]]]
    """A pass over the pool like that of `Strategy.measure`: reduction of a batch -> {name: (P, ...)}."""
    rng: np.random.Generator
    trainer: Mapping[str, Any]
    """Arguments for a Trainer of the strategy's own."""


@runtime_checkable
class Strategy(Protocol):
    """An acquisition function: a frozen dataclass whose fields are its options.

    `measure` runs on the device for each batch of the pool and reduces it to a few numbers an image;
    `select` runs once, on the host, outside every Trainer.

    A strategy may also have `prepare(survey: Survey) -> Strategy`, called before each scoring of the pool; what it
    returns measures and selects in its place. One that asks for regions has `regions = True`: its `select` returns
    boxes whose new pixels are worth `budget` images, or the last box more.
    """

    @property
    def needs(self) -> frozenset[str]:
        """What the learner must provide (names of `Prediction`'s fields), or "images"."""

    def measure(self, prediction: Prediction) -> dict[str, Tensor]:
        """Prediction of B images -> {name: (B,) or (B, D) tensor}; no map of pixels may be returned."""

    def select(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Query:
        """Exactly `budget` distinct unlabelled rows; 0 < budget < number of unlabelled images."""


class StageRow(TypedDict):
    """One line of stages.jsonl."""

    stage: int
    labelled: int
    """Labelled images; regions count by their pixels, as images' worth, rounded down."""
    fraction: float
    """Revealed share of the pool's pixels, every image counting alike."""
    cost: dict[str, float | None]
    """"images" with a label, "pixels" at their own size, "clicks" (None for depth): of all that is revealed."""
    val: dict[str, float]
    test: dict[str, float]
    seconds: dict[str, float]
    selected: list[dict[str, Any]]
