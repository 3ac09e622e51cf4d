"""manifest.json: what a run began with, against which its config, environment and splits are compared at a resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from al_lightning.core.digest import digest
from al_lightning.core.json_files import expect, read_json
from al_lightning.core.state_files import FORMAT, check_format

_SHAPE = {
    "format": int,
    "config": dict,
    "environment": dict,
    "splits": (dict, NoneType),
    "unversioned": {"*": str},
    "sha256": str,
}


@dataclass(frozen=True)
class Manifest:
    """What a run began with."""

    config: Mapping[str, Any]
    """config.yaml."""
    environment: Mapping[str, Any]
    """environment.json."""
    splits: Mapping[str, str] | None
    """splits.json; None where a version before there were splits.json began the run."""
    unversioned: Mapping[str, str]
    """Name of a state file without digests -> its digest when the run was first resumed by a version with digests."""

    def content(self) -> dict[str, Any]:
        """What is written, with a digest of itself."""
        values = {"format": FORMAT, **vars(self)}
        return values | {"sha256": digest(values)}

    def text(self) -> str:
        """The content of the file."""
        return json.dumps(self.content(), indent=1, ensure_ascii=False)


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of a run; None where a version without digests began it.

    Raises:
        ValueError: it is damaged, was changed, or is of a newer format; the message is one line.
    """
    if not path.exists():
        return None
    remedy = "put it back from a copy, or start a new run under another name"
    try:
        content = read_json(path)
        expect(content, dict, str(path))
        check_format(content, path)
        expect(content, _SHAPE, str(path))
        expect(content["splits"] or {}, {"*": str}, str(path), "splits")
    except ValueError as error:
        raise ValueError(f"{error}; {remedy}") from None
    values = {key: value for key, value in content.items() if key != "sha256"}
    if digest(values) != content["sha256"]:
        raise ValueError(f"{path}: was changed after it was written; {remedy}")
    return Manifest(**{key: content[key] for key in ("config", "environment", "splits", "unversioned")})
