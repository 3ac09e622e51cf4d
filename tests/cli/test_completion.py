"""Scripts for shells; bash is asked what it completes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from al_lightning.cli import main
from al_lightning.config import catalogue


@pytest.fixture
def script(capsys):
    def make(shell: str) -> str:
        assert main(["completion", shell]) == 0
        return capsys.readouterr().out

    return make


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_is_made_and_its_shell_accepts_it(shell, script, tmp_path):
    text = script(shell)
    for word in ("resume", "experiments", "--sweep", "--budget"):
        assert word.lstrip("-") in text
    (tmp_path / "script").write_text(text)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    assert subprocess.run([program, "-n", tmp_path / "script"], check=False).returncode == 0


def complete(script: str, folder, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    code = f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n_shtab_al_lightning 2>/dev/null\n"
    code += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return [word for word in done.stdout.split("\n") if word]


def test_bash_completes_commands_options_names_and_files(script, tmp_path):
    text = script("bash")
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "depths").mkdir()
    assert complete(text, tmp_path, "al-lightning", "re") == ["resume", "report"]
    assert complete(text, tmp_path, "al-lightning", "run", "--sw") == ["--sweep"]
    assert complete(text, tmp_path, "al-lightning", "run", "mi") == ["mine.yaml"]
    assert complete(text, tmp_path, "al-lightning", "run", "depth") == [
        *(name for name in catalogue.names() if name.startswith("depth")),
        "depths",
    ]
    assert complete(text, tmp_path, "al-lightning", "run", "demo", "mi") == ["mine.yaml"]
    assert complete(text, tmp_path, "al-lightning", "check", "glas-s") == ["glas-suggestive"]
    assert complete(text, tmp_path, "al-lightning", "check", "--ru") == ["--run"]
    assert complete(text, tmp_path, "al-lightning", "check", "--run", "dep") == ["depths"]
    assert complete(text, tmp_path, "al-lightning", "resume", "dep") == ["depths"]
    assert complete(text, tmp_path, "al-lightning", "select", "--features", "mi") == ["mine.yaml"]
    assert complete(text, tmp_path, "al-lightning", "select", "--strategy", "r") == ["random"]
    assert complete(text, tmp_path, "al-lightning", "completion", "z") == ["zsh"]
