"""The audit behind `al-lightning check`: defects of a dataset and its splits, found before anything is annotated.

Targets of pool images are opened here, although no learner may see them: whoever audits a published set has them.
A run never calls this.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from al_lightning.audit.compare import Compared, Progress
from al_lightning.audit.contents import findings_of_targets, looked_at
from al_lightning.audit.files import FileRecord, inspect_row
from al_lightning.audit.findings import SEVERITIES, SPLITS, Finding, of_set
from al_lightning.audit.grouping import findings_of_groups
from al_lightning.audit.subject import Subject
from al_lightning.core.threads import Threads
from al_lightning.data.dataset import DenseDataset
from al_lightning.data.walk import many


@dataclass(frozen=True)
class Audit:
    """What was found, most severe first."""

    dataset: str
    protocol: str
    splits: Mapping[str, int]
    """Images of each split."""
    findings: tuple[Finding, ...]
    overlap: Mapping[str, Mapping[str, int]]
    """split -> how many test images are in it: by `name`, by `file` hash, by `pixels`, by `picture` (equal or nearly
    so; for the pool this is what a run records as dataset.overlap.by_thumbnail), and by picture or name (`same`)."""
    sizes: Mapping[str, Any]
    """images, distinct, height, width, aspect (each [least, most]; aspect is width / height), most_common."""
    alike: Mapping[str, float]
    """Correlations from which two pictures are one `frame`, and one `scene`; empty where none were compared."""
    notes: tuple[str, ...]
    """What the loader decided or left out, a line each."""
    seconds: float

    @property
    def leaks(self) -> bool:
        """Whether a test image is in pool or validation, by name or by picture."""
        return any(f.severity == "error" and f.pair for f in self.findings)

    @property
    def errors(self) -> int:
        """Findings of severity error; a run would be wrong, or refuse."""
        return sum(f.count for f in self.findings if f.severity == "error")

    @property
    def counts(self) -> dict[str, int]:
        """kind -> how many of that kind."""
        total: Counter[str] = Counter()
        for finding in self.findings:
            total[finding.kind] += finding.count
        return dict(total)

    def grouped(self) -> dict[tuple[str, str, str], list[Finding]]:
        """(severity, kind, place) -> its findings, most severe first."""
        groups: dict[tuple[str, str, str], list[Finding]] = {}
        for one in self.findings:
            kind = f"{one.kind}, same name" if one.same_name and one.kind != "same name" else one.kind
            groups.setdefault((one.severity, kind, one.place), []).append(one)
        return groups

    def verdict(self) -> str:
        """One line: the most frequent of the most severe findings, and how many there are.

        Example:
            >>> Audit("mine", "clean", {}, (of_set("dataset", "error", "no image"),), {}, {}, {}, (), 1.0).verdict()
            'error: dataset (no image); 1 error'
        """
        warnings = sum(f.count for f in self.findings if f.severity == "warning")
        told = [many(self.errors, "error") if self.errors else "no error"]
        told += [many(warnings, "warning")] if warnings else []
        if not self.errors:
            told += ["no test image is in pool or validation"] if self.overlap else []
            return ", ".join(told)
        groups = {key: found for key, found in self.grouped().items() if key[0] == "error"}
        (_, kind, place), found = max(
            groups.items(), key=lambda item: (item[0][1] == "dataset", sum(f.count for f in item[1]))
        )
        count = sum(f.count for f in found)
        first = found[0]
        named = f"{' = '.join(first.ids) if first.pair else first.ids[0]}: " if first.ids else ""
        number = f"{count} in {place}, such as " if first.ids else ""
        return f"error: {kind} ({number}{named}{first.detail}); {', '.join(told)}"

    def to_json(self, path: Path) -> None:
        """Everything as JSON; `from_json` reads it."""
        values = {"verdict": self.verdict(), "leaks": self.leaks, "counts": self.counts, **asdict(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values, indent=1, allow_nan=False), encoding="utf-8", errors="backslashreplace")

    @classmethod
    def from_json(cls, path: Path) -> Audit:
        """What `to_json` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        del values["verdict"], values["leaks"], values["counts"]
        found: list[dict[str, Any]] = values.pop("findings")
        for one in found:
            one.update({key: tuple(one[key]) for key in ("ids", "paths", "splits")})
        return cls(findings=tuple(Finding(**one) for one in found), notes=tuple(values.pop("notes")), **values)


def audit(data: DenseDataset | Subject, progress: Progress | None = None) -> Audit:
    """Read every image and target of a dataset, also those in no split, and compare all pictures.

    A file that cannot be read is a finding and stops nothing.

    Args:
        data (DenseDataset | Subject): what to audit.
        progress (Progress | None): called with (step, done, total) as the audit goes on. Default None.
    """
    begun = time.perf_counter()
    progress = progress or (lambda step, done, total: None)
    subject = data if isinstance(data, Subject) else Subject.of(data)
    findings = [of_set("dataset", "error", subject.problem)] if subject.problem else []
    findings += [of_set("note", "info", note) for note in subject.notes]
    values = looked_at(subject)
    records: list[FileRecord] = []
    with Threads() as threads:
        for one in threads.map(lambda row: inspect_row(subject, row, row in values), range(len(subject.ids))):
            records.append(one)
            progress("reading", len(records), len(subject.ids))
    findings += _of_files(subject, records)
    findings += findings_of_targets(subject, records)
    counts = {name: len(subject.rows(name)) for name in SPLITS}
    overlap: dict[str, dict[str, int]] = {}
    alike: dict[str, float] = {}
    if records and not subject.loose:
        compared = Compared(subject, records, progress)
        pairs = compared.findings()
        findings += [*pairs, *findings_of_groups(subject, pairs)]
        overlap = {name: compared.overlap(name) for name in SPLITS[1:] if counts[name] and counts["test"]}
        alike = {"frame": compared.bounds.frame, "scene": compared.bounds.scene}
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.kind, 0.0 if f.distance is None else f.distance))
    return Audit(
        dataset=subject.name,
        protocol=subject.protocol,
        splits={name: count for name, count in counts.items() if count},
        findings=tuple(findings),
        overlap=overlap,
        sizes=_sizes([one.size for one in records if one.size]),
        alike=alike,
        notes=subject.notes,
        seconds=time.perf_counter() - begun,
    )


def _of_files(subject: Subject, records: list[FileRecord]) -> list[Finding]:
    """Defects of single files; of a target that no run opens none is an error."""
    found = []
    for row, one in enumerate(records):
        split = str(subject.split_of[row])
        for kind, severity, path, detail in one.defects:
            unused = split == "held out" and path == subject.targets[row] and severity == "error"
            at = (subject.ids[row],), (str(path),), (split,)
            found.append(Finding(kind, "warning" if unused else severity, *at, detail))
    return found


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
