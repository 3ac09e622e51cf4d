"""What a run records of its files and of its dataset, and the check of the images against it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from al_lightning.core.digest import digest, file_digest
from al_lightning.core.files import write_atomic
from al_lightning.core.manifest import Manifest
from al_lightning.core.run_folder import RunFolder
from al_lightning.data import DataError, DenseDataset
from al_lightning.data.splits import NONE


def begin(folder: RunFolder, config: str, environment: Mapping[str, Any], splits: Mapping[str, str]) -> None:
    """Write what a run begins with; config.yaml, which is the last, says that the run has begun."""
    content = json.loads(json.dumps(environment))
    write_atomic(folder.environment, environment_text(content))
    write_atomic(folder.splits, splits_text(splits))
    write_atomic(folder.manifest, Manifest(yaml_content(config), content, dict(splits), {}).text())
    write_atomic(folder.config, config)


def with_digests(folder: RunFolder, steps: Mapping[str, Any]) -> dict[str, Any]:
    """Finished steps, with the digests of the run's own files of labels as a step "pseudo"."""
    found = dict(steps)
    if files := own_files(steps.get("pool", ())):
        found["pseudo"] = {file: file_digest(folder.path / file) for file in files}
    return found


def seen(dataset: DenseDataset, recorded: Mapping[str, str] | None) -> dict[str, Any]:
    """What a stage sees of a dataset: a digest of its ids and their splits, and which have joined since the run began.

    Args:
        dataset: as it is now.
        recorded: id -> split when the run began; None where it was not recorded.
    """
    splits = {name: split for name, split in dataset.split_of().items() if split != NONE}
    joined = [] if recorded is None else sorted(splits.keys() - recorded.keys())
    return {"sha256": digest(splits), "images": len(splits), "joined": joined}


def check_seen(folder: RunFolder, dataset: DenseDataset) -> None:
    """Check that a dataset still has what the last stage of a run saw of it; more images may have come.

    Raises:
        DataError: an image that had joined is gone, or a split is another.
    """
    recorded = folder.recorded_splits()
    stages = [(stage, folder.progress(stage).get("dataset")) for stage in folder.begun_stages()]
    stage, last = next(((number, found) for number, found in reversed(stages) if found), (0, None))
    if recorded is None or last is None:
        return
    now = {name: split for name, split in dataset.split_of().items() if split != NONE}
    if gone := [name for name in last["joined"] if name not in now]:
        raise DataError(
            f"{gone[0]}: had joined the pool at stage {stage} and is gone ({len(gone)} images are); put the files "
            "back, or start a new run"
        )
    known = recorded.keys() | set(last["joined"])
    if digest({name: split for name, split in now.items() if name in known}) != last["sha256"]:
        raise DataError(
            f"{dataset.name}: the ids and splits are not those that stage {stage} saw ({folder.state(stage)}); put the "
            "files back, or start a new run"
        )


def own_files(pool: Sequence[Mapping[str, Any]]) -> list[str]:
    """The files of labels and pseudo-labels that lie in the run's folder."""
    targets = [entry.get("target") for entry in pool]
    return [target for target in targets if target is not None and not Path(target).is_absolute()]


def yaml_content(text: str) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(text)))


def environment_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1)


def splits_text(splits: Mapping[str, str]) -> str:
    return json.dumps(splits, indent=0, ensure_ascii=False)
