"""Where the images and the targets of a folder are, and whether the targets are masks or depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

from al_lightning.data.depth_files import ARRAYS
from al_lightning.data.errors import DataError, Unreadable
from al_lightning.data.files import nfc
from al_lightning.data.init.choices import Ask, Choice, Options, Question
from al_lightning.data.masks.survey import seen
from al_lightning.data.own.folder_listing import read_folders
from al_lightning.data.own.layout import IMAGES, SUFFIXES
from al_lightning.data.own.listing import Listing
from al_lightning.data.own.pairing import pair_up
from al_lightning.data.own.table_listing import meaning_of, read_columns
from al_lightning.data.own.tables import read_tables, split_named
from al_lightning.data.sample import evenly, readable
from al_lightning.data.table_file import read_lines
from al_lightning.data.walk import sub_folders, walk

TASKS = ("segmentation", "depth")
FOLDERS = 8
"""Sub-folders up to which two of them are tried as images and masks, whatever their names."""
FEW = 3
"""Files that are looked at to tell pictures from masks, and masks from depth."""
DRAWN = 64
"""Distinct numbers or colours up to which a picture is a mask."""


@dataclass
class Source:
    """How images and targets are found."""

    options: Options
    """Of the loader: task, csv, images, targets; those that are not the defaults."""
    listing: Listing
    lines: list[str] = field(default_factory=list)
    open: list[Question] = field(default_factory=list)
    """What is not clear and was not answered; the first choice is taken."""

    @property
    def task(self) -> str:
        """segmentation or depth."""
        return str(self.options.get("task", "segmentation"))


def find(root: Path, given: Options, ask: Ask) -> Source:
    """The source of a folder's images.

    Args:
        root (Path): an existing folder.
        given (Options): options of the loader that the user names.
        ask (Ask): where more than one source is there.

    Raises:
        FileNotFoundError, DataError: no image is paired with a target; the message is that of the loader.
    """
    errors: list[Exception] = []
    tasks = (given["task"],) if given.get("task") in TASKS else TASKS

    def tried(read: Callable[[], Listing]) -> Listing | None:
        try:
            return read()
        except (DataError, FileNotFoundError) as error:
            errors.append(error)
            return None

    ways: list[tuple[Options, Listing]] = []
    if "csv" not in given:
        for task in tasks:
            if listing := tried(partial(read_folders, root, task, given.get("images"), given.get("targets"))):
                ways.append(({"task": task}, listing))
    if not ways and not {"csv", "images", "targets"} & set(given):
        ways += _whatever_the_names(root, tasks)
    listed = [given["csv"]] if "csv" in given else _tables_to_try(root, tasks)
    first = len(errors)
    broken: dict[str, str] = {}
    for csv in [] if {"images", "targets"} & set(given) else listed:
        for task in tasks:
            before = len(errors)
            if listing := tried(partial(read_tables, csv, root, task)):
                ways.append(({"task": task, "csv": csv}, listing))
            elif len(errors) > before:
                broken.setdefault(csv, f"{csv}: not used: {errors[-1]}")
    if not ways:
        raise errors[first if len(errors) > first else 0]
    source = _chosen(ways, given, ask)
    read = {options.get("csv") for options, _ in ways}
    source.lines += [line for csv, line in broken.items() if csv not in read]
    return source


def _chosen(ways: list[tuple[Options, Listing]], given: Options, ask: Ask) -> Source:
    """The one way that says most, or that the user chooses."""
    source = Source({}, Listing([], [], [], []))
    tasks = dict.fromkeys(options["task"] for options, _ in ways)
    task = next(iter(tasks))
    if len(tasks) > 1:
        listings = {name: next(listing for options, listing in ways if options["task"] == name) for name in tasks}
        if set(listings["depth"].targets) == set(listings["segmentation"].targets):
            task = "depth" if _is_depth(listings["depth"]) else "segmentation"
        else:
            says = {name: f"{sum(t is not None for t in listings[name].targets)} images with target" for name in tasks}
            question = Question(
                "task",
                "the folder holds masks and depth",
                tuple(Choice({"task": name}, f"{name}: {says[name]}") for name in tasks),
                needed=False,
            )
            task = _answer(question, ask, source).options["task"]
    ways = [(options, listing) for options, listing in ways if options["task"] == task]
    folders = [way for way in ways if "csv" not in way[0]]
    csvs = [way for way in ways if "csv" in way[0]]
    told = [way for way in csvs if any(way[1].groups) or way[1].splits]
    if told or not folders:
        csvs = sorted(told or csvs, key=lambda way: -len(way[1].ids))
        chosen = csvs[0]
        if len(csvs) > 1:
            question = Question(
                "csv",
                "several tables list images",
                tuple(Choice({"csv": o["csv"]}, f"{len(listing.ids)} images") for o, listing in csvs),
                needed=False,
            )
            name = _answer(question, ask, source).options["csv"]
            chosen = next(way for way in csvs if way[0]["csv"] == name)
    else:
        chosen = folders[0]
        source.lines += [f"{o['csv']}: not used, as it names neither groups nor splits" for o, _ in csvs]
    options = {key: value for key, value in chosen[0].items() if (key, value) != ("task", "segmentation")}
    source.options, source.listing = given | options, chosen[1]
    return source


def _answer(question: Question, ask: Ask, source: Source) -> Choice:
    choice = ask(question)
    if choice is None:
        source.open.append(question)
        return question.choices[0]
    return choice


def tables(root: Path, tasks: Sequence[str]) -> list[Path]:
    """Files of a folder whose columns name images and targets."""
    return [path for path in walk(root, (".csv", ".tsv", ".txt"), recursive=False).files if _is_table(path, tasks)]


def _tables_to_try(root: Path, tasks: Sequence[str]) -> list[str]:
    """Names of tables; where all CSVs of the folder are one a split, the pattern of all of them alone."""
    found = tables(root, tasks)
    splits = {split_named(path.stem) for path in found}
    if len(found) > 1 and None not in splits and len(splits) == len(found) and found == sorted(root.glob("*.csv")):
        return ["*.csv"]
    return [path.name for path in found]


def _is_table(path: Path, tasks: Sequence[str]) -> bool:
    for task in tasks:
        try:
            read_columns(read_lines(path, partial(_is_column, task)), path, task)
        except (DataError, OSError):
            continue
        return True
    return False


def _is_column(task: str, name: str) -> bool:
    return meaning_of(name, task) is not None


def _is_depth(listing: Listing) -> bool:
    """Whether targets in a folder of a name that says neither are depth: many numbers, as no mask has."""
    targets = [target for target in listing.targets if target is not None]
    sample = [targets[row] for row in evenly(len(targets), FEW)]
    if any(path.suffix.lower() in ARRAYS for path in sample):
        return True
    try:
        looks = list(readable(sample, seen).values())
    except DataError:
        return False
    return all(one.kind == "grey" and not one.lossy and one.different > DRAWN for one in looks)


def _whatever_the_names(root: Path, tasks: tuple[str, ...]) -> list[tuple[Options, Listing]]:
    """Two sub-folders whose names say nothing and whose files pair: the one of pictures, the other of drawings."""
    folders = [folder for folder in sub_folders(root) if walk(folder, IMAGES).files]
    if len(folders) > FOLDERS or "segmentation" not in tasks:
        return []
    names = {
        folder: [nfc(path.relative_to(folder).with_suffix("").as_posix()) for path in walk(folder, IMAGES).files]
        for folder in folders
    }
    drawings = {folder for folder in folders if _are_drawings(folder)}
    found: list[tuple[Options, Listing]] = []
    for first, second in permutations(folders, 2):
        if first in drawings or second not in drawings:
            continue
        pairs = pair_up(names[first], names[second], "segmentation")
        if pairs is not None and 2 * len(pairs.targets) > len(names[first]):
            options: Options = {"images": first.name, "targets": second.name}
            try:
                listing = read_folders(root, "segmentation", first.name, second.name)
            except (DataError, FileNotFoundError):
                continue
            found.append(({"task": "segmentation", **options}, listing))
    return found if len(found) == 1 else []


def _are_drawings(folder: Path) -> bool:
    files = walk(folder, SUFFIXES["segmentation"]).files
    try:
        looks: list[Any] = list(readable([files[row] for row in evenly(len(files), FEW)], seen).values())
    except (DataError, Unreadable):
        return False
    return all(one.different <= DRAWN or (one.lossy and one.kind == "grey" and _ends(one)) for one in looks)


def _ends(one: Any) -> bool:
    """Whether most pixels of a lossy picture are nearly black or white."""
    near = sum(count for value, count in zip(one.values, one.counts, strict=True) if value < 16 or value > 239)
    return bool(near > 0.9 * sum(one.counts))
