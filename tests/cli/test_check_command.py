"""`al-lightning check`."""

from __future__ import annotations

from al_lightning.cli import main


def test_check_audits_and_exits_1_when_test_leaks(tiny, write_config, tmp_path, capsys):
    path = str(write_config(tiny))
    out = tmp_path / "audit"
    assert main(["check", path, "dataset.options.protocol=clean", "-o", str(out)]) == 0
    assert main(["check", path, "dataset.options.protocol=paper", "-o", str(out)]) == 1
    assert (out / "audit.png").is_file()
    assert "test" in (out / "audit.json").read_text()
    capsys.readouterr()
    assert main(["check", path, "dataset.options.root=/nowhere"]) == 2
