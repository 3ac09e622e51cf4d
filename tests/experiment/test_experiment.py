"""One run from YAML to curve: rows, resume after a kill, drift, W&B."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from al_lightning import experiment
from al_lightning.config import ConfigError, load
from al_lightning.core.run_folder import RunFolder

QUIET = Console(quiet=True)


def run(path: Path, *overrides: str) -> RunFolder:
    return experiment.run(load([path], overrides), QUIET)


def without_times(rows: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_a_run_leaves_rows_state_and_config(tiny, write_config):
    folder = run(write_config(tiny))
    assert folder.path.parts[-3:] == ("tiny", "ta-coreset", "seed-0")
    rows = folder.rows()
    assert [(row["stage"], row["labelled"]) for row in rows] == [(0, 4), (1, 7), (2, 10)]
    assert set(rows[0]) == {"stage", "labelled", "fraction", "cost", "val", "test", "seconds", "selected"}
    assert {"miou", "iou", "dice"} <= set(rows[0]["test"])
    assert set(rows[0]["seconds"]) == {"fit", "test", "score", "select"}
    cost = [row["cost"] for row in rows]
    assert [(c["images"], c["pixels"]) for c in cost] == [(n, n * 40 * 48) for n in (4, 7, 10)]
    assert 0 < cost[0]["clicks"] < cost[1]["clicks"] < cost[2]["clicks"]
    assert [len(row["selected"]) for row in rows] == [3, 3, 0]
    picked = [pick["id"] for row in rows for pick in row["selected"]]
    assert len(set(picked)) == 6
    assert all(pick["source"] == "k-center" and pick["score"] > 0 for pick in rows[0]["selected"])
    environment = json.loads(folder.environment.read_text())
    assert environment["dataset"]["overlap"] == {"by_id": 0, "by_thumbnail": 0}
    assert environment["dataset"]["removed_from_pool"] > 0
    pool = {"images": 18, "pixels": 18 * 40 * 48, "clicks": None}
    assert environment["cost"] == {"clicks": "contours", "terms": "vertices", "pool": pool}
    saved = OmegaConf.load(folder.config)
    assert saved.dataset.options.protocol == "clean"
    assert saved.learner.options.betas == [0.9, 0.999]
    assert not list(folder.path.rglob("last.ckpt"))


def test_a_run_stops_once_its_share_of_the_pixels_is_labelled(tiny, write_config):
    tiny["strategy"]["name"] = "random"
    path = write_config(tiny)
    folder = run(path, "budget.pixels=0.3", "budget.stages=4")  # 4, 7 and 10 of 18 images
    rows = folder.rows()
    assert [row["labelled"] for row in rows] == [4, 7]
    assert [len(row["selected"]) for row in rows] == [3, 0]
    assert without_times(rows[:1]) == without_times(run(path, "name=whole").rows()[:1])
    before = folder.stages.stat().st_mtime_ns
    again = experiment.resume(folder.path, QUIET)
    assert folder.stages.stat().st_mtime_ns == before
    assert len(again.rows()) == 2
    total = json.loads(folder.environment.read_text())["cost"]["pool"]["pixels"]
    assert [row["cost"]["pixels"] / total for row in rows] == [4 / 18, 7 / 18]


def test_augmentation_is_asked_for_in_the_yaml(tiny, write_config):
    path = write_config(tiny)
    plain, flipped = (
        run(path, "budget.stages=1", *extra).rows()[0] for extra in ([], ["learner.augment=flips", "name=f"])
    )
    assert plain["val"] != flipped["val"]


def test_patience_stops_a_stage_that_no_longer_gets_better(tiny, write_config):
    tiny["strategy"]["name"] = "full"
    tiny["learner"]["options"]["lr"] = 1e-12
    tiny["learner"]["options"]["norm"] = False  # nothing changes from epoch to epoch
    tiny["trainer"]["max_epochs"] = 50
    tiny["logging"]["csv"] = True
    folder = run(write_config(tiny), "learner.patience=3")
    epochs = [line.split(",")[0] for file in folder.path.rglob("metrics.csv") for line in file.open()]
    assert "3" in epochs
    assert not {"4", "5"} & set(epochs)


def test_the_same_seed_gives_the_same_rows_and_stage_0_is_shared(tiny, write_config):
    path = write_config(tiny)
    rows = without_times(run(path).rows())
    assert rows == without_times(run(path, "name=again").rows())
    other = run(path, "strategy.name=random").rows()
    assert other[0]["test"] == rows[0]["test"]
    assert run(path, "seed=1").rows()[0]["val"]["loss"] != rows[0]["val"]["loss"]


def test_finetune_starts_from_the_stage_before(tiny, write_config):
    tiny["learner"]["restart"] = "finetune"
    tiny["trainer"]["max_epochs"] = 1
    tiny["learner"]["options"]["lr"] = 1e-12
    tiny["strategy"]["name"] = "random"
    rows = run(write_config(tiny)).rows()
    # With no step of the optimiser worth the name, only batch statistics can move between stages.
    assert rows[0]["val"]["loss"] != rows[1]["val"]["loss"]
    states = list(Path(tiny["runs_dir"]).rglob("best.ckpt"))
    import torch

    weights = [torch.load(p, weights_only=True)["state_dict"]["network.head.weight"] for p in sorted(states)]
    assert torch.allclose(weights[0], weights[2], atol=1e-6)


def test_a_finished_run_is_not_run_again_and_drift_is_refused(tiny, write_config):
    path = write_config(tiny)
    folder = run(path)
    before = {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    run(path)
    experiment.resume(folder.path, QUIET)
    assert before == {file: file.stat().st_mtime_ns for file in folder.path.rglob("*") if file.is_file()}
    with pytest.raises(ConfigError, match=r"learner\.options\.lr: 0\.01 -> 0\.02"):
        run(path, "learner.options.lr=0.02")


KILLER = """
import os, signal, sys
import torch
from al_lightning import experiment
from al_lightning.config import load
from al_lightning.core.run_folder import RunFolder
from al_lightning.experiment import stages
from rich.console import Console
from pytorch_lightning.callbacks import ModelCheckpoint

torch.set_num_threads(1)  # as in the tests' own process: sums depend on how many threads share them
where, config = sys.argv[1:3]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "row":
    RunFolder.append_row = die
elif where == "torn":
    def torn(self, row):
        with self.stages.open("ab") as file:
            file.write(b'{"stage": 0, "labell')
        die()
    RunFolder.append_row = torn
elif where == "patience":
    # Early stopping has ended the training, and nobody has noted so yet.
    original = stages._fit
    def fit(*arguments):
        original(*arguments)
        die()
    stages._fit = fit
elif where == "epoch":
    original = ModelCheckpoint.on_train_epoch_end
    def after(self, trainer, module):
        original(self, trainer, module)
        if self.monitor is None and trainer.current_epoch == 1:
            assert os.path.exists(os.path.join(self.dirpath, "last.ckpt"))
            die()
    ModelCheckpoint.on_train_epoch_end = after
else:
    original_finish = RunFolder.finish
    def finish(self, stage, **steps):
        done = original_finish(self, stage, **steps)
        if stage == 1 and where in steps:
            die()
        return done
    RunFolder.finish = finish
experiment.run(load([config]), Console(quiet=True))
"""


@pytest.mark.parametrize("where", ["epoch", "patience", "fit", "test", "pool", "row", "torn"])
def test_killed_anywhere_resume_ends_with_the_rows_of_an_unstopped_run(where, tiny, write_config, tmp_path):
    tiny["learner"]["options"]["dropout"] = 0.5
    tiny["trainer"]["max_epochs"] = 4
    tiny["loader"]["batch_size"] = 2
    if where == "patience":
        tiny["learner"]["patience"] = 1
        tiny["trainer"]["max_epochs"] = 12
    path = write_config(tiny)
    whole = without_times(run(path, "name=whole").rows())
    (tmp_path / "killer.py").write_text(KILLER)
    done = subprocess.run([sys.executable, str(tmp_path / "killer.py"), where, str(path)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-1000:]
    folder = experiment.run_folder(experiment.complete(load([path])))
    assert len(folder.rows()) < 3
    experiment.resume(folder.path, QUIET)
    assert without_times(folder.rows()) == whole


def test_full_supervision_is_one_stage_with_everything(tiny, write_config):
    path = write_config(tiny)
    folder = run(path, "strategy.name=full", "trainer.max_epochs=1")
    (row,) = folder.rows()
    assert (row["labelled"], row["fraction"], row["selected"]) == (18, 1.0, [])
    assert run(path, "strategy.name=full", "trainer.max_epochs=1").rows() == (row,)


def test_resume_of_nothing_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config\.yaml"):
        experiment.resume(tmp_path)


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("budget.initial=99", r"budget\.initial=99.*only 18"),
        ("budget.stages=9", r"budget\.stages=9.*at most 6 stages"),
        ("strategy.name=ta-corset", "did you mean 'ta-coreset'"),
        ("strategy.options.gamma=1", r"strategy\.options\.gamma: ta-coreset has no such option"),
        ("dataset.options.rot=1", "did you mean 'root'"),
        ("learner.options.lr=fast", r"learner\.options\.lr='fast'"),
        ("learner.mc_passes=3", "mc_passes=3.*no dropout"),
        ("learner.name=unt", "did you mean 'unet'"),
        ("oracle.name=me", "simulated"),
        ("trainer.max_epoch=3", r"trainer\.max_epoch.*max_epochs"),
        ("trainer.max_epochs=null", r"trainer\.max_epochs: no value"),
        ("dataset.options.size=17", "multiples of 2"),
        ("strategy.name=bald", "passes"),
    ],
)
def test_mistakes_stop_before_anything_is_written(tiny, write_config, override, match):
    with pytest.raises(ConfigError, match=match):
        run(write_config(tiny), override)
    assert not Path(tiny["runs_dir"]).exists()


def test_bad_trainer_argument_is_a_config_error(tiny, write_config):
    with pytest.raises(ConfigError, match="trainer: "):
        run(write_config(tiny), "trainer.accelerator=abacus")


def wandb_records(path: Path) -> list[bytes]:
    """The records of a .wandb file: a LevelDB log of 32 KiB blocks behind a 7-byte header."""
    data, position, records, parts = path.read_bytes(), 7, [], []
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts.append(data[position + 7 : position + 7 + length])
        position += 7 + length
        if kind in (1, 4):
            records.append(b"".join(parts))
            parts = []
    return records


def test_offline_wandb_file_holds_miou_per_stage_against_labelled(tiny, write_config):
    from wandb.proto import wandb_internal_pb2

    tiny["logging"]["wandb"] = {"mode": "offline", "tags": ["mine"]}
    folder = run(write_config(tiny))
    files = list(folder.path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 1
    points, metrics, run_record = [], {}, None
    for record in wandb_records(files[0]):
        message = wandb_internal_pb2.Record()
        message.ParseFromString(record)
        kind = message.WhichOneof("record_type")
        if kind == "history":
            items = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in message.history.item}
            if "stage/labelled" in items:
                points.append((items["stage/labelled"], items["stage/miou"]))
        elif kind == "metric":
            metrics[message.metric.name or message.metric.glob_name] = message.metric.step_metric
        elif kind == "run":
            run_record = message.run
    assert points == [(row["labelled"], pytest.approx(row["test"]["miou"])) for row in folder.rows()]
    assert metrics["stage/*"] == "stage/labelled"
    assert run_record.run_group == "tiny"
    assert set(run_record.tags) == {"kvasir", "ta-coreset", "unet", "mine"}


def test_a_broken_wandb_does_not_stop_a_run(tiny, write_config, monkeypatch, caplog):
    tiny["logging"]["wandb"] = {"mode": "offline"}

    def broken(*_, **__):
        raise RuntimeError("no service")

    monkeypatch.setattr("wandb.init", broken)
    assert len(run(write_config(tiny)).rows()) == 3
    assert "the run goes on without it" in caplog.text


def test_csv_and_tensorboard(tiny, write_config):
    tiny["logging"] |= {"csv": True, "tensorboard": True}
    folder = run(write_config(tiny))
    assert "stage/miou" in (folder.path / "csv" / "metrics.csv").read_text()
    assert list((folder.path / "tensorboard").glob("events*"))


def test_interrupt_leaves_a_resumable_run(tiny, write_config):
    tiny["trainer"]["max_epochs"] = 2000
    tiny["budget"]["stages"] = 2
    path = write_config(tiny)
    process = subprocess.Popen(
        [sys.executable, "-m", "al_lightning", "run", str(path)], stderr=subprocess.PIPE, env=os.environ
    )
    place = Path(tiny["runs_dir"]) / "tiny" / "ta-coreset" / "seed-0" / "checkpoints" / "stage-000" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not place.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in errors
    assert place.exists()
    assert RunFolder(place.parents[2]).rows() == ()
