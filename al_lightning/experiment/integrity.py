"""Checks the files of a run before it goes on: mends what is safe to mend, and refuses what was touched otherwise.

What is compared with what: config.yaml, environment.json and splits.json with the copies in manifest.json; each state
file with its own digests and with the file before it; stages.jsonl with the rows in the state; pseudo-labels with their
digests in the state. Weights and the images of the dataset are compared where they are read (`records`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from al_lightning.config import ConfigError, difference, from_plain, from_saved, plain
from al_lightning.core.digest import check_file, digest
from al_lightning.core.files import write_atomic
from al_lightning.core.json_files import expect, read_json
from al_lightning.core.manifest import Manifest, read_manifest
from al_lightning.core.run_folder import RunFolder
from al_lightning.core.stage_rows import ANEW, lines, text_of
from al_lightning.core.state_files import check_chain, label_faults, read_state, remedy
from al_lightning.experiment.records import environment_text, own_files, splits_text, yaml_content
from al_lightning.experiment.setup import complete

FREE = ("runs_dir", "dataset.options.root", "loader.workers", "loader.cache", "logging", "trainer.enable_progress_bar")
"""Keys and sections of config.yaml that may be edited between two starts, because no result depends on them."""
OTHERWISE = "put it back, or delete the file, and resume writes it as it was; other settings need a run of another name"

Mend = Callable[[Path, str, str], None]
"""Takes a file, its right content, and what was wrong with it."""


def check_run(folder: RunFolder, write: bool = True) -> list[str]:
    """Check the files of a run that has begun.

    Args:
        folder: of the run.
        write: mend what is safe to mend; False for ranks that write nothing.

    Returns:
        Lines to show: what was mended, and what could not be checked.

    Raises:
        ValueError, FileNotFoundError: a file was touched; one line with the file, what differs, and the remedy.
    """
    notes: list[str] = []
    right: dict[Path, str] = {}

    def mend(path: Path, text: str, what: str) -> None:
        notes.append(f"{path}: {what}")
        right[path] = text

    manifest = read_manifest(folder.manifest)
    if manifest is not None:
        notes += _check_records(folder, manifest, mend)
    states = _check_states(folder, manifest)
    _check_rows(folder, states, mend)
    _check_pseudo(folder, states)
    if manifest is None:
        text = _adopt(folder, states).text()
        mend(folder.manifest, text, "the run was begun by a version without digests: not checked until now")
    if write:  # at the end, so that a run that is refused stays as it is
        for path, content in right.items():
            write_atomic(path, content)
    return notes


def _check_records(folder: RunFolder, manifest: Manifest, mend: Mend) -> list[str]:
    """Compare config, environment and splits with the manifest; returns what was edited and may be."""
    notes: list[str] = []
    as_it_was = "was missing; written as it was when the run began"
    if not folder.config.exists():
        mend(folder.config, OmegaConf.to_yaml(OmegaConf.create(dict(manifest.config))), as_it_was)
    elif changes := _config_changes(folder, manifest):
        touched = [line for line in changes if not line.startswith(FREE)]
        if touched:
            raise ConfigError(f"{folder.config}: is not what the run began with ({_some(touched)}); {OTHERWISE}")
        notes.append(f"{folder.config}: edited since the run began ({_some(changes)}); results do not depend on it")
    for path, recorded, text in (
        (folder.environment, manifest.environment, environment_text),
        (folder.splits, manifest.splits, splits_text),
    ):
        if recorded is None and path.exists():
            raise ValueError(f"{path}: was not there when the run began; delete it")
        if recorded is None:
            continue
        if not path.exists():
            mend(path, text(recorded), as_it_was)
            continue
        try:
            found = read_json(path)
            expect(found, dict, str(path))
        except ValueError as error:
            raise ValueError(f"{error}; {OTHERWISE}") from None
        if changes := difference(recorded, found):
            raise ValueError(f"{path}: is not what the run began with ({_some(changes)}); {OTHERWISE}")
    return notes


def _config_changes(folder: RunFolder, manifest: Manifest) -> list[str]:
    """Differences "key: old -> new" of the config that the run began with and config.yaml, options filled in."""
    if folder.config.is_file():
        try:
            if yaml_content(folder.config.read_text(encoding="utf-8")) == manifest.config:
                return []
        except Exception as error:  # read again below, where it gets its message
            del error
    try:
        now = plain(complete(from_saved(folder.config)))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{folder.config}: not in UTF-8 ({error.reason}); {OTHERWISE}") from None
    except (ValueError, OSError) as error:
        where = "" if str(folder.config) in str(error) else f"{folder.config}: "
        raise ConfigError(f"{where}{error}; {OTHERWISE}") from None
    return difference(plain(complete(from_plain(manifest.config))), now)


def _check_states(folder: RunFolder, manifest: Manifest | None) -> list[dict[str, Any]]:
    """The content of the state files, each compared with its digests and the file before it."""
    config = None if manifest is None else digest(dict(manifest.config))
    before = None if manifest is None else digest(manifest.content())
    previous = folder.manifest
    states: list[dict[str, Any]] = []
    for position, number in enumerate(folder.begun_stages()):
        path = folder.state(number)
        and_rows = f"delete {path.name} and all later ones with their lines of stages.jsonl"
        if number != position:
            raise ValueError(
                f"{path}: is there, and {folder.state(position).name} before it is not; put that back from a copy, or "
                f"{and_rows}"
            )
        if states and ("pool" not in states[-1] or states[-1].get("last")):
            why = "was the last" if states[-1].get("last") else "has not finished"
            raise ValueError(f"{path}: a stage of the future: stage {position - 1} {why}; {and_rows}")
        content = _read(path)
        faults = ""
        if "pool" in content:
            if content["row"]["stage"] != number:
                raise ValueError(f"{path}: holds the row of stage {content['row']['stage']}; {remedy(path)}")
            faults = label_faults(states[-1]["pool"] if states else None, content, number)
        if "format" in content:
            if manifest is None:
                raise ValueError(
                    f"{folder.manifest}: is gone, and {path.name} was written after it; put it back from a copy, or "
                    "start a new run under another name"
                )
            check_chain(content, path, before, config, previous, faults)
        elif manifest is not None and manifest.unversioned.get(path.name) != digest(content):
            raise ValueError(f"{path}: was changed after it was written, and its digests are gone; {remedy(path)}")
        if faults:
            raise ValueError(f"{path}: 'pool' cannot be right ({faults}); {remedy(path)}")
        before, previous = digest(content), path
        states.append(content)
    return states


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_state(path)
    except ValueError as error:
        more = "" if ";" in str(error) else f"; {remedy(path)}"
        raise ValueError(f"{error}{more}") from None


def _check_rows(folder: RunFolder, states: Sequence[Mapping[str, Any]], mend: Mend) -> None:
    """Compare stages.jsonl with the rows in the state, which are written first."""
    finished = [state["row"] for state in states if "pool" in state]
    found, damaged = lines(folder.stages)
    for number, row in found:
        where, stage = f"{folder.stages}, line {number}", row["stage"]
        if not 0 <= stage < len(finished):
            raise ValueError(
                f"{where}: stage {stage} has not finished, says state/; delete the line, or put "
                f"{folder.state(stage).name} back from a copy"
            )
        if changes := difference(finished[stage], row):
            raise ValueError(
                f"{where}: is not the row in {folder.state(stage).name} ({_some(changes)}); delete the line: {ANEW}"
            )
    missing = sorted(set(range(len(finished))) - {row["stage"] for _, row in found})
    if missing:
        many = "s" if len(missing) > 1 else ""
        mend(
            folder.stages,
            text_of(finished),
            f"written anew from state/, for the row{many} of stage{many} {', '.join(map(str, missing))} "
            f"{'were' if many else 'was'} missing",
        )
    elif damaged:
        mend(folder.stages, text_of(finished), "the end of its last line was incomplete; written anew from state/")


def _check_pseudo(folder: RunFolder, states: Sequence[Mapping[str, Any]]) -> None:
    """Check the labels and pseudo-labels of the run's own that the next stage is trained with."""
    finished = [(stage, state) for stage, state in enumerate(states) if "pool" in state]
    if not finished or finished[-1][1].get("last"):
        return
    stage, state = finished[-1]
    recorded = state.get("pseudo", {})
    for file in own_files(state["pool"]):
        check_file(folder.path / file, recorded.get(file), remedy(folder.state(stage)))


def _adopt(folder: RunFolder, states: Sequence[Mapping[str, Any]]) -> Manifest:
    """The manifest of a run that a version without digests began, from its files as they are."""
    try:
        if not folder.config.is_file():
            raise FileNotFoundError(f"{folder.config}: no such file")
        complete(from_saved(folder.config))
        if not folder.environment.exists():
            raise FileNotFoundError(f"{folder.environment}: no such file")
        environment = read_json(folder.environment)
        expect(environment, {"wandb_id": str}, str(folder.environment))
        splits = folder.recorded_splits()
        config = yaml_content(folder.config.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{error}; put it back from a copy, or start a new run under another name") from None
    unversioned = {folder.state(stage).name: digest(dict(state)) for stage, state in enumerate(states)}
    return Manifest(config, environment, splits, unversioned)


def _some(changes: Sequence[str]) -> str:
    """The first three, each up to 100 characters, and how many more there are."""
    shown = "; ".join(line if len(line) <= 100 else f"{line[:97]}..." for line in changes[:3])
    return f"{shown}; and {len(changes) - 3} more" if len(changes) > 3 else shown
