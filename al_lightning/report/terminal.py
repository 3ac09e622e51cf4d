"""The primary metric as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from al_lightning.report.group import Group
from al_lightning.report.grouping import groups
from al_lightning.report.runs import Run
from al_lightning.report.tables import StageCell, stage_cells


def print_table(runs: Sequence[Run], console: Console) -> None:
    """The primary metric of every strategy at every number of labelled images, in as many tables as the width asks.

    Raises:
        ValueError: no run has a finished stage, or a run holds neither mIoU nor RMSE.
    """
    for g, group in enumerate(groups(runs)):
        if g:
            console.print()
        _print_group(group, console)


def _print_group(group: Group, console: Console) -> None:
    cells = stage_cells(group, group.primary)
    texts = {label: [_text(cell) for cell in row] for label, row in cells.items()}
    # A label wraps where it would take more than half of the width, as that of a sweep over several options does.
    label_width = min(max(len("strategy"), *map(len, texts)), max(len("strategy"), console.width // 2))
    left = label_width + len("seeds") + 4
    widths = [2 + max(len(str(n)), *(len(row[k]) for row in texts.values())) for k, n in enumerate(group.columns)]
    console.print(Text(group.title, style="bold"))
    start = 0
    while start < len(widths):
        end = start + 1
        while end < len(widths) and left + sum(widths[start : end + 1]) <= console.width:
            end += 1
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("strategy", overflow="fold", max_width=label_width)
        table.add_column("seeds", justify="right", no_wrap=True)
        for count in group.columns[start:end]:
            table.add_column(str(count), justify="right", no_wrap=True)
        for curve in group.curves:
            shown = [
                Text(texts[curve.label][k], style="bold" if cells[curve.label][k].best else "")
                for k in range(start, end)
            ]
            table.add_row(Text(curve.label), Text(str(len(curve.runs))), *shown)
        console.print(table)
        start = end
    console.print(Text(_caption(group, [cell for row in cells.values() for cell in row]), style="dim"))


def _text(cell: StageCell) -> str:
    return cell.mean + (f" ± {cell.sd}" if cell.sd else "") + (f" ({cell.few.split()[0]})" if cell.few else "")


def _caption(group: Group, cells: Sequence[StageCell]) -> str:
    spread = "mean ± sd over seeds" if any(cell.sd for cell in cells) else "one seed"
    caption = f"{group.primary.label} on the test set by number of labelled images, {spread}"
    caption += "" if group.primary.higher_is_better else "; lower is better"
    return caption + ("; (n): only n seeds have this stage" if any(cell.few for cell in cells) else "")
