"""The same weights on 1, 2, 3 and 4 ranks: every strategy scores and selects the same, and metrics are the same.

    python tests/torture/ranks.py [--ranks 1,2,3,4] [--strategies bald,vaal] [--launcher torchrun|slurm]

prints a table and exits with 1 where a number of ranks differs from one. Each number of ranks is one group of processes
on the CPU, in which all strategies take their turn. The pool (23 images) is divided by none of these numbers, and the
validation has one image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .protocol import Case, Outcome

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

POOL, VALIDATION, TEST, SIZE = 23, 1, 5, 32
INITIAL, PER_STAGE = 5, 4
PSEUDO: dict[str, dict[str, Any]] = {
    "ceal": {"threshold": "quantile", "delta": 0.4},
    "ceal-melanoma": {"mode": "quantile", "pseudo_from": 0, "pseudo_first": 2, "pseudo_kind": "hard"},
}
"""Options with which untrained weights give pseudo-labels, also fewer than ranks."""
BY_MEMBERS = ("bald", "vote-entropy", "cereals")
"""Strategies that also run with a committee, in addition to passes."""
TIMEOUT = 1500
PARTS = 4
"""Cases into which the strategies are divided."""
Result = dict[str, Any]


def names() -> list[str]:
    """All strategies of the table; "bald (committee)" is one with a committee instead of passes."""
    from al_lightning.strategies import STRATEGIES

    return [*STRATEGIES.builtin(), *(f"{name} (committee)" for name in BY_MEMBERS)]


def launched(rank: int, world: int, port: int, launcher: str) -> dict[str, str]:
    """The environment that a launcher gives to a rank."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "TORCHELASTIC_"))}
    clean |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    if world == 1:
        return clean
    if launcher == "slurm":
        place = {"PROCID": rank, "LOCALID": rank, "NODEID": 0, "NTASKS": world, "NTASKS_PER_NODE": world}
        job = {"JOB_ID": 12345, "JOB_NAME": "ranks", "NNODES": 1, "NODELIST": "localhost", "JOB_NODELIST": "localhost"}
        return clean | address | {f"SLURM_{key}": str(value) for key, value in (place | job).items()}
    place = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    elastic = {"TORCHELASTIC_RUN_ID": "ranks", "TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RESTART_COUNT": "0"}
    return clean | address | elastic | {key: str(value) for key, value in place.items()}


def run_groups(
    data: Path,
    worlds: Sequence[int],
    strategies: Sequence[str],
    launcher: str = "torchrun",
    together: bool = True,
    stages: int = 2,
) -> dict[int, list[dict[str, Result]]]:
    """{number of ranks: for each rank {strategy: what it saw}}; the groups run at the same time, or one by one.

    Raises:
        RuntimeError: a rank failed; the message has the end of what it wrote.
    """
    from al_lightning.data.datasets.synthetic import synthetic

    synthetic(str(data), SIZE, SIZE, POOL, VALIDATION, TEST)  # rendered once, before the ranks read it
    if not together:
        return {world: run_groups(data, [world], strategies, launcher, True, stages)[world] for world in worlds}
    processes: dict[tuple[int, int], subprocess.Popen[str]] = {}
    for world in worlds:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank in range(world):
            command = [sys.executable, __file__, "--worker", str(data), str(world), str(stages), ",".join(strategies)]
            environment = launched(rank, world, port, launcher)
            processes[world, rank] = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
    failed = ""
    try:
        for (world, rank), process in processes.items():
            output, _ = process.communicate(timeout=TIMEOUT)
            if process.returncode:
                failed += f"rank {rank} of {world} ended with {process.returncode}:\n{output[-3000:]}\n"
    finally:
        for process in processes.values():
            process.kill()
    if failed:
        raise RuntimeError(failed)
    return {
        world: [json.loads((data / f"{world}-{rank}.json").read_text()) for rank in range(world)] for world in worlds
    }


def differences(one: Result, other: Result) -> list[str]:
    """What differs: ids and sources exactly, numbers by more than rounding."""
    found = [key for key in ("picks", "source", "regions", "pseudo") if one[key] != other[key]]
    for key in ("score", "metrics"):
        flat = [
            list(result[key].values()) if isinstance(result[key], Mapping) else [*chain(*result[key])]
            for result in (one, other)
        ]
        if len(flat[0]) != len(flat[1]) or any(not near(a, b) for a, b in zip(*flat, strict=True)):
            found.append(key)
    return found


def near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= 1e-5 + 1e-4 * abs(a)


def compare(found: Mapping[int, list[dict[str, Result]]]) -> dict[str, dict[int, list[str]]]:
    """{strategy: {number of ranks: what differs on any rank from one rank}}."""
    (alone,) = found[1]
    return {
        name: {
            world: sorted({what for rank in ranks for what in differences(one, rank[name])})
            for world, ranks in found.items()
        }
        for name, one in alone.items()
    }


def worker(data: Path, world: int, stages: int, strategies: Sequence[str]) -> None:
    """All strategies on this rank, one after the other in one process group; writes what it saw."""
    warnings.simplefilter("ignore")
    import logging

    import torch

    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    found = {name: one_strategy(data, world, stages, name) for name in strategies}
    rank = 0
    if torch.distributed.is_initialized():
        rank = torch.distributed.get_rank()
        torch.distributed.destroy_process_group()
    (data / f"{world}-{rank}.json").write_text(json.dumps(found))


def one_strategy(data: Path, world: int, stages: int, label: str) -> Result:
    """Stages of one strategy with weights that do not change, then validation and test."""
    import numpy as np
    import pytorch_lightning as pl
    import torch
    from strategy_parts import REQUIRED, strategy_of

    from al_lightning.core.pool import LabelPool
    from al_lightning.cost.annotation import AnnotationCost
    from al_lightning.data import PoolDataModule
    from al_lightning.data.datasets.synthetic import synthetic
    from al_lightning.learners import Committee
    from al_lightning.learners.unet import unet
    from al_lightning.loop import ActiveLearningLoop
    from al_lightning.strategies import STRATEGIES

    name = label.removesuffix(" (committee)")
    strategy = STRATEGIES[name](**REQUIRED.get(name, {}), **PSEUDO[name]) if name in PSEUDO else strategy_of(name)
    depth = "deviation" in strategy.needs
    dataset = synthetic(str(data), SIZE, SIZE, POOL, VALIDATION, TEST, task="depth" if depth else "segmentation")
    members = []
    for member in range(3 if "members" in strategy.needs or name != label else 1):
        torch.manual_seed(member)
        learner = unet(dataset.task, dataset.size, widths=[4, 8, 16], dropout=0.5)
        learner.mc_passes = 3
        members.append(learner)
    module: pl.LightningModule = Committee(members) if len(members) > 1 else members[0]
    pool = LabelPool(dataset.pool, dataset.ids, dataset.size)
    loader = PoolDataModule(dataset, pool, batch_size=3)
    loop = ActiveLearningLoop(pool, strategy, per_stage=PER_STAGE, seed=1, cost=AnnotationCost(loader.cache))
    loop.start(INITIAL)
    result: Result = {"picks": [], "source": [], "score": [], "regions": [], "pseudo": []}

    def trainer() -> pl.Trainer:
        quiet = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
        place = data / f"{world}-{label.replace(' ', '-')}"
        several = {"devices": world, "strategy": "ddp"} if world > 1 else {"devices": 1}
        options = {**dict.fromkeys(quiet, False), **several, "accelerator": "cpu", "default_root_dir": place}
        return pl.Trainer(**options, callbacks=[loop])

    for _ in range(stages):
        query = loop.acquire(trainer(), module, loader)
        result["picks"].append([dataset.ids[row] for row in query.rows.tolist()])
        result["source"].append(list(query.source))
        result["score"].append([None if np.isnan(score) else score for score in query.score.tolist()])
        result["regions"].append([str(region) for region in query.regions or ()])
        files = {row: np.load(file) for row, file in pool.pseudo.items()}
        result["pseudo"].append([[row, hashlib.sha256(a.tobytes()).hexdigest()] for row, a in sorted(files.items())])
    run = trainer()
    result["metrics"] = {**run.validate(module, loader, verbose=False)[0], **run.test(module, loader, verbose=False)[0]}
    assert name not in PSEUDO or all(result["pseudo"]), f"{label}: no pseudo-label, so that none is compared"
    return result


def cases(seed: int) -> Iterable[Case]:
    """Each number of ranks by each launcher, with a part of the strategies each."""
    from .protocol import Case  # this file is a program too, which has no package

    every = names()
    for launcher in ("torchrun", "slurm"):
        for world in (2, 3, 4):
            for part in range(PARTS):
                options = {"world": world, "launcher": launcher, "strategies": every[part::PARTS]}
                yield Case(f"{launcher}-{world}-{part}", f"{world} ranks by {launcher}", options)


def run(case: Case, folder: Path) -> Outcome:
    """Compare the ranks of a case with one rank, by strategy."""
    from .protocol import Outcome

    given = case.options
    found = compare(run_groups(folder, [1, given["world"]], given["strategies"], given["launcher"], together=False))
    faults = [
        f"another {what} than one rank: {name}"
        for name, by_world in found.items()
        for several in by_world.values()
        for what in several
    ]
    return Outcome(tuple(faults), tried=len(found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a strategy differs between numbers of ranks."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", default="1,2,3,4")
    parser.add_argument("--strategies", default="")
    parser.add_argument("--launcher", choices=("torchrun", "slurm"), default="torchrun")
    given = parser.parse_args(arguments)
    worlds = sorted({1, *map(int, given.ranks.split(","))})
    with tempfile.TemporaryDirectory() as folder:
        strategies = given.strategies.split(",") if given.strategies else names()
        found = compare(run_groups(Path(folder), worlds, strategies, given.launcher, together=False))
    title = f"compared with one rank ({given.launcher})"
    table = Table("strategy", *(f"{world} ranks" for world in worlds[1:]), title=title)
    for name, by_world in found.items():
        table.add_row(name, *(", ".join(by_world[world]) or "same" for world in worlds[1:]))
    Console().print(table)
    return int(any(what for by_world in found.values() for what in by_world.values()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5].split(","))
    else:
        sys.exit(main())
