"""The table in the terminal."""

import io
import re

import pytest
from report_runs import fake, scored
from rich.console import Console

from al_lightning.report import find_runs, print_table


def printed(runs, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_table(runs, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [50, 80, 200])
def test_terminal_table(tmp_path, width):
    text = printed(scored(tmp_path), width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())
    core = next(line for line in text.splitlines() if line.startswith("core"))
    assert core.split()[:5] == ["core", "3", "61.0", "±", "1.0"]
    assert "75.5 ± 2.1 (2)" in text
    assert text.rstrip().endswith("have this stage") or width == 50


def test_terminal_table_of_depth_in_cm(tmp_path):
    fake(tmp_path, "exp", "[bold]core", 0, [0.91, 0.5], task="depth")
    text = printed(find_runs([tmp_path]), 90)
    assert re.search(r"\[bold\]core +1 +0\.910 +0\.500", text)
    assert "lower is better" in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_label_is_written_in_full_on_several_lines(tmp_path, width):
    label = "package.module.ContrastiveCoreset,gamma=0.3,neighbours=12"
    for strategy in (label, "random"):
        fake(tmp_path, "exp", strategy, 0, [0.5, 0.6, 0.7])
    text = printed(find_runs([tmp_path]), width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())
    half = width // 2
    assert label in "".join(line[:half].strip() for line in text.splitlines())
