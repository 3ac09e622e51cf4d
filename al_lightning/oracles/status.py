"""status.csv of a request: what is done, missing, rejected or withdrawn."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from al_lightning.core.files import write_atomic
from al_lightning.core.oracle import Delivery, Request
from al_lightning.data.dataset import DenseDataset


def write_status(path: Path, request: Request, dataset: DenseDataset, delivery: Delivery) -> None:
    """Write a line for each image of a request, then one for each answer that was rejected.

    Raises:
        OSError: the file cannot be written.
    """
    held = io.StringIO()
    table = csv.writer(held, lineterminator="\n")
    table.writerow(["id", "status", "remark"])
    waiting = set(delivery.waiting.tolist())
    for row in dict.fromkeys(request.query.rows.tolist()):
        state = "missing" if row in waiting else "withdrawn" if row in delivery.withdrawn else "done"
        table.writerow([dataset.ids[row], state, delivery.withdrawn.get(row, "")])
    for name, reason in delivery.rejected.items():
        table.writerow([name, "rejected", reason])
    write_atomic(path, held.getvalue())
