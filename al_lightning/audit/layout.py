"""A picture of pictures: parts with a heading, each of cells with a caption, on a dark ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from al_lightning.audit.tiles import HEIGHT, WIDTH

COLUMNS = 6
"""Pictures side by side."""
LINE = 14
"""Height of a line of a caption."""
MARGIN = 10
HEADING = 30


@dataclass
class Cell:
    """One or two pictures with a caption above."""

    pictures: list[Image.Image]
    lines: tuple[str, ...]
    colour: str = "white"


@dataclass
class Part:
    """A heading and what is under it."""

    heading: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """Cells side by side."""
        return COLUMNS // max((len(cell.pictures) for cell in self.cells), default=1)

    @property
    def caption(self) -> int:
        """Height of the captions in pixels."""
        return LINE * max((len(cell.lines) for cell in self.cells), default=0) + 4

    @property
    def height(self) -> int:
        """In pixels."""
        return HEADING + -(-len(self.cells) // self.columns) * (HEIGHT + self.caption + MARGIN)


def laid_out(title: str, parts: Sequence[Part]) -> Image.Image:
    """The parts below each other, with a title."""
    width = COLUMNS * (WIDTH + MARGIN) + MARGIN
    sheet = Image.new("RGB", (width, HEADING + sum(part.height for part in parts) + MARGIN), "#111111")
    draw = ImageDraw.Draw(sheet)
    font, large = ImageFont.load_default(11), ImageFont.load_default(16)
    draw.text((MARGIN, MARGIN), _short(title, width - 2 * MARGIN, large), "white", large)
    y = HEADING
    for part in parts:
        draw.text((MARGIN, y + 8), part.heading, "white", large)
        each = width // part.columns
        for place, cell in enumerate(part.cells):
            x = MARGIN + (place % part.columns) * each
            top = y + HEADING + (place // part.columns) * (HEIGHT + part.caption + MARGIN)
            for line, text in enumerate(cell.lines):
                shown = _short(text, each - 2 * MARGIN, font)
                draw.text((x, top + LINE * line), shown, cell.colour if line == 0 else "#cccccc", font)
            for side, picture in enumerate(cell.pictures):
                sheet.paste(picture, (x + side * (WIDTH + 4), top + part.caption))
        y += part.height
    return sheet


def _short(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The text, without its middle where it is longer than `width` pixels."""
    text = text.encode("ascii", "replace").decode() if isinstance(font, ImageFont.ImageFont) else text
    # A character is at least a pixel wide; measuring a long text again for each one takes the square of its length.
    short, keep = text, len(text)
    if keep > width + 8:
        keep = width + 8
        short = f"{text[: keep // 2]}…{text[-(keep // 2) :]}"
    while font.getlength(short) > width and keep > 8:
        keep -= 2
        short = f"{text[: keep // 2]}…{text[-(keep // 2) :]}"
    return short
