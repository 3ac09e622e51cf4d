"""Reports as the tables, pictures and words that a reader sees."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from al_lightning.report import Run, write_report


class Page(HTMLParser):
    """Tables as rows of cell texts, pictures, links, and whether every element is closed in order."""

    VOID = frozenset({"meta", "img", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.pictures: list[dict[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "img":
            self.pictures.append({name: value or "" for name, value in attrs})
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "br" and {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += "|"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self._text.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def words(self) -> str:
        return " ".join("".join(self._text).split())


def report(runs: Sequence[Run], folder: Path, images: Any = None) -> Page:
    """Write folder/out/report.html and read it."""
    path = write_report(runs, folder / "out" / "report.html", images)
    assert path == folder / "out" / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def content(picture: dict[str, str]) -> bytes:
    """What the data URI of a picture holds."""
    return base64.b64decode(picture["src"].split(",")[1])


def opened(picture: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(content(picture)))


def svg_points(svg: str, colour: str) -> np.ndarray:
    """(n, 2) vertices of the one line that is stroked in this colour and not filled."""
    space = "{http://www.w3.org/2000/svg}"
    for path in ElementTree.fromstring(svg).iter(f"{space}path"):
        style = path.get("style", "")
        if "fill: none" in style and f"stroke: {colour.lower()}" in style and path.get("clip-path"):
            return np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d") or ""), dtype=float)
    raise AssertionError(f"no line in {colour}")
