"""What a folder holds: `look` finds the loader and its options, and says what is not clear."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from al_lightning.data.dataset import DenseDataset
from al_lightning.data.errors import DataError
from al_lightning.data.images import ImageReading, image_reading
from al_lightning.data.init import depth, groups, settle, source
from al_lightning.data.init.choices import Ask, Options, nobody
from al_lightning.data.init.doubles import near_duplicates
from al_lightning.data.init.finding import Finding
from al_lightning.data.init.published import Published, below, recognise, sessile
from al_lightning.data.own.folder_listing import NO_TARGETS, read_unlabelled
from al_lightning.data.own.foreign import advice
from al_lightning.data.own.layout import IMAGES, role
from al_lightning.data.own.listing import Listing
from al_lightning.data.own.videos import Read
from al_lightning.data.table import DATASETS
from al_lightning.data.walk import some, walk


def look(root: Path, given: Options, ask: Ask) -> Finding:
    """Look at a folder.

    Args:
        root (Path): the folder.
        given (Options): options of the loader `folder` that are known already; with any, no published set is
            looked for.
        ask (Ask): answers what is not clear.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        DataError: the files contradict each other; the message is that of the loader.
    """
    if not root.is_dir():
        told = advice(Counter([root.suffix.lower()]))
        kind = f"is a file{f'; {told}' if told else ''}" if root.exists() else "no such folder"
        raise FileNotFoundError(f"{root}: {kind}; name the folder that holds your images")
    lines: list[str] = []
    if not given:
        found = recognise(root)
        inside = [] if found else below(root)
        if len(inside) > 1:
            names = some(f"{one.root.name} ({one.name})" for one in inside)
            raise DataError(f"{root}: holds several published data sets: {names}; name one of their folders")
        if found := found or next(iter(inside), None):
            finding = _published(found, lines, ask)
            if finding:
                return finding
        if whole := sessile(root):
            lines.append(
                f"layout: the sessile polyps of Kvasir-SEG, all of which are in {whole} too; for the experiment of the "
                f"papers, which tests on them: al-lightning init {whole}"
            )
    finding = _own(root, given, ask)
    finding.lines[:0] = lines
    return finding


def _published(found: Published, lines: list[str], ask: Ask) -> Finding | None:
    """A published set as its own loader reads it; None, and a line why, where it cannot."""
    try:
        dataset: DenseDataset = DATASETS[found.name](root=str(found.root), **found.options)
    except (DataError, FileNotFoundError) as error:
        lines.append(f"layout: that of {found.name} ({found.by}), whose loader cannot read it: {error}")
        return None
    title = sys.modules[DATASETS[found.name].__module__].INFO.title
    layout = f"layout: {title} ({found.by}), which has a loader of its own, {found.name}"
    finding = Finding(found.root, found.name, dict(found.options), dataset, [*lines, layout], images=[*dataset.images])
    if dataset.task.kind == "depth" and (question := depth.direction(dataset)):
        answer = finding.answer(question, ask)
        if answer.options:
            finding.options |= answer.options
            finding.dataset = DATASETS[found.name](root=str(found.root), **finding.options)
    return finding


def _own(root: Path, given: Options, ask: Ask) -> Finding:
    """Anybody's images, as `folder` reads them."""
    try:
        where = source.find(root, given, ask)
    except (DataError, FileNotFoundError):
        above = root.absolute().parent
        if not given and role(root.name, "segmentation") and _is_one_side(root.absolute(), above):
            finding = _own(above, given, ask)
            finding.lines.insert(0, f"layout: {root.name}/ is one side of {above}, which is read")
            return finding
        images = [] if given else walk(root, IMAGES).files
        if not images or _has_targets(root) or source.tables(root, source.TASKS):
            raise
        return _without_targets(root, ask)
    listing = where.listing
    finding = Finding(root, options=where.options, lines=where.lines, open=where.open, images=listing.images)
    finding.named_splits, finding.several = listing.splits is not None, bool(listing.further)
    read = _reading(listing, given)
    finding.alike = near_duplicates(listing.images, read)
    if "groups" not in given:
        groups.decide(finding, listing, read, ask)
    if settle.settle(finding, listing, ask):
        settle.doubts(finding, given, ask)
    if finding.dataset is not None:
        finding.unlabelled = int(finding.dataset.facts.get("pool_images_without_target", 0))
    return finding


def _reading(listing: Listing, given: Options) -> Read:
    """How the images are read; as those of 8 bits where that is still open."""
    try:
        reading, _ = image_reading(listing.images, listing.targets, given.get("page"), given.get("window", "auto"))
    except DataError:
        reading = ImageReading(page=given.get("page"))
    return reading.decode


def _is_one_side(root: Path, above: Path) -> bool:
    """Whether the folder above is a set that takes its images, or its targets, from here."""
    try:
        listing = source.find(above, {}, nobody).listing
    except (DataError, FileNotFoundError):
        return False
    files = [*listing.images, *listing.targets]
    return any(file is not None and file.absolute().is_relative_to(root) for file in files)


def _has_targets(root: Path) -> bool:
    """Whether some folder is named for masks or depth, so that what is wrong is not that there are none."""
    named = [role(path.name, task) for path in root.rglob("*") if path.is_dir() for task in source.TASKS]
    return any(one is not None and one[0] == "targets" for one in named)


def _without_targets(root: Path, ask: Ask) -> Finding:
    """Images that nobody has annotated: people are asked."""
    listing = read_unlabelled(root, "segmentation", None)
    finding = Finding(root, options={"targets": NO_TARGETS}, images=listing.images, people=True)
    read = _reading(listing, {})
    finding.alike = near_duplicates(listing.images, read)
    groups.decide(finding, listing, read, ask)
    finding.dataset = DATASETS["folder"](root=str(root), **finding.options)
    return finding
