"""Every kind of input, damaged: a result, or a refusal in one line, and never a traceback.

`AL_LIGHTNING_FUZZ=5000 pytest -m fuzz tests/cli/test_damaged_inputs.py` tries that many; the suite a few, always the
same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import copied, damage, fault, files_of, program
from dataset_trees import camvid_tree, depth_tree, folder_tree, glas_tree, half, kvasir_tree, save
from PIL import Image

NAMES = [f"p{i // 3}/im{i}" for i in range(12)]
CONFIG = """\
name: damaged
runs_dir: {folder}/runs
seed: 0
dataset: {{name: folder, options: {{root: {folder}/set, size: 16, csv: list.csv, evaluate_at: resized}}}}
learner: {{name: unet, options: {{widths: [4, 8], lr: 1e-3}}}}
strategy: {{name: random}}
budget: {{initial: 2, per_stage: 1, stages: 2}}
trainer: {{max_epochs: 1, accelerator: cpu, enable_progress_bar: false}}
loader: {{batch_size: 2}}
logging: {{wandb: {{mode: disabled}}}}
"""
METRICS = {"miou": 0.5, "iou": 0.25, "dice": 0.4}


def csv_set(folder: Path) -> list[str]:
    folder_tree(folder / "set", NAMES)
    lines = [
        f"images/{name}.JPG,masks/{name}.png,g{i // 2},{'val' if i in (4, 5) else ''}" for i, name in enumerate(NAMES)
    ]
    (folder / "set" / "list.csv").write_text("\n".join(["image,mask,patient,split", *lines]) + "\n")
    return ["check", f"dataset.options.root={folder}/set", "dataset.options.csv=list.csv", "-o", f"{folder}/audit"]


def masks_set(folder: Path) -> list[str]:
    for i, name in enumerate(NAMES):
        values = np.full((12, 16, 3), i, np.uint8)
        suffix = ("png", "jpg", "tif", "bmp", "webp", "gif")[i % 6]
        save(folder / "set" / "images" / f"{name}.{suffix}", values)
        save(folder / "set" / "masks" / f"{name}.{('png', 'tif', 'bmp')[i % 3]}", half(size=(12, 16)))
    return ["check", f"dataset.options.root={folder}/set", "-o", f"{folder}/audit"]


def depth_set(folder: Path) -> list[str]:
    for i in range(12):
        save(folder / "set" / "images" / f"{i}.png", np.full((6, 8, 3), i, np.uint8))
        (folder / "set" / "depth").mkdir(exist_ok=True)
        np.save(folder / "set" / "depth" / f"{i}.npy", np.full((6, 8), 40 + i, np.float32))
    options = ["dataset.options.task=depth", "dataset.options.unit=mm", f"dataset.options.root={folder}/set"]
    return ["check", *options, "-o", f"{folder}/audit"]


def published(name: str, write: Callable[[Path], object], *options: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        write(folder / "set")
        root = f"dataset.options.root={folder}/set"
        return ["check", f"dataset.name={name}", root, *options, "-o", f"{folder}/audit"]

    return make


def init_set(folder: Path) -> list[str]:
    csv_set(folder)
    return ["init", f"{folder}/set", "-o", f"{folder}/new.yaml"]


def config_file(folder: Path) -> list[str]:
    csv_set(folder)
    (folder / "config.yaml").write_text(CONFIG.format(folder=folder))
    return ["run", f"{folder}/config.yaml"]


def features(suffix: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        folder.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        ids = [f"a{i}" for i in range(20)]
        path = folder / f"pool{suffix}"
        if suffix == ".npy":
            np.save(path, values)
        elif suffix == ".npz":
            np.savez(path, features=values, ids=np.array(ids))
        elif suffix == ".pt":
            torch.save({"features": torch.from_numpy(values), "ids": ids}, path)
        elif suffix == ".parquet":
            pandas = pytest.importorskip("pandas")
            pytest.importorskip("pyarrow")
            pandas.DataFrame({"id": ids, "x": values[:, 0], "y": values[:, 1]}).to_parquet(path)
        else:
            separator = "," if suffix == ".csv" else "\t"
            rows = [[name, *map(str, row)] for name, row in zip(ids, values.tolist(), strict=True)]
            path.write_text("\n".join(separator.join(row) for row in [["id", "x", "y", "z"], *rows]))
        (folder / "labelled.txt").write_text("a1\na2\n" if suffix != ".npy" else "1\n2\n")
        return ["select", "--features", str(path), "--labelled", f"{folder}/labelled.txt", "--budget", "3"]

    return make


def finished_run(folder: Path) -> list[str]:
    place = folder / "runs" / "x" / "random" / "seed-0"
    place.mkdir(parents=True)
    rows = [
        {
            "stage": k,
            "labelled": 2 + k,
            "fraction": (2 + k) / 8,
            "cost": {"images": 2 + k, "pixels": 100.0, "clicks": None},
            "val": METRICS,
            "test": METRICS,
            "seconds": {"fit": 1.0, "test": 0.1, "score": 0.2, "select": 0.1},
            "selected": [{"id": f"im{k}", "source": "random", "score": 0.5, "box": [0, 0, 4, 4]}],
        }
        for k in range(3)
    ]
    (place / "stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "config.yaml").write_text(CONFIG.format(folder=folder))
    (place / "environment.json").write_text(
        json.dumps(
            {
                "dataset": {"name": "folder", "size": [16, 16], "task": "segmentation", "pool": 8, "test": 2},
                "cost": {"clicks": None, "terms": None, "pool": {"images": 8, "pixels": 400.0, "clicks": None}},
                "versions": {"al_lightning": "0.1.0"},
                "machine": {"system": "Linux", "device": "cpu"},
            }
        )
    )
    return ["report", str(folder / "runs"), "-o", f"{folder}/report.html"]


INPUTS: dict[str, Callable[[Path], list[str]]] = {
    "csv": csv_set,
    "masks": masks_set,
    "depth": depth_set,
    "init": init_set,
    "config": config_file,
    "report": finished_run,
    "camvid": published("camvid", camvid_tree),
    "glas": published("glas", lambda root: glas_tree(root, {"train": 5, "testA": 2, "testB": 2})),
    "kvasir": published("kvasir", lambda root: kvasir_tree(root, 12), "dataset.options.validation=3"),
    "ucl": published("colonoscopy-depth", lambda root: depth_tree(root, {"T1": 8, "T2": 8, "T3": 8})),
    **{suffix: features(suffix) for suffix in (".npy", ".npz", ".pt", ".csv", ".tsv", ".parquet")},
}
TEXTS = (".csv", ".yaml", ".jsonl", ".json", ".txt", ".tsv", ".npz", ".npy", ".pt", ".parquet")
"""Suffixes of the files that are damaged more often than others: there are few of them."""


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory):
    """Nothing is drawn larger than it must be, and W&B is off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        patch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        yield


def attempts(kind: str, tmp_path: Path, number: int, seed: int) -> list[str]:
    """The faults of some damaged copies of one input."""
    base, work = tmp_path / "base", tmp_path / "work"
    words = [word.replace(str(base), str(work)) for word in INPUTS[kind](base)]
    for file in files_of(base):
        if file.suffix == ".yaml" or file.name == "config.yaml":
            file.write_text(file.read_text().replace(str(base), str(work)))
    copied(base, work)
    code, told = program(words)
    assert code in (0, 1), told
    found = []
    for case in range(number):
        rng = np.random.default_rng([seed, case, *kind.encode()])
        files = files_of(copied(base, work))
        texts = [file for file in files if file.suffix in TEXTS]
        pick = texts if texts and rng.random() < 0.6 else files
        path = pick[int(rng.integers(len(pick)))]
        done = damage(path, rng, [file for file in files if file != path] or [path])
        if problem := fault(*program(words)):
            found.append(f"{kind} case {case} of seed {seed}, {done}: {problem}")
    return found


@pytest.mark.parametrize("kind", INPUTS)
def test_damaged_input_is_read_or_refused_in_one_line(kind, tmp_path, small_pictures):
    assert attempts(kind, tmp_path, 4, 0) == []


@pytest.mark.fuzz
@pytest.mark.skipif("AL_LIGHTNING_FUZZ" not in os.environ, reason="AL_LIGHTNING_FUZZ says how many inputs to try")
@pytest.mark.parametrize("kind", INPUTS)
def test_much_damaged_input(kind, tmp_path, small_pictures):
    number = -(-int(os.environ["AL_LIGHTNING_FUZZ"]) // len(INPUTS))
    seed = int(os.environ.get("AL_LIGHTNING_FUZZ_SEED", np.random.default_rng().integers(1, 2**31)))
    found = attempts(kind, tmp_path, number, seed)
    assert found == [], "\n\n".join(found[:20])
