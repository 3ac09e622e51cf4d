"""Runs on disk to a table in the terminal, an HTML file or a DataFrame; imports neither torch nor Lightning."""

from al_lightning.report.frame import to_frame
from al_lightning.report.html import write_report
from al_lightning.report.runs import Run, find_runs
from al_lightning.report.terminal import print_table

__all__ = ["Run", "find_runs", "print_table", "to_frame", "write_report"]
