"""Blocks of code in Markdown pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(
    r'^( *)```(?P<kind>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<body>.*?)^\1```$', re.DOTALL | re.MULTILINE
)
SNIPPET = re.compile(r"^( *)--8<--\n *(\S+)\n *--8<--$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    kind: str
    title: str | None
    body: str


def name(page: Path) -> str:
    """A page's path below the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, included files in place."""

    def included(found: re.Match[str]) -> str:
        lines = (ROOT / found[2]).read_text(encoding="utf-8").rstrip().splitlines()
        return "\n".join(f"{found[1]}{line}" if line else "" for line in lines)

    text = SNIPPET.sub(included, page.read_text(encoding="utf-8"))
    found = []
    for match in BLOCK.finditer(text):
        body = re.sub(rf"^{match[1]}", "", match["body"], flags=re.MULTILINE) if match[1] else match["body"]
        found.append(Block(match["kind"], match["title"], body))
    return found


def commands(page: Path) -> list[str]:
    """The lines of a page's bash blocks, without comments."""
    lines = [line for block in blocks(page) if block.kind == "bash" for line in block.body.splitlines()]
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
