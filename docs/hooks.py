"""Hook of MkDocs: puts what the code says of itself in place of `<!-- generated: NAME WORDS -->` in a page."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import generate

MARK = re.compile(r"^<!-- generated: (?P<name>[a-z-]+)(?P<words>[^>]*?) -->$", re.MULTILINE)


def filled(markdown: str) -> str:
    """A page with its marks replaced.

    Raises:
        KeyError: a mark names nothing that can be generated.
    """
    return MARK.sub(lambda mark: generate.GENERATORS[mark["name"]](*mark["words"].split()), markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return filled(markdown)
