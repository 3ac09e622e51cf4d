"""Runs as earlier versions left them."""

from __future__ import annotations

import json
from pathlib import Path


def without_digests(folder: Path) -> None:
    """As a version before there were digests would have left the run."""
    (folder / "manifest.json").unlink()
    for path in (folder / "state").glob("stage-*.json"):
        content = json.loads(path.read_text())
        for key in ("format", "chain", "dataset", "pseudo"):
            content.pop(key, None)
        for key in [key for key in content if key.startswith("fit")]:
            content[key].pop("digest")
        path.write_text(json.dumps(content, indent=1))
