"""What looks like patients or videos: values of the option `groups`, and what speaks for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from al_lightning.data.errors import DataError
from al_lightning.data.init.choices import Ask, Choice, Question
from al_lightning.data.init.finding import Finding
from al_lightning.data.own.drawing import draw
from al_lightning.data.own.folder_listing import NO_TARGETS
from al_lightning.data.own.grouping import group_keys
from al_lightning.data.own.listing import Listing
from al_lightning.data.own.videos import Read, find_videos, series_of
from al_lightning.data.splits import SPLIT_SEED
from al_lightning.data.walk import many, some

Found: TypeAlias = "tuple[str, str, int]"
"""(value of the option groups, what speaks for it, how many groups)."""
LEAST = 6
"""Groups from which on a draw of whole groups is taken without a question."""
PATIENT = re.compile(
    r"(?:^|[/_.\- ])((?:patients?|pat|pt|case|subject|subj|sub|study|exam|video|vid|sequence|seq|clip)[_\- ]?\d+)"
    r"(?=$|[/_.\- a-z])",
    re.IGNORECASE,
)
"""Words with a number that people name patients and videos by."""


def decide(finding: Finding, listing: Listing, read: Read, ask: Ask) -> None:
    """Keep what looks like a patient or a video in one split, where whole groups can be drawn.

    Groups that a CSV names, and splits that folders or a CSV name, need none.
    """
    if any(listing.groups) or listing.splits:
        return
    found = _patients(listing.ids) or _folders(listing.ids) or _videos(finding, listing, read)
    if found is None:
        return
    rule, why, number = found
    if not _can_be_drawn(finding, listing, rule, read):
        alone = "" if _can_be_drawn(finding, listing, "auto", read) else ", so that each image is for itself"
        finding.options |= {"groups": "none"} if alone else {}
        finding.lines.append(f"groups: {why}, too few to draw splits of whole groups{alone}")
        return
    if number < LEAST:
        whole = Choice({"groups": rule}, f"whole groups in each split, of which there are {number}")
        alone_too = "each image for itself: what one of these shows can be in the pool and in the test set"
        by_itself = Choice({"groups": "none"}, alone_too)
        chosen = finding.answer(Question("groups", why, (whole, by_itself), needed=False), ask).options
        if chosen != whole.options:
            finding.options |= chosen
            return
    finding.options["groups"] = rule
    finding.lines.append(f"groups: {rule}, as {why}; all of a group are in one split")


def _can_be_drawn(finding: Finding, listing: Listing, rule: str, read: Read) -> bool:
    keys, _ = group_keys(listing.ids, listing.images, listing.groups, rule, read)
    options = finding.options
    if options.get("targets") == NO_TARGETS:  # the run holds whole groups out
        return len(set(keys)) > LEAST
    validation, test = (float(options.get(name, default)) for name, default in (("validation", 0.1), ("test", 0.2)))
    seed = int(options.get("split_seed", SPLIT_SEED))
    try:
        draw(listing, keys, validation, test, seed, str(finding.root))
    except DataError:
        return False
    return True


def _patients(ids: Sequence[str]) -> Found | None:
    """A word such as patient with a number in every id."""
    matches = [match for name in ids if (match := PATIENT.search(name))]
    words = [match[1] for match in matches]
    number = len(set(words))
    if len(words) < len(ids) or not 1 < number < len(ids):
        return None
    folders = [PurePosixPath(name).parent.as_posix() for name in ids]
    if len(set(folders)) == number == len(set(zip(folders, words, strict=True))):
        return "folder", f"images lie in {number} folders ({some(dict.fromkeys(folders))})", number
    stem = re.escape(re.split(r"\d", words[0])[0])
    for pattern in (f"({stem}\\d+)", f"((?i:{stem})\\d+)"):
        grouped = [match[1] if (match := re.search(pattern, name)) else "" for name in ids]
        if grouped == words:
            return pattern, f"names hold {number} patients or videos ({some(dict.fromkeys(words))})", number
    return None


def _folders(ids: Sequence[str]) -> Found | None:
    """Sub-folders."""
    distinct = dict.fromkeys(PurePosixPath(name).parent.as_posix() for name in ids)
    if not 1 < len(distinct) < len(ids):
        return None
    return "folder", f"images lie in {len(distinct)} folders ({some(distinct)})", len(distinct)


def _videos(finding: Finding, listing: Listing, read: Read) -> Found | None:
    """Names that count up while neighbours look alike, or while some of a series are near-duplicates."""
    series = [series_of(name) for name in listing.ids]
    counted = {name for name, count in Counter(series).items() if count > 2}
    seen = find_videos(listing.ids, listing.images, read)
    videos = set(seen.series)
    pairs = finding.alike[0] if finding.alike else []
    double = Counter(series[a] for a, b in pairs if series[a] == series[b])
    repeated = {name for name, count in double.items() if count > 1 and name in counted} - videos
    found = sorted(videos | repeated)
    if not found:
        return None
    inside = sum(name in found for name in series)
    rule = "video" if not seen.cut and (repeated or videos >= counted) else "auto"
    number = len(set(series)) if rule == "video" else len(set(seen.keys))
    why = f"{inside} names count up and the images look alike, as in {many(len(found), 'video')} ({some(found)})"
    return rule, why, number
