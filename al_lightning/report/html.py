"""Runs to one HTML file that needs nothing beside it: no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from al_lightning.core.files import write_atomic
from al_lightning.report.gallery import Images
from al_lightning.report.page import page_of
from al_lightning.report.runs import Run
from al_lightning.report.text import pieces
from al_lightning.report.views import Page


def write_report(runs: Sequence[Run], path: str | Path, images: Images | None = None) -> Path:
    """Write the report of `runs` (`find_runs`) and return its path.

    Args:
        path: the file to write; folders above it are made.
        images: gives the pictures of some ids of a run, for the gallery of picks; None shows ids.

    Raises:
        ValueError: no run has a finished stage, or a run holds neither mIoU nor RMSE.
    """
    text = render(page_of(runs, images))
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe or a terminal, which cannot be replaced
        path.write_text(text, encoding="utf-8")
    else:
        write_atomic(path.resolve(), text)
    return path


def render(page: Page) -> str:
    """The whole document as text; everything in `page` is escaped."""
    environment = Environment(
        loader=PackageLoader("al_lightning.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pieces"] = pieces
    return environment.get_template("report.html.j2").render(page=page)
