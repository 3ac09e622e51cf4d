"""The files of state/: their format, and the digests by which a resume sees that one was touched.

A file holds the finished steps of a stage, and beside them

    "format": 1,
    "chain": {"before": digest of the file before, "config": digest of the config, "steps": {step: its digest}}

The file before that of stage 0 is manifest.json, which holds what the run began with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

from al_lightning.core.digest import digest
from al_lightning.core.json_files import MAYBE_NUMBER, NUMBER, expect, read_json
from al_lightning.core.pool import PSEUDO, WITHDRAWN
from al_lightning.core.stage_rows import ROW

FORMAT = 1
"""Of state files and manifest.json; those without one are of versions before there were digests."""
HEADER = ("format", "chain")
_METRICS = {"*": MAYBE_NUMBER}
_LATER = {"steps?"}
"""Keys of a row that states of an older version lack."""
_WHOLE_ROW = {key if key in _LATER else key.removesuffix("?"): shape for key, shape in ROW.items()}
_PICKS = [{"id": str, "source": str, "score": MAYBE_NUMBER}]
_FILES = {"*": str}
_DELIVERY = {"files": _FILES, "corrected": _FILES, "withdrawn": {"*": str}, "waiting": [str]}
_STEPS = {
    "test?": {"seconds": NUMBER, "val": _METRICS, "test": _METRICS},
    "row?": _WHOLE_ROW,
    "pool?": [{"id": str, "source": str, "target?": (str, NoneType), "stage?": int, "score?": MAYBE_NUMBER}],
    "last?": bool,
    "pseudo?": _FILES,
    "asked?": {"picks": _PICKS, "pseudo": _FILES, "guesses": _FILES, "seconds": {"*": NUMBER}},
    "given?": _DELIVERY,
    "first_asked?": _PICKS,
    "first_given?": _DELIVERY,
    "waiting?": ({"since": NUMBER, "asked": int, "missing": int}, NoneType),
    "dataset?": {"sha256": str, "images": int, "joined": [str]},
}
_NO_LABEL = {PSEUDO: {"target": str}, WITHDRAWN: {"reason": str}}
"""Source of an entry of "pool" that is no label -> its shape."""
_FIT = {"seconds": NUMBER, "checkpoint": str, "digest?": (str, NoneType), "steps?": int}
_CHAIN = {"before": (str, NoneType), "config": (str, NoneType), "steps": {"*": str}}


def seal(steps: Mapping[str, Any], before: str | None, config: str | None) -> dict[str, Any]:
    """The content of a state file.

    Args:
        steps: finished steps of the stage.
        before: digest of the content of the file before it; None where there is none.
        config: digest of the config; None where it is not known.
    """
    chain = {"before": before, "config": config, "steps": {name: digest(value) for name, value in steps.items()}}
    return {"format": FORMAT, "chain": chain, **steps}


def read_state(path: Path) -> dict[str, Any]:
    """The content of a state file; empty where there is none.

    Raises:
        ValueError: it is no JSON, of a newer format, or a value has another type; the message is one line.
    """
    if not path.exists():
        return {}
    content = read_json(path)
    expect(content, dict, str(path))
    check_format(content, path)
    expect(content, _STEPS | {f"{name}?": _FIT for name in content if name.startswith("fit")}, str(path))
    if "format" in content:
        expect(content, {"chain": _CHAIN}, str(path))
    if "pool" in content and "row" not in content:
        raise ValueError(f"{path}: holds 'pool', and 'row' is gone; put the file back from a copy")
    for entry in content.get("pool", []):
        shape = _NO_LABEL.get(entry["source"], {"target": (str, NoneType), "stage": int, "score": MAYBE_NUMBER})
        expect(entry, shape, str(path), f"pool.{entry['id']}")
    return dict(content)


def steps_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The finished steps of a state file."""
    return {name: value for name, value in content.items() if name not in HEADER}


def check_format(content: Mapping[str, Any], path: Path) -> None:
    """Check that this version can read a file; one without a format passes.

    Raises:
        ValueError: its format is a newer one, or none.
    """
    found = content.get("format")
    if found is None and "format" not in content:
        return
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise ValueError(
            f"{path}: format={found!r}: expected a number from 1 to {FORMAT}; put the file back from a copy"
        )
    if found > FORMAT:
        raise ValueError(
            f"{path}: written in format {found} by a newer version of al-lightning, and this one reads up to format "
            f"{FORMAT}; resume with that version"
        )


def check_chain(
    content: Mapping[str, Any], path: Path, before: str | None, config: str | None, previous: Path, labels: str
) -> None:
    """Check a state file against its own digests and the file before it.

    Args:
        content: of the file, with a format.
        before, config: digests as they are now; None is not compared.
        previous: the file before it.
        labels: what is known to be wrong with its labels, "" for nothing.

    Raises:
        ValueError: something was touched; the message names it.
    """
    chain, steps = content["chain"], steps_of(content)
    for name in sorted(chain["steps"].keys() | steps.keys()):
        if name not in steps:
            raise ValueError(f"{path}: {name!r} was taken out of it; {remedy(path)}")
        if chain["steps"].get(name) != digest(steps[name]):
            more = f" ({labels})" if name == "pool" and labels else ""
            raise ValueError(f"{path}: {name!r} was changed after it was written{more}; {remedy(path)}")
    for name, now, what in (
        ("before", before, f"follows another {previous.name} than the one that is here"),
        ("config", config, "belongs to a run of another config"),
    ):
        if chain[name] != now:
            raise ValueError(f"{path}: {what}; {remedy(path)}")


def remedy(path: Path) -> str:
    """What to do about a state file that was touched."""
    return (
        f"put it back from a copy, or delete {path.name}, all later ones and their lines of stages.jsonl, and resume "
        "trains these stages again"
    )


def label_faults(before: Sequence[Mapping[str, Any]] | None, state: Mapping[str, Any], stage: int) -> str:
    """What is wrong with the labels after a stage: those before it, and what its row says was selected; "" if nothing.

    Args:
        before: "pool" of the stage before; None for stage 0.
        state: of the stage, with "row" and "pool".
        stage: its number.

    Example:
        >>> label = {"id": "a", "stage": 0, "source": "initial", "score": None, "target": None}
        >>> label_faults(None, {"row": {"selected": []}, "pool": [label, label]}, 0)
        "'a' is there twice"
    """
    labels = [entry for entry in state["pool"] if entry["source"] not in _NO_LABEL]
    known: set[str] = set()
    for entry in labels:
        if (name := digest({key: value for key, value in entry.items() if key in ("id", *_regions(entry))})) in known:
            return f"{entry['id']!r} is there twice"
        known.add(name)
    earlier = [entry for entry in labels if entry["stage"] <= stage]
    if before is not None:
        older = [entry for entry in before if entry["source"] not in _NO_LABEL]
        # Files of labels are left out: a run that was moved finds them elsewhere.
        if [{**entry, "target": None} for entry in earlier] != [{**entry, "target": None} for entry in older]:
            return _first_difference(older, earlier, "the stage before has")
    picked = [pick for pick in state["row"]["selected"] if pick["source"] not in _NO_LABEL]
    new = [entry for entry in labels if entry["stage"] > stage]
    if [entry["id"] for entry in new] != [pick["id"] for pick in picked]:
        return _first_difference(picked, new, "its row selected")
    return ""


def _regions(entry: Mapping[str, Any]) -> list[str]:
    return [key for key in entry if key not in ("id", "stage", "source", "score", "target")]


def _first_difference(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], whose: str) -> str:
    for a, b in zip(wanted, found, strict=False):
        if a["id"] != b["id"]:
            return f"label of {b['id']!r} where {whose} {a['id']!r}"
    if len(wanted) != len(found):
        return f"{len(found)} labels where {whose} {len(wanted)}"
    return f"the labels are not those that {whose}"
