"""A committee selects, and its ensemble or its first member is tested."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
import torch
from experiment_runs import run, without_times
from PIL import Image
from rich.console import Console

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import ConfigError, load
from al_lightning.core.run_folder import RunFolder
from al_lightning.data import PoolDataModule
from al_lightning.experiment.trained import load_trained
from al_lightning.learners import Committee

COMMITTEE = ["strategy.name=asa", "learner.committee.members=3", "budget.stages=2"]
MEMBER = "learner.committee.tested=member"


def weights(folder: RunFolder, stage: int, member: int | None = None) -> dict[str, torch.Tensor]:
    place = folder.checkpoints(stage) / ("" if member is None else f"member-{member}") / "best.ckpt"
    return dict(torch.load(place, weights_only=True)["state_dict"])


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.usefixtures("stages_alone")
def test_the_tested_member_is_the_network_of_the_other_arms(tiny, write_config, monkeypatch):
    """The first stage of a committee and of a single network is one training, with one result."""
    rows: list[list[int] | None] = []
    original = PoolDataModule.train_dataloader

    def spy(self):
        rows.append(None if self.train_rows is None else self.train_rows.tolist())
        return original(self)

    path = write_config(tiny)
    single = run(path, "name=single", "strategy.name=random", "budget.stages=2")
    monkeypatch.setattr(PoolDataModule, "train_dataloader", spy)
    several = run(path, "name=several", *COMMITTEE, MEMBER)
    assert [one is None for one in rows] == [True, False, False] * 2, "all labels for the first, bootstraps for others"
    assert same(weights(single, 0), weights(several, 0, member=0))
    assert not same(weights(several, 0, member=1), weights(several, 0, member=0))
    for key in ("test", "val", "steps"):
        assert several.rows()[0][key] == single.rows()[0][key]
    assert {pick["source"] for pick in several.rows()[0]["selected"]} != {"random"}


@pytest.mark.usefixtures("stages_alone")
def test_the_whole_committee_selects_whatever_is_tested(tiny, write_config):
    path, words = write_config(tiny), [*COMMITTEE, "learner.committee.bootstrap=false", "trainer.max_epochs=8"]
    console = Console(file=io.StringIO(), width=200)
    ensemble = run(path, "name=ensemble", *words)
    member = experiment.run(load([path], ["name=member", *words, MEMBER]), console)
    assert member.rows()[0]["selected"] == ensemble.rows()[0]["selected"]
    assert member.rows()[0]["test"] != ensemble.rows()[0]["test"]
    assert "tested: one network of the committee of 3" in console.file.getvalue()
    assert isinstance(load_trained(ensemble.path).learner, Committee)
    assert not isinstance(load_trained(member.path).learner, Committee)
    # A resume tests the same, and another choice is another config.
    (member.path / "state" / "stage-001.json").unlink()
    member.stages.write_text("".join(member.stages.read_text().splitlines(keepends=True)[:1]))
    whole = without_times(run(path, "name=whole", *words, MEMBER).rows())
    assert without_times(experiment.resume(member.path).rows()) == whole
    with pytest.raises(ConfigError, match=r"learner\.committee\.tested: member -> ensemble"):
        run(path, "name=member", *words)


@pytest.mark.usefixtures("stages_alone")
def test_what_is_tested_is_what_predicts_exports_and_embeds(tiny, write_config, tmp_path, capsys):
    folder = run(write_config(tiny), *COMMITTEE, MEMBER, "budget.stages=1")
    for member in (1, 2):  # the others are needed for nothing
        shutil.rmtree(folder.checkpoints(0) / f"member-{member}")
    (tmp_path / "new").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "new" / "a.png")
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    first = load_trained(folder.path).learner
    assert same(dict(first.state_dict()), weights(folder, 0, member=0))
    with torch.no_grad():
        prediction = first.predict_step({"rows": torch.tensor([0]), "image": pixels}, 0)
    assert main(["predict", str(folder.path), str(tmp_path / "new"), "-o", str(tmp_path / "out")]) == 0
    assert "one network of the committee of 3" in capsys.readouterr().out
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "a.png"))
    assert np.array_equal(mask, 255 * prediction.probabilities[0].argmax(0).numpy())
    assert main(["export", str(folder.path), "-o", str(tmp_path / "model.pt")]) == 0
    assert json.loads((tmp_path / "model.json").read_text())["run"]["tested"] == "one network of the committee of 3"
    exported = torch.jit.load(tmp_path / "model.pt")(pixels)
    assert torch.allclose(exported, prediction.probabilities, atol=1e-4)
    features = tmp_path / "features.npy"
    assert main(["embed", str(tmp_path / "new"), "--run", str(folder.path), "-o", str(features)]) == 0
    assert np.allclose(np.load(features), prediction.latent.numpy(), atol=1e-5)
