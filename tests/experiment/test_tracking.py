"""What W&B, TensorBoard and CSV files get of a run."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from experiment_runs import run


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
