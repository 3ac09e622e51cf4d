"""`make NAME ARGS=...` hands its words to the program, and runs nothing that is in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBE = """#!{python}
import sys
sys.stdout.write("".join(word + "\\0" for word in sys.argv[1:]))
"""


@pytest.fixture
def words(tmp_path):
    """What the program gets from a target, given some ARGS."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    venv, program = tmp_path / "venv", tmp_path / "program"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / ".ready").touch()
    program.write_text(PROBE.format(python=sys.executable))
    program.chmod(0o755)

    def ask(args: str, target: str = "kvasir-random", by_environment: bool = False) -> tuple[list[str], str]:
        given = [] if by_environment else [f"ARGS={args}"]
        done = subprocess.run(
            ["make", "--silent", "-C", str(ROOT), target, f"VENV={venv}", f"RUN={program}", *given],
            env={**os.environ, **({"ARGS": args} if by_environment else {})},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.partition("\n")[2].split("\0")[:-1], done.stderr

    return ask


def test_words_are_overrides(words):
    assert words("trainer.max_epochs=1 seed=2")[0] == ["run", "kvasir-random", "trainer.max_epochs=1", "seed=2"]
    assert words("")[0] == ["run", "kvasir-random"]
    found = words("trainer.max_epochs=1", "demo")[0]
    assert found[:2] == ["run", "demo"]
    assert found[-1] == "trainer.max_epochs=1"


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize(
    ("args", "last"),
    [
        ("name='two words'", ["name=two words"]),
        ('learner.options.widths="[4, 8]"', ["learner.options.widths=[4, 8]"]),
        ("a=1\nb=2", ["a=1", "b=2"]),
        ("a=* b=~ c={1,2}", ["a=*", "b=~", "c={1,2}"]),
        ("name=$(touch {mark})", ["name=$(touch", "{mark})"]),
        ("name=$(shell touch {mark})", ["name=$(shell", "touch", "{mark})"]),
        ("name=`touch {mark}`", ["name=`touch", "{mark}`"]),
        ("seed=1; touch {mark}", ["seed=1;", "touch", "{mark}"]),
        ("seed=1 && touch {mark} # x", ["seed=1", "&&", "touch", "{mark}", "#", "x"]),
        ("seed=1 | tee {mark} > {mark}", ["seed=1", "|", "tee", "{mark}", ">", "{mark}"]),
        ("seed=1\ntouch {mark}", ["seed=1", "touch", "{mark}"]),
        ("'\"; touch {mark}; \"'", ['"; touch {mark}; "']),
        ("$(eval X:=$(shell touch {mark}))", ["$(eval", "X:=$(shell", "touch", "{mark}))"]),
    ],
)
def test_nothing_in_them_is_run(words, tmp_path, args, last, by_environment):
    mark = tmp_path / "ran"

    def put(text):
        return text.replace("{mark}", str(mark))

    found, _ = words(put(args), by_environment=by_environment)
    assert found == ["run", "kvasir-random", *map(put, last)]
    assert not mark.exists()


def test_an_open_quote_is_one_line(words):
    found, told = words("name='open")
    assert found == []
    assert told.splitlines()[0].startswith("ARGS: No closing quotation")
