"""What an audit found, as text: notes, a table, examples, overlap and sizes."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from al_lightning.audit.audit import Audit

COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


def print_audit(found: Audit, console: Console, examples: int = 3) -> None:
    """The loader's notes, one line for each severity, kind and place, a few examples of each, overlap and sizes.

    Args:
        found (Audit): what to print; the verdict is left to the caller.
        console (Console): where to print.
        examples (int): how many of each kind are printed. Default 3.
    """

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    for note in found.notes:
        line(escape(note))
    groups = {key: some for key, some in found.grouped().items() if key[1] != "note"}
    total = sum(one.count for some in groups.values() for one in some)
    table = Table(title=f"{escape(found.dataset)} ({found.protocol}): {total} findings", title_justify="left")
    for column in ("severity", "finding", "where", "number"):
        table.add_column(column, justify="right" if column == "number" else "left", overflow="fold")
    for (severity, kind, place), some in groups.items():
        table.add_row(f"[{COLOURS[severity]}]{severity}[/]", kind, place, str(sum(one.count for one in some)))
    console.print(table if groups else f"{escape(found.dataset)} ({found.protocol}): nothing found")
    for (severity, kind, place), some in groups.items():
        title = f"[{COLOURS[severity]}]{kind}, {place}:[/]"
        if len(some) == 1 and not some[0].ids:
            line(f"{title} {escape(some[0].detail)}")
            continue
        line(title)
        for one in some[:examples]:
            named = " = ".join(one.ids[:2]) if one.pair else ", ".join(one.ids[:examples])
            named += ", ..." if len(one.ids) > examples else ""
            line(escape(f"  {named}: {one.detail}" if named else f"  {one.detail}"))
        if len(some) > examples:
            line(f"  and {len(some) - examples} more")
    for split, by in found.overlap.items():
        ways = ", ".join(f"{by[way]} by {way}" for way in ("name", "file", "pixels", "picture"))
        line(f"{by['same']} of {found.splits['test']} test images are in {split}: {ways}")
    size = found.sizes
    splits = ", ".join(f"{name} {count}" for name, count in found.splits.items())
    if size["images"]:
        line(
            f"{splits}; {size['distinct']} size{'s' * (size['distinct'] > 1)}, {size['width'][0]} x "
            f"{size['height'][0]} to {size['width'][1]} x {size['height'][1]}, width / height "
            f"{size['aspect'][0]:.2f} to {size['aspect'][1]:.2f}, most often {size['most_common'][0]} "
            f"({size['most_common'][1]})"
        )
