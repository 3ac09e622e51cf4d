"""Tiny data sets in the published layouts, and configs that train on them in a second or two."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded; tests share their cores

import numpy as np
import pytest
import torch
from PIL import Image
from polyp_pairs import write_pairs

torch.set_num_threads(1)
os.environ["WANDB_MODE"] = "offline"
os.environ.setdefault("WANDB_SILENT", "true")


@pytest.fixture(scope="session")
def kvasir_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kvasir-SEG with 24 images and a sessile sibling with 6, of which 4 are among the 24."""
    root = tmp_path_factory.mktemp("kvasir")
    rng = np.random.default_rng(0)
    names = [f"cju{i:03d}" for i in range(24)]
    write_pairs(root / "Kvasir-SEG", names, rng)
    test = root / "sessile-main-Kvasir-SEG"
    for part in ("images", "masks"):
        (test / part).mkdir(parents=True)
        for name in names[:4]:
            with Image.open(root / "Kvasir-SEG" / part / f"{name}.jpg") as image:
                image.save(test / part / f"{name}.jpg", quality=90)
    write_pairs(test, ["new0", "new1"], rng)
    return root / "Kvasir-SEG"


@pytest.fixture
def regional_data(kvasir_root: Path) -> Any:
    """Polyps at 16 x 16 pixels in a pool that takes regions."""
    from al_lightning.core.pool import LabelPool
    from al_lightning.data import PoolDataModule
    from al_lightning.data.datasets.kvasir import kvasir

    dataset = kvasir(str(kvasir_root), 16, validation=4)
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    return PoolDataModule(dataset, pool, batch_size=4)


@pytest.fixture
def tiny(kvasir_root: Path, tmp_path: Path) -> dict[str, Any]:
    """A config as a plain dict: 3 stages of one epoch at 16 x 16 pixels."""
    return {
        "name": "tiny",
        "runs_dir": str(tmp_path / "runs"),
        "dataset": {"name": "kvasir", "options": {"root": str(kvasir_root), "size": 16, "validation": 4}},
        "learner": {"name": "unet", "options": {"widths": [4, 8], "lr": 0.01}},
        "strategy": {"name": "ta-coreset"},
        "budget": {"initial": 4, "per_stage": 3, "stages": 3},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False},
        "loader": {"batch_size": 4},
        "logging": {"wandb": {"mode": "disabled"}},
    }


@pytest.fixture(params=["as it comes", "by matrix product"])
def faiss_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAISS subtracts vectors where there are few and multiplies matrices where there are many: test both."""
    if request.param == "by matrix product":
        monkeypatch.setattr("al_lightning.neighbors.search.faiss.cvar.distance_compute_blas_threshold", 0)


@pytest.fixture
def write_config(tmp_path: Path):
    """Save a dict as YAML and return the path."""
    from omegaconf import OmegaConf

    def write(config: dict[str, Any], name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
        return path

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the published data sets, where this machine has one."""
    root = Path(os.environ.get("AL_LIGHTNING_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "Kvasir-SEG").is_dir():
        pytest.skip(f"no published data at {root}; set AL_LIGHTNING_DATA to the folder that holds Kvasir-SEG")
    return root
