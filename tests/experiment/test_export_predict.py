"""What a team does with a run: masks of new images, and the learner as a file for other programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import load
from al_lightning.data import Cache
from al_lightning.experiment.export import export
from al_lightning.experiment.trained import load_trained

CONFIGS = {
    "unet": {"learner.name": "unet", "learner.options.widths": "[4,8]"},
    "committee": {"learner.name": "unet", "learner.options.widths": "[4,8]", "learner.committee.members": "2"},
    "depth": {
        "learner.name": "unet",
        "learner.options.widths": "[4,8]",
        "learner.options.dropout": "0.2",
        "learner.mc_passes": "3",
        "dataset.options.task": "depth",
    },
}


@pytest.fixture(scope="module", params=CONFIGS)
def run(request, tmp_path_factory) -> Path:
    """A finished run of one stage, and new images beside it."""
    root = tmp_path_factory.mktemp(request.param)
    words = [f"{key}={value}" for key, value in CONFIGS[request.param].items()]
    words += ["name=x", f"runs_dir={root / 'runs'}", "dataset.name=synthetic", "strategy.name=random"]
    words += [f"dataset.options.{name}=32" for name in ("size", "render_size")]
    words += [f"dataset.options.{name}={n}" for name, n in (("pool", 24), ("validation", 6), ("test", 6))]
    words += [
        f"dataset.options.root={root / 'data'}",
        "budget.initial=4",
        "budget.per_stage=2",
        "budget.stages=1",
        "trainer.max_epochs=1",
    ]
    words += ["trainer.accelerator=cpu", "logging.wandb.mode=disabled"]
    folder = experiment.run(experiment.complete(load([], words)))
    rng = np.random.default_rng(0)
    for name, size in (("new/p1/a.png", (40, 56)), ("new/p1/b.png", (32, 32)), ("new/c.jpg", (64, 48))):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)
    (root / "new/broken.png").write_bytes(b"no picture")
    return folder.path


def test_predictions_have_the_images_own_size_and_are_those_of_the_learner(run, tmp_path, capsys) -> None:
    new = run.parents[3] / "new"
    assert main(["predict", str(run), str(new), "-o", str(tmp_path / "out"), "--batch-size", "2"]) == 0
    assert "1 of 4 not read" in capsys.readouterr().out
    with (tmp_path / "out/predictions.csv").open() as file:
        lines = {line["id"]: line for line in csv.DictReader(file)}
    assert set(lines) == {"p1/a", "p1/b", "c"}
    found = load_trained(run)
    kind = found.dataset.task.kind
    image = np.asarray(Image.open(new / "p1/b.png"))  # of the learner's size: nothing is interpolated
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    torch.manual_seed(0)
    with torch.no_grad():
        prediction = found.learner.predict_step({"rows": torch.tensor([0]), "image": pixels}, 0)
    mask = np.asarray(Image.open(tmp_path / "out/masks/p1/b.png"))
    if kind == "depth":
        assert mask.dtype == np.uint16
        assert mask.shape == (32, 32)
        assert float(lines["p1/b"]["mean_cm"]) == pytest.approx(mask.mean() / 1000, abs=0.01)
    else:
        assert np.array_equal(mask, 255 * prediction.probabilities[0].argmax(0).numpy())
        assert float(lines["p1/b"]["fraction_polyp"]) == pytest.approx((mask > 0).mean(), abs=1e-6)
    for name, size in (("p1/a", (56, 40)), ("c", (48, 64))):
        for folder, ending in (("masks", "png"), ("uncertainty", "png"), ("overlays", "jpg")):
            assert Image.open(tmp_path / "out" / folder / f"{name}.{ending}").size == size
    assert "broken" in (tmp_path / "out/skipped.txt").read_text()


def test_an_interrupted_prediction_goes_on(run, tmp_path, monkeypatch) -> None:
    new, out = run.parents[3] / "new", tmp_path / "out"
    assert main(["predict", str(run), str(new), "-o", str(out)]) == 0
    whole = (out / "predictions.csv").read_text()
    kept = (out / "masks/c.png").stat().st_mtime_ns
    (out / "masks/p1/a.png").unlink()
    assert main(["predict", str(run), str(new), "-o", str(out)]) == 0
    assert (out / "masks/p1/a.png").is_file()
    assert (out / "masks/c.png").stat().st_mtime_ns == kept
    assert len((out / "predictions.csv").read_text().splitlines()) == len(whole.splitlines())


@pytest.mark.parametrize("kind", ["torchscript", "onnx"])
def test_an_exported_learner_answers_as_the_learner(run, tmp_path, kind) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    found = load_trained(run, mc_passes=1)
    output = tmp_path / ("m.pt" if kind == "torchscript" else "m.onnx")
    written = export(found, output, kind)
    assert written.difference < 1e-4
    description = json.loads((tmp_path / "m.json").read_text())
    assert description["input"]["shape"][2:] == list(found.dataset.size)
    images = torch.from_numpy(np.array(Cache(found.dataset, "none").images(np.arange(3))))
    with torch.no_grad():
        prediction = found.learner.predict_step({"rows": torch.arange(3), "image": images}, 0)
    wanted = prediction.depth if found.dataset.task.kind == "depth" else prediction.probabilities
    if kind == "torchscript":
        answer = torch.jit.load(output)(images)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(output))
        answer = torch.from_numpy(session.run(None, {"image": images.numpy()})[0])
    torch.testing.assert_close(answer, wanted.float(), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "RUN", "-o", "m.txt"], "expected a name that ends in .pt"),
        (["export", "RUN", "--stage", "7"], "stage=7: "),
        (["predict", "RUN", "nowhere"], "no such folder"),
        (["predict", "nowhere", "NEW"], "holds no config.yaml"),
        (["predict", "RUN", ".", "--batch-size", "0"], "--batch-size 0"),
    ],
)
def test_a_mistake_is_one_line(run, tmp_path, monkeypatch, capsys, words, said) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([{"RUN": str(run), "NEW": str(run.parents[3] / "new")}.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
