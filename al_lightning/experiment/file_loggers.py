"""CSV and TensorBoard files that go on where an earlier process of the run has stopped."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from al_lightning.core.files import write_atomic
from al_lightning.experiment.ranks import is_main

STAGE = "stage/number"
"""Metric of each stage row, by which a logger knows those that it has."""


class CsvLog(Logger):
    """csv/metrics.csv: a line for each call of `log_metrics`, on disk when the call returns.

    The columns are those of Lightning's CSVLogger, which deletes the file of an earlier process.
    """

    offset = 0
    """Steps of all earlier trainings of the run."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.file = folder / "csv" / "metrics.csv"
        self._columns: list[str] = ["step"]
        self._stages: set[int] = set()
        self._last = -1
        if self.file.is_file() and is_main():
            self._write(self._read())

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.file.parent.parent)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        at = (0 if step is None else step) + self.offset
        row = {name: str(float(value)) if name != "epoch" else str(int(value)) for name, value in metrics.items()}
        self._append({"step": str(at), **row})

    @rank_zero_only
    def log_stage(self, values: Mapping[str, float], labelled: int, step: int) -> None:
        """A stage row, unless it is there."""
        if int(values[STAGE]) not in self._stages:
            self._append({"step": str(step), **{name: str(value) for name, value in values.items()}})

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Drop the lines from this step on: they are of a training that is done again."""
        if self._last >= step:
            self._write([row for row in self._read() if int(row["step"]) < step])

    def close(self) -> bool:
        return True

    def _read(self) -> list[dict[str, str]]:
        """The lines; without the last one where it is incomplete."""
        text = self.file.read_text(encoding="utf-8")
        whole = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        return [row for row in whole if (row.get("step") or "").lstrip("-").isdigit()]

    def _write(self, rows: Sequence[Mapping[str, str]]) -> None:
        self._columns = list(dict.fromkeys(["step", *(name for row in rows for name in row if name)]))
        out = io.StringIO()
        writer = csv.DictWriter(out, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: row.get(name) or "" for name in self._columns} for row in rows)
        write_atomic(self.file, out.getvalue())
        self._last = max((int(row["step"]) for row in rows), default=-1)
        self._stages = {int(float(row[STAGE])) for row in rows if row.get(STAGE)}

    def _append(self, row: Mapping[str, str]) -> None:
        if not self.file.is_file() or not set(row) <= set(self._columns):
            before = self._read() if self.file.is_file() else []
            self._write([*before, row])
            return
        out = io.StringIO()
        csv.DictWriter(out, self._columns, lineterminator="\n").writerow(row)
        with self.file.open("ab", buffering=0) as file:
            file.write(out.getvalue().encode())
        self._last = max(self._last, int(row["step"]))
        if row.get(STAGE):
            self._stages.add(int(float(row[STAGE])))


class Board(TensorBoardLogger):
    """tensorboard/ holds the curves of the trainings, whose steps count on; tensorboard/stages those over the number of
    labels."""

    offset = 0
    """Steps of all earlier trainings of the run."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # tensorboard is optional

        super().__init__(folder, name="tensorboard", version="")
        self._writer = SummaryWriter
        self._rewound = False
        self._stages: SummaryWriter | None = None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # type: ignore[override]
        super().log_metrics(dict(metrics), (step or 0) + self.offset)

    @rank_zero_only
    def log_stage(self, values: Mapping[str, float], labelled: int, step: int) -> None:
        """A stage row. Each process logs all of them, and the first one of it says that what was there is void."""
        if self._stages is None:
            self._stages = self._writer(Path(self.log_dir) / "stages", purge_step=0)
        for name, value in values.items():
            self._stages.add_scalar(name, value, labelled)
        self._stages.flush()

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Say, once in a process, that what earlier ones logged from this step on does not count."""
        if not self._rewound:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog

            self._rewound = True
            start = Event(step=step, session_log=SessionLog(status=SessionLog.START))
            self.experiment.file_writer.add_event(start, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is in memory. A Trainer calls it at the end of each of its loops; closed here, the next one would
        begin another file, and two of one second can be read in the wrong order."""
        self.experiment.flush()

    def close(self) -> bool:
        super().finalize("success")
        if self._stages is not None:
            self._stages.close()
        return True
