"""Fake runs on disk, for the tests of the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from al_lightning.report import Run, find_runs
from al_lightning.report.group import Group
from al_lightning.report.grouping import groups

POOL = 300_000_000
"""Pixels of the pool of `fake`: 300 images of a million."""
KNOWN_POOL = {"images": 300, "pixels": POOL, "clicks": None}
"""What environment.json says of it."""
SCORES = {
    ("core", 0): [0.60, 0.71, 0.78],
    ("core", 1): [0.62, 0.74, 0.79],
    ("core", 2): [0.61, 0.72, 0.80],
    ("random", 0): [0.60, 0.68, 0.74],
    ("random", 1): [0.62, 0.69, 0.77],
    ("random", 2): [0.61, 0.70],
}
"""The runs of `scored`; the last is one stage short."""


def fake(
    root: Path,
    experiment: str,
    strategy: str,
    seed: int,
    metric: Sequence[float],
    *,
    planned: int | None = None,
    task: str = "segmentation",
    step: int = 30,
    overlap: int = 0,
    **changes: Any,
) -> Path:
    """Write a run whose test metric at stage k is metric[k]; returns its folder."""
    folder = root / experiment / strategy / f"seed-{seed}"
    folder.mkdir(parents=True)
    config = {
        "name": experiment,
        "seed": seed,
        "dataset": {"name": "polyps", "options": {"size": 64, "protocol": "clean"}},
        "learner": {"name": "unet", "options": {"encoder": "resnet18", "lr": 0.001}, "restart": "scratch"},
        "strategy": {"name": strategy.partition(",")[0]},
        "budget": {"initial": step, "per_stage": step, "stages": planned or len(metric)},
        "trainer": {"max_epochs": 5},
    }
    OmegaConf.save(
        OmegaConf.merge(config, OmegaConf.from_dotlist([f"{k}={v}" for k, v in changes.items()])),
        folder / "config.yaml",
    )
    dataset = {
        "pool": 300,
        "validation": 40,
        "test": 50,
        "protocol": "clean",
        "task": task,
        "overlap": {"by_id": overlap, "by_thumbnail": overlap},
    }
    (folder / "environment.json").write_text(json.dumps({"dataset": dataset, "versions": {"torch": "2.99"}}))
    rows = []
    for k, value in enumerate(metric):
        picks = [
            {"id": f"{strategy}-{k}-{i}", "source": "bvsb" if i % 3 else "k-center", "score": None if i else 0.25}
            for i in range(step if k + 1 < len(metric) else 0)
        ]
        n = step * (k + 1)
        test = {"miou": value, "dice": value + 0.05} if task == "segmentation" else {"rmse_cm": value}
        rows.append(
            {
                "stage": k,
                "labelled": n,
                "fraction": n / 300,
                "cost": {"images": n, "pixels": 1e6 * n, "clicks": None},
                "val": {},
                "test": test,
                "seconds": {"fit": 100.0, "test": 2.0, "score": 3.0, "select": 0.5},
                "selected": picks,
            }
        )
    write_stages(folder, rows)
    return folder


def write_stages(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    (folder / "stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change every stage row of a run, in place."""
    rows = [json.loads(line) for line in (folder / "stages.jsonl").read_text().splitlines()]
    for row in rows:
        change(row)
    write_stages(folder, rows)


def count(folder: Path, term: str, counts: Iterable[float]) -> None:
    """Give the stages of a run these costs in one term."""
    counted = iter(counts)
    edit(folder, lambda row: row["cost"].update({term: next(counted)}))


def environment(folder: Path, **sections: Any) -> None:
    """Change environment.json: a mapping is merged into the section that there is."""
    path = folder / "environment.json"
    known = json.loads(path.read_text())
    for name, values in sections.items():
        known[name] = known.get(name, {}) | values
    path.write_text(json.dumps(known))


def know_pool(folder: Path, pool: dict[str, Any] | None = KNOWN_POOL) -> None:
    """Let environment.json hold the cost of the whole pool, or that it is not known."""
    environment(folder, cost={"clicks": None, "pool": pool})


def as_regions(folder: Path, clicks: Iterable[float], kind: str = "box") -> None:
    """Let a run have asked for regions, four an image, and give it clicks."""
    count(folder, "clicks", clicks)

    def change(row: dict[str, Any]) -> None:
        row["selected"] = [
            pick | {"id": f"same-{i // 4}", "source": "cereals", kind: [8 * (i % 4), 0, 8, 16] if kind == "box" else i}
            for i, pick in enumerate(row["selected"])
        ]

    edit(folder, change)
    environment(
        folder,
        dataset={"size": [32, 40]},
        cost={"clicks": "contours", "pool": {"images": 300, "pixels": POOL, "clicks": 50_000}},
    )


def scored(root: Path) -> list[Run]:
    """The runs of `SCORES` in root/exp."""
    for (strategy, seed), values in SCORES.items():
        fake(root, "exp", strategy, seed, values, planned=3)
    return find_runs([root])


def one_group(root: Path) -> Group:
    """The one group of the runs below a folder."""
    (group,) = groups(find_runs([root]))
    return group
