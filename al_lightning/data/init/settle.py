"""What the loader `folder` refuses as unclear, or decides and doubts: decided from the files, asked, or left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from al_lightning.data.datasets.folder import folder
from al_lightning.data.errors import DataError, Doubt
from al_lightning.data.init import depth, masks, several
from al_lightning.data.init.choices import Ask, Choice, Options, Question, flow
from al_lightning.data.init.finding import Finding
from al_lightning.data.own.listing import Listing

ROUNDS = 6
"""Questions about one set, after which the loader's own message is shown."""


def settle(finding: Finding, listing: Listing, ask: Ask) -> bool:
    """Read the set, and decide or ask what its loader refuses as unclear; whether it could be read.

    Raises:
        DataError: the files contradict each other.
    """
    for _ in range(ROUNDS):
        try:
            finding.dataset = folder(str(finding.root), **finding.options)
            return True
        except DataError as error:
            found, certain = _alternatives(error, listing, finding)
            if not found:
                raise
            choice = certain
            if certain is None:
                question = Question(next(iter(found[0].options)), _reason(str(error)), tuple(found))
                if (choice := ask(question)) is None:
                    finding.open.append(question)
                    return False
            else:
                finding.lines.append(f"{flow(certain.options)[1:-1]}: {certain.because}")
            assert choice is not None
            finding.options |= choice.options
    raise DataError(f"{finding.root}: cannot be read, whatever was answered; see the options of the loader folder")


def doubts(finding: Finding, given: Options, ask: Ask) -> None:
    """Ask what the loader decided and doubts."""
    assert finding.dataset is not None
    for note in finding.dataset.notes:
        others = [one for one in note.choices if not set(given) & set(one)] if isinstance(note, Doubt) else []
        tried = [choice for one in others if (choice := _tried(finding, one))]
        if tried:
            as_it_is = Choice({}, finding.dataset.notes[0])
            question = Question(next(iter(tried[0].options)), _reason(note), (as_it_is, *tried), needed=False)
            _take(finding, finding.answer(question, ask))
    is_depth = finding.dataset.task.kind == "depth"
    if is_depth and "invert" not in given and (towards := depth.direction(finding.dataset)):
        _take(finding, finding.answer(towards, ask))


def _take(finding: Finding, choice: Choice) -> None:
    if choice.options:
        finding.options |= choice.options
        finding.dataset = folder(str(finding.root), **finding.options)


def _reason(message: str) -> str:
    """A loader's message without its remedy."""
    return message.split("; ")[0].split(": dataset.options")[0]


def _alternatives(error: DataError, listing: Listing, finding: Finding) -> tuple[list[Choice], Choice | None]:
    """(answers to what a loader refuses, the one that is certain)."""
    files = [file for target in listing.targets if target for file in (target, *listing.further.get(target, ()))]
    if error.about == "several_masks":
        return several.choices(listing.further, finding.options)
    if error.about == "depth":
        return depth.choices(files, finding.options, error.choices)
    if error.about == "masks":
        found, certain = masks.choices(files, finding.options, error.choices)
        if found:
            return found, certain
    return [choice for one in error.choices if (choice := _tried(finding, one))], None


def _tried(finding: Finding, options: Mapping[str, Any]) -> Choice | None:
    """What the set is with further options; None where they are refused."""
    try:
        dataset = folder(str(finding.root), **{**finding.options, **options})
    except (DataError, TypeError):
        return None
    return Choice(dict(options), dataset.notes[0])
