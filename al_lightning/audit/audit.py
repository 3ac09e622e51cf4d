"""The audit behind `al-lightning check`: defects of a dataset and its splits, found before anything is annotated.

Masks of pool images are opened here, although no learner may see them: whoever audits a published set has them.
A run never calls this.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from al_lightning.audit.compare import SPLITS, Compared, Progress
from al_lightning.audit.files import FileRecord, Finding, Severity, inspect_row
from al_lightning.data.dataset import SPLITS as DATASET_SPLITS
from al_lightning.data.dataset import DenseDataset

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Audit:
    """What was found, most severe first."""

    dataset: str
    protocol: str
    splits: Mapping[str, int]
    """Images of each split."""
    findings: tuple[Finding, ...]
    overlap: Mapping[str, Mapping[str, int]]
    """split -> how many test images are in it: by `name`, by `file` hash, by `pixels`, by `picture` (equal or
    nearly so), and by any of these that counts as the same image (`same`)."""
    sizes: Mapping[str, Any]
    """images, distinct, height, width, aspect (each [least, most]; aspect is width / height), most_common."""
    seconds: float

    @property
    def leaks(self) -> bool:
        """Whether a test image is in pool or validation, by name or by picture."""
        return any(f.severity == "error" and len(f.ids) == 2 for f in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """kind -> findings of that kind."""
        return dict(Counter(f.kind for f in self.findings))

    def to_json(self, path: Path) -> None:
        """Everything as JSON; `from_json` reads it."""
        values = {"leaks": self.leaks, "counts": self.counts, **asdict(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def from_json(cls, path: Path) -> Audit:
        """What `to_json` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        del values["leaks"], values["counts"]
        found: list[dict[str, Any]] = values.pop("findings")
        for one in found:
            one.update({key: tuple(one[key]) for key in ("ids", "paths", "splits")})
        return cls(findings=tuple(Finding(**one) for one in found), **values)

    def print_table(self, console: Console, examples: int = 3) -> None:
        """One line for each severity, kind and place, a few examples of each; then overlap, sizes and the verdict.

        Args:
            console (Console): where to print.
            examples (int): how many of each kind are printed. Default 3.
        """
        groups: dict[tuple[str, str, str], list[Finding]] = {}
        for finding in self.findings:
            place = " and ".join(dict.fromkeys(finding.splits))
            kind = f"{finding.kind}, same name" if finding.same_name and finding.kind != "same name" else finding.kind
            groups.setdefault((finding.severity, kind, place), []).append(finding)
        table = Table(title=f"{self.dataset} ({self.protocol}): {len(self.findings)} findings", title_justify="left")
        for column in ("severity", "finding", "where", "number"):
            table.add_column(column, justify="right" if column == "number" else "left", overflow="fold")
        colours = {"error": "red", "warning": "yellow", "info": "dim"}
        for (severity, kind, place), found in groups.items():
            table.add_row(f"[{colours[severity]}]{severity}[/]", kind, place, str(len(found)))
        console.print(table if groups else f"{self.dataset} ({self.protocol}): nothing found")
        for (severity, kind, place), found in groups.items():
            console.print(f"[{colours[severity]}]{kind}, {place}:[/]", highlight=False)
            for one in found[:examples]:
                text = escape(f"  {' = '.join(one.ids)}: {one.detail}")
                console.print(text, highlight=False, soft_wrap=True)
            if len(found) > examples:
                console.print(f"  and {len(found) - examples} more", highlight=False)
        for split, by in self.overlap.items():
            ways = ", ".join(f"{by[way]} by {way}" for way in ("name", "file", "pixels", "picture"))
            console.print(f"{by['same']} of {self.splits['test']} test images are in {split}: {ways}", highlight=False)
        splits = ", ".join(f"{name} {count}" for name, count in self.splits.items())
        size = self.sizes
        if size["images"]:
            console.print(
                f"{splits}; {size['distinct']} sizes, {size['width'][0]} x {size['height'][0]} to "
                f"{size['width'][1]} x {size['height'][1]}, width / height {size['aspect'][0]:.2f} to "
                f"{size['aspect'][1]:.2f}, most often {size['most_common'][0]} ({size['most_common'][1]})",
                highlight=False,
            )
        verdict = "[red]test images leak into pool or validation[/]" if self.leaks else "no test image leaks"
        console.print(f"{verdict} ({self.seconds:.0f} s)", highlight=False)


def audit(dataset: DenseDataset, progress: Progress | None = None) -> Audit:
    """Read every image and target of a dataset, also those in no split, and compare all pictures.

    A file that cannot be read is a finding and stops nothing. Masks of pool images are opened; a row without a
    target is fine.

    Args:
        dataset (DenseDataset): what to audit.
        progress (Progress | None): called with (step, done, total) as the audit goes on. Default None.
    """
    begun = time.perf_counter()
    progress = progress or (lambda step, done, total: None)
    split_of = np.full(len(dataset.ids), "held out", dtype=object)
    for name in DATASET_SPLITS:
        split_of[getattr(dataset, name)] = name
    records: list[FileRecord] = []
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:
        for one in threads.map(lambda row: inspect_row(dataset, row), range(len(dataset.ids))):
            records.append(one)
            progress("reading", len(records), len(dataset.ids))
    findings = [
        Finding(kind, severity, (dataset.ids[row],), (str(path),), (split_of[row],), detail)
        for row, one in enumerate(records)
        for kind, severity, path, detail in one.defects
    ]
    compared = Compared(dataset, records, split_of, progress)
    findings += compared.findings()
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.kind, 0.0 if f.distance is None else f.distance))
    counts = {name: int((split_of == name).sum()) for name in SPLITS}
    return Audit(
        dataset=dataset.name,
        protocol=dataset.protocol,
        splits={name: count for name, count in counts.items() if count},
        findings=tuple(findings),
        overlap={name: compared.overlap(name) for name in SPLITS[1:] if counts[name]},
        sizes=_sizes([one.size for one in records if one.size]),
        seconds=time.perf_counter() - begun,
    )


def _sizes(sizes: list[tuple[int, int]]) -> dict[str, Any]:
    if not sizes:
        return {"images": 0}
    heights, widths = [h for h, _ in sizes], [w for _, w in sizes]
    (height, width), count = Counter(sizes).most_common(1)[0]
    aspects = [w / h for h, w in sizes]
    return {
        "images": len(sizes),
        "distinct": len(set(sizes)),
        "height": [min(heights), max(heights)],
        "width": [min(widths), max(widths)],
        "aspect": [min(aspects), max(aspects)],
        "most_common": [f"{width} x {height}", count],
    }
