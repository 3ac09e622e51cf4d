"""What killed processes left in a run's folder is removed when it goes on, and nothing else."""

from __future__ import annotations

import json

from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment.leftovers import clear_leftovers


def test_leftovers_are_cleared_and_what_is_needed_stays(tmp_path):
    gone = [
        ".config.yaml.17.tmp",
        "hpc_ckpt_1.ckpt",
        "state/.stage-000.json.17.tmp",
        "pseudo/stage-001/.3.npy.17.tmp",
        "checkpoints/stage-000/last.ckpt",
        "checkpoints/stage-000/last-previous.ckpt",
        "checkpoints/stage-000/best-previous.ckpt",
        "checkpoints/stage-001/member-0/last.ckpt",
        "checkpoints/stage-001/member-1/.last.ckpt.17.tmp",
    ]
    kept = [
        "config.yaml",
        "mine.tmp",
        "notes/.a.17.tmp",
        "csv/hpc_ckpt_1.ckpt",
        "pseudo/stage-001/3.npy",
        "checkpoints/stage-000/best.ckpt",
        "checkpoints/stage-001/member-0/best.ckpt",
        "checkpoints/stage-001/member-1/last.ckpt",
        "checkpoints/stage-001/member-1/last-previous.ckpt",
        "checkpoints/stage-001/member-1/best-previous.ckpt",
        "checkpoints/stage-mine/last.ckpt",
    ]
    for name in gone + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    fit = {"seconds": 1.0, "checkpoint": "checkpoints/stage-000/best.ckpt"}
    states = {0: {"fit": fit}, 1: {"fit": fit}}
    for stage, state in states.items():
        (tmp_path / "state" / f"stage-{stage:03d}.json").write_text(json.dumps(state))
        kept.append(f"state/stage-{stage:03d}.json")
    (tmp_path / "checkpoints" / "link").symlink_to(tmp_path / "notes")
    clear_leftovers(RunFolder(tmp_path))
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
