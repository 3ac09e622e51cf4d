"""A run folder is data: a checkpoint that is torn, foreign or crafted is refused in one line, and runs no code."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from experiment_runs import run
from pytorch_lightning.callbacks import ModelCheckpoint

from al_lightning.cli import main
from al_lightning.config import load
from al_lightning.core.checkpoint_file import pack, unpack


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def saved(value) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def stamped(data: bytes) -> bytes:
    """With a digest that fits, as one who knows the format would write it."""
    body = data[:-2] + (84).to_bytes(2, "little")
    return body + b"al_lightning sha256 " + hashlib.sha256(body).hexdigest().encode()


def swollen() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    return buffer.getvalue()


def bad(good: bytes, mark: Path) -> dict[str, tuple[bytes, str]]:
    """Name -> contents, and what the message says."""
    held = torch.load(io.BytesIO(good), weights_only=True)
    code = "more than tensors and plain values"
    return {
        "code": (saved({"state_dict": Bomb(mark)}), code),
        "code with a digest": (stamped(saved(held | {"extra": Bomb(mark)})), code),
        "a plain pickle": (pickle.dumps({"state_dict": Bomb(mark)}), "is torn, or no checkpoint"),
        "torn at its end": (good[:-1], "is torn, or no checkpoint"),
        "torn in the middle": (good[: len(good) // 2], "is torn, or no checkpoint"),
        "one bit": (good[:900] + bytes([good[900] ^ 1]) + good[901:], "is damaged or altered"),
        "empty": (b"", "is torn, or no checkpoint"),
        "text": (b"version https://git-lfs.github.com/spec/v1\n", "is torn, or no checkpoint"),
        "a swollen archive": (swollen(), "larger than the file"),
        "a list": (stamped(saved([1, 2])), "holds a list"),
    }


def refused(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    messages = [line for line in said if line.startswith("al-lightning: ")]
    assert len(messages) == 1, said
    assert not any("Traceback" in line for line in said)
    return messages[0]


def stop_after(epoch: int, path: Path, monkeypatch, *overrides: str) -> Path:
    """A run that was stopped after an epoch of its first stage; its folder."""
    original = ModelCheckpoint.on_train_epoch_end

    def stop(self, run, module):
        original(self, run, module)
        if self.monitor is None and run.current_epoch == epoch:
            raise KeyError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(ModelCheckpoint, "on_train_epoch_end", stop)
        with pytest.raises(KeyError, match="stopped"):
            run(path, *overrides)
    config = load([path], overrides)
    return Path(config.runs_dir) / config.name / "ta-coreset" / "seed-0"


@pytest.fixture
def config(tiny, write_config) -> Path:
    tiny["budget"]["stages"] = 2
    return write_config(tiny)


@pytest.mark.usefixtures("stages_alone")
def test_a_training_does_not_go_on_from_a_bad_file(config, monkeypatch, capsys, tmp_path):
    whole = run(config, "name=whole").rows()
    folder = stop_after(1, config, monkeypatch, "trainer.max_epochs=2")
    place, mark = folder / "checkpoints" / "stage-000", tmp_path / "mark"
    last, former = place / "last.ckpt", place / "last-previous.ckpt"
    good, before = last.read_bytes(), former.read_bytes()
    former.unlink()
    other = stop_after(0, config, monkeypatch, "name=other", "learner.options.widths=[4,16]")
    held = unpack(last)
    contents = bad(good, mark) | {
        "another network": ((other / "checkpoints/stage-000/last.ckpt").read_bytes(), "best weights that it goes with"),
        "no loops": (pack({k: v for k, v in held.items() if k != "loops"})[0], "no training that Lightning can go on"),
        "of no run": (
            pack({k: v for k, v in held.items() if k != "al_lightning"})[0],
            "does not say which best weights",
        ),
        "no weights": (pack(held | {"state_dict": 3})[0], "no training that Lightning can go on with"),
        "odd optimisers": (pack(held | {"optimizer_states": 1})[0], "no training that Lightning can go on with"),
        "odd version": (pack(held | {"pytorch-lightning_version": 1})[0], "no training that Lightning can go on with"),
        "odd files": (pack(held | {"al_lightning": {"weights": {"../x": "y"}}})[0], "no file inside the run's folder"),
        "smaller weights": (
            pack(held | {"state_dict": {k: v[:1] if v.ndim else v for k, v in held["state_dict"].items()}})[0],
            "holds the weights of another network",
        ),
    }
    for name, (content, reason) in contents.items():
        last.write_bytes(content)
        message = refused(capsys, "resume", str(folder))
        assert str(last) in message, name
        assert reason in message, f"{name}: {message}"
        if name != "odd files":
            assert f"remove {place}" in message, f"{name}: {message}"
        assert last.read_bytes() == content, "it is left to the user"
    assert not mark.exists()
    # With the checkpoint before it beside it, the training goes on from that one.
    former.write_bytes(before)
    last.write_bytes(contents["code with a digest"][0])
    assert main(["resume", str(folder)]) == 0
    assert not mark.exists()
    rows = [json.loads(line) for line in (folder / "stages.jsonl").read_text().splitlines()]
    assert [row["test"] for row in rows] == [row["test"] for row in whole]


@pytest.mark.usefixtures("stages_alone")
def test_a_config_that_was_touched_in_the_middle_of_a_training_is_one_line(config, monkeypatch, capsys):
    folder = stop_after(0, config, monkeypatch)
    saved_config = folder / "config.yaml"
    text = saved_config.read_text()
    assert "- 8" in text
    saved_config.write_text(text.replace("- 8", "- 16"))
    message = refused(capsys, "resume", str(folder))
    assert "config.yaml: is not what the run began with (learner.options.widths" in message
    monkeypatch.setattr("al_lightning.experiment.runner.check_run", lambda *_, **__: [])
    assert "last.ckpt: holds the weights of another network" in refused(capsys, "resume", str(folder))
    monkeypatch.undo()
    saved_config.write_text(text)
    assert main(["resume", str(folder)]) == 0


@pytest.fixture
def unrecorded(monkeypatch):
    """Without the digests of the files in the state, which would refuse a damaged pseudo-label first."""
    monkeypatch.setattr("al_lightning.experiment.runner.check_run", lambda *_, **__: [])


@pytest.mark.usefixtures("stages_alone")
def test_bad_weights_are_neither_tested_nor_shown_nor_trained_further(config, capsys, tmp_path):
    folder = run(config, "learner.restart=finetune").path
    mark, other = tmp_path / "mark", run(config, "name=other", "learner.options.widths=[4,16]").path
    first, second = (folder / "checkpoints" / f"stage-00{stage}" / "best.ckpt" for stage in (0, 1))
    good, states = second.read_bytes(), folder / "state"
    record = json.loads((states / "stage-001.json").read_text())
    contents = bad(good, mark) | {
        "another network": (
            (other / "checkpoints/stage-001/best.ckpt").read_bytes(),
            "is not the file that the run wrote",
        ),
        "another stage": (first.read_bytes(), "is not the file that the run wrote"),
    }
    picture = ["show", str(folder), "-o", str(tmp_path / "picture.png")]
    for name, (content, reason) in contents.items():
        second.write_bytes(content)
        message = refused(capsys, *picture)
        assert str(second) in message
        # A file without a digest, or with another one, is not the recorded one, whatever it holds.
        assert reason in message or "is not the file that the run wrote" in message, f"{name}: {message}"
    # A run that an earlier version began has recorded no digest.
    older = {step: value for step, value in record["fit"].items() if step != "digest"}
    (states / "stage-001.json").write_text(json.dumps(record | {"fit": older}))
    for name, (content, reason) in (contents | {"another network": (contents["another network"][0], "(4, 16")}).items():
        second.write_bytes(content)
        if name == "another stage":
            continue  # nothing tells it from the right one
        message = refused(capsys, *picture)
        assert reason in message or "holds the weights of another network" in message, f"{name}: {message}"
    second.write_bytes(good)
    assert main(picture) == 0
    # The second stage begins with the weights of the first one.
    shutil.copy(second, first)
    (states / "stage-001.json").unlink()
    lines = (folder / "stages.jsonl").read_text().splitlines()
    (folder / "stages.jsonl").write_text(lines[0] + "\n")
    assert "stage-000/best.ckpt: is not the file that the run wrote" in refused(capsys, "resume", str(folder))
    first.unlink()
    assert "stage-000/best.ckpt: is gone" in refused(capsys, "resume", str(folder))
    assert not mark.exists()


def test_a_learner_that_keeps_an_object_in_its_checkpoint_is_refused_before_anything_is_written(config, monkeypatch):
    from al_lightning.learners.dense import DenseLearner

    def keep(self, checkpoint) -> None:
        checkpoint["mine"] = {"network": torch.nn.Linear(1, 1)}

    monkeypatch.setattr(DenseLearner, "on_save_checkpoint", keep)
    with pytest.raises(ValueError, match=r"would hold a Linear \(mine\.network\), which is no tensor"):
        run(config)
    assert not Path(load([config]).runs_dir).exists()


@pytest.mark.usefixtures("stages_alone", "unrecorded")
def test_a_damaged_pseudo_label_is_one_line(tiny, write_config, monkeypatch, capsys):
    tiny["strategy"] = {"name": "ceal", "options": {"delta": 10.0}}
    tiny["budget"]["stages"] = 2
    tiny["trainer"]["max_epochs"] = 1
    folder = run(write_config(tiny)).path
    file = next((folder / "pseudo" / "stage-001").glob("*.npy"))
    (folder / "state" / "stage-001.json").unlink()
    file.write_bytes(pickle.dumps(Bomb(folder / "mark")))
    assert f"{file.name}: is torn, or no array of numbers" in refused(capsys, "resume", str(folder))
    assert not (folder / "mark").exists()
