"""The order of words, mistakes, and what every command shares."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from al_lightning.cli import main
from al_lightning.cli.arguments import split
from al_lightning.cli.main import COMMANDS, parser
from al_lightning.config import ConfigError


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_options_stand_anywhere_between_the_words(order):
    groups = [["x.yaml"], ["seed=1"], ["--sweep", "a=1,2"], ["name=y"]]
    given = [word for place in order for word in groups[place]]
    options = parser().parse_args(["run", *given, "--sweep=b=3"])
    assert options.config == [word for word in given if word in ("x.yaml", "seed=1", "name=y")]
    assert options.sweep == ["a=1,2", "b=3"]


def test_other_commands_mix_their_words_too():
    options = parser().parse_args(["report", "runs/a", "-o", "x.html", "runs/b"])
    assert (options.runs, options.output) == ([Path("runs/a"), Path("runs/b")], Path("x.html"))
    options = parser().parse_args(["show", "--images", "2", "runs/a"])
    assert (options.runs, options.images) == ([Path("runs/a")], 2)
    assert parser().parse_args(["check", "x", "-o", "out", "y=1"]).config == ["x", "y=1"]
    assert parser().parse_args(["experiments"]).config == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--sweep", "a=1"],
        ["run", "x", "--swep", "a=1"],
        ["resume", "a", "b"],
        ["select"],
        ["rnu", "x"],
        [],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 2
    assert "usage: al-lightning" in capsys.readouterr().err


def test_files_and_overrides_are_told_apart(tmp_path, monkeypatch):
    assert split(["a.yaml", "seed=1", "demo", "name=x=y"]) == (["a.yaml", "demo"], ["seed=1", "name=x=y"])
    with pytest.raises(ConfigError, match="no experiment given"):
        split(["seed=1"])
    monkeypatch.chdir(tmp_path)
    saved = "runs/x/random,gamma=0.3/seed-0/config.yaml"
    assert split([saved, "demo"]) == (["demo"], [saved])
    (tmp_path / saved).parent.mkdir(parents=True)
    (tmp_path / saved).touch()
    assert split([saved, "demo"]) == ([saved, "demo"], [])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["run", "demo", "budget.inital=1"], "did you mean: 'initial'"),
        (["run", "demo", "--sweep", "seed"], "expected key=a,b"),
        (["run", "kvasir-ta-corset"], "kvasir-ta-corset: no such .*'kvasir-ta-coreset'"),
        (["run", "kvasir"], "kvasir: holds several experiments"),
        (["check", "kvasr-random"], "'kvasir-random'"),
        (["experiments", "dmo"], "'demo'"),
        (["bench", "k-centre"], "did you mean 'k-center'"),
    ],
)
def test_mistakes_are_one_line_on_stderr_and_exit_code_2(arguments, match, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("al-lightning: ")
    assert captured.err.count("\n") == 1
    assert re.search(match, captured.err, re.IGNORECASE), captured.err
    assert list(tmp_path.iterdir()) == []


def test_traceback_is_shown_on_demand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        main(["--traceback", "run", "absent.yaml"])


def test_version_and_help(capsys):
    for argument in ("--version", "--help"):
        with pytest.raises(SystemExit) as info:
            main([argument])
        assert info.value.code == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^    {command.__name__.rpartition('.')[2]}\b", out, re.MULTILINE)


@pytest.mark.parametrize("words", [["--version"], ["experiments", "demo"], ["experiments"], ["run", "dmo"]])
def test_no_torch_is_loaded_before_it_is_needed(words):
    code = (
        "import sys\nfrom al_lightning.cli import main\n"
        f"try:\n    main({words})\nexcept SystemExit:\n    pass\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_modules_of_the_current_folder_are_found(tmp_path):
    """As a plug-in is named: package.module:Name; the installed program starts without the folder in its path."""
    (tmp_path / "beside_the_user.py").write_text("found = True\n")
    program = "import sys; from al_lightning.cli import main; main(['experiments', 'demo']); import beside_the_user"

    def run(*flags: str) -> int:
        path = tmp_path / "program.py"
        path.write_text("import sys; sys.path.pop(0); " + program)
        done = subprocess.run([sys.executable, *flags, path], cwd=tmp_path, capture_output=True, check=False)
        return done.returncode

    # The script's own folder is taken out of the path, so that only main() can have put it there.
    assert run() == 0
    (tmp_path / "elsewhere").mkdir()
    safe = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, check=False)
    assert safe.returncode == 1
    assert b"beside_the_user" in safe.stderr
