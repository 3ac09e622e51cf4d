"""Runs on disk to a table in the terminal and to one HTML file; imports neither torch nor Lightning."""

from al_lightning.report.html import write_report
from al_lightning.report.runs import Run, find_runs
from al_lightning.report.tables import print_table

__all__ = ["Run", "find_runs", "print_table", "write_report"]
