"""Edits of the files of a run, each with what `resume` has to make of it; `main` tries them all and prints a table.

An edit is tried on a copy of a finished or of an unfinished run: three stages of CEAL on thirty small images, with
pseudo-labels; the unfinished one was stopped when its last stage was trained and tested.

    mended    exit code 0, and the rows of the run that nobody touched
    kept      the same, for edits that change no result
    refused   exit code 2 and one line that names the file; no file of the run has changed
    busy      exit code 75 and one line
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .editing import (
    OTHER,
    Edit,
    as_folder,
    attempt,
    both,
    build,
    copied,
    flipped,
    from_other_run,
    gone,
    half,
    line,
    no_return,
    older,
    one_pseudo,
    raw,
    row,
    swap,
    tail,
    text,
    to_pool,
    values,
    without_times,
)
from .protocol import Case, Outcome

S0, S1, S2 = (f"state/stage-00{k}.json" for k in range(3))
JSONL = "stages.jsonl"
IS_NOT = "is not what the run began with"
CHANGED = "was changed after it was written"
BROKEN = b'{"stage": 1, "labelled"'

CONFIG = [
    Edit("config: lr", text("config.yaml", "lr: 0.01", "lr: 0.02"), "refused", r"config\.yaml: .*lr: 0\.01 -> 0\.02"),
    Edit("config: seed", text("config.yaml", "seed: 0", "seed: 1"), "refused", r"config\.yaml: .*seed: 0 -> 1"),
    Edit(
        "config: strategy",
        text("config.yaml", "delta: 0.3", "delta: 0.2"),
        "refused",
        r"config\.yaml: .*strategy\.options\.delta",
    ),
    Edit("config: strategy's name", text("config.yaml", "name: ceal", "name: bald"), "refused", r"config\.yaml: "),
    Edit("config: more stages", text("config.yaml", "stages: 3", "stages: 4"), "refused", r"config\.yaml: .*3 -> 4"),
    Edit(
        "config: more stages of a finished run",
        text("config.yaml", "stages: 3", "stages: 4"),
        "refused",
        r"config\.yaml: .*3 -> 4",
        "finished",
    ),
    Edit("config: wrong type", text("config.yaml", "lr: 0.01", "lr: fast"), "refused", r"config\.yaml: .*lr"),
    Edit("config: unknown key", tail("config.yaml", b"speed: 3\n"), "refused", r"config\.yaml: .*speed"),
    Edit("config: comment", tail("config.yaml", b"# mine\n"), "kept", ""),
    Edit("config: workers", text("config.yaml", "workers: 0", "workers: 1"), "kept", r"config\.yaml: edited .*workers"),
    Edit("config: gone", gone("config.yaml"), "mended", r"config\.yaml: was missing"),
    Edit("config: empty", raw("config.yaml", b""), "refused", r"config\.yaml: "),
    Edit("config: NUL bytes", raw("config.yaml", bytes(64)), "refused", r"config\.yaml: "),
    Edit("config: not UTF-8", tail("config.yaml", b"# \xff\xfe\n"), "refused", r"config\.yaml: "),
    Edit("config: not YAML", tail("config.yaml", b"]{\n"), "refused", r"config\.yaml: not readable as YAML"),
    Edit("config: a list", raw("config.yaml", b"- 1\n"), "refused", r"config\.yaml: expected a mapping"),
    Edit("config: a folder", as_folder("config.yaml"), "refused", r"config\.yaml: "),
    Edit("config: cut in half", half("config.yaml"), "refused", r"config\.yaml: "),
]
RECORDS = [
    Edit(
        "environment: cost of the pool",
        values("environment.json", lambda x: x["cost"]["pool"].update(pixels=1)),
        "refused",
        rf"environment\.json: {IS_NOT} \(cost\.pool\.pixels",
    ),
    Edit(
        "environment: id of W&B gone",
        values("environment.json", lambda x: no_return(x.pop("wandb_id"))),
        "refused",
        rf"environment\.json: {IS_NOT} \(wandb_id",
    ),
    Edit("environment: a number", raw("environment.json", b"5"), "refused", r"environment\.json: expected an object"),
    Edit("environment: empty", raw("environment.json", b""), "refused", r"environment\.json: is empty"),
    Edit("environment: gone", gone("environment.json"), "mended", r"environment\.json: was missing"),
    Edit("environment: a folder", as_folder("environment.json"), "refused", r"environment\.json: .*a folder"),
    Edit("splits: test image in the pool", values("splits.json", to_pool), "refused", r"splits\.json: .*test -> pool"),
    Edit(
        "splits: image taken out",
        values("splits.json", lambda x: no_return(x.popitem())),
        "refused",
        rf"splits\.json: {IS_NOT}",
    ),
    Edit(
        "splits: image added",
        values("splits.json", lambda x: x.update(new="pool")),
        "refused",
        r"splits\.json: .*new: \(not set\) -> pool",
    ),
    Edit(
        "splits: numbers",
        values("splits.json", lambda x: dict.fromkeys(x, 1)),
        "refused",
        rf"splits\.json: {IS_NOT}",
        "finished",
    ),
    Edit("splits: not UTF-8", raw("splits.json", b'{"\xff": "pool"}'), "refused", r"splits\.json: not in UTF-8"),
    Edit("splits: gone", gone("splits.json"), "mended", r"splits\.json: was missing"),
    Edit("manifest: gone", gone("manifest.json"), "refused", r"manifest\.json: is gone"),
    Edit(
        "manifest and config: lr",
        both(text("config.yaml", "lr: 0.01", "lr: 0.02"), text("manifest.json", '"lr": 0.01', '"lr": 0.02')),
        "refused",
        rf"manifest\.json: {CHANGED}",
    ),
    Edit(
        "manifest: newer format",
        values("manifest.json", lambda x: x.update(format=2)),
        "refused",
        r"manifest\.json: written in format 2 by a newer version",
    ),
    Edit(
        "manifest: no format",
        values("manifest.json", lambda x: no_return(x.pop("format"))),
        "refused",
        r"manifest\.json: no 'format'",
    ),
    Edit("manifest: empty", raw("manifest.json", b""), "refused", r"manifest\.json: is empty"),
    Edit(
        "manifest and config of another run",
        both(from_other_run("manifest.json"), from_other_run("config.yaml"), from_other_run("environment.json")),
        "refused",
        r"(stage-000|manifest)\.json: ",
    ),
]
STATE = [
    Edit(
        "pool: image twice",
        values(S1, lambda x: x["pool"].append(copy.deepcopy(x["pool"][0]))),
        "refused",
        rf"stage-001\.json: 'pool' {CHANGED} \('f\d+' is there twice\)",
    ),
    Edit(
        "pool: image dropped",
        values(S1, lambda x: no_return(x["pool"].pop(4))),
        "refused",
        rf"stage-001\.json: 'pool' {CHANGED} \(.* where the stage before has",
    ),
    Edit(
        "pool: ids swapped",
        values(S0, lambda x: swap(x["pool"], 4, 5)),
        "refused",
        rf"stage-000\.json: 'pool' {CHANGED} \(label of 'f\d+' where its row selected 'f\d+'",
    ),
    Edit(
        "pool: another id",
        values(S1, lambda x: x["pool"][-1].update(id="f99")),
        "refused",
        rf"stage-001\.json: 'pool' {CHANGED}",
    ),
    Edit(
        "pool of a finished run: image dropped",
        values(S2, lambda x: no_return(x["pool"].pop(0))),
        "refused",
        rf"stage-002\.json: 'pool' {CHANGED}",
        "finished",
    ),
    Edit(
        "row: metric",
        values(S1, lambda x: x["row"]["test"].update(miou=0.99)),
        "refused",
        rf"stage-001\.json: 'row' {CHANGED}",
    ),
    Edit(
        "row and stages.jsonl: metric",
        both(values(S1, lambda x: x["row"]["test"].update(miou=0.99)), row(2, lambda x: x["test"].update(miou=0.99))),
        "refused",
        rf"stage-001\.json: 'row' {CHANGED}",
        "finished",
    ),
    Edit(
        "fit: another checkpoint",
        values(S2, lambda x: x["fit"].update(checkpoint="checkpoints/stage-000/best.ckpt")),
        "refused",
        rf"stage-002\.json: 'fit' {CHANGED}",
    ),
    Edit(
        "fit: digest of the weights",
        values(S2, lambda x: x["fit"].update(digest=3)),
        "refused",
        r"stage-002\.json: fit\.digest=3: expected a text or null",
    ),
    Edit(
        "asked: no score",
        values(S1, lambda x: no_return(x["asked"]["picks"][0].pop("score"))),
        "refused",
        r"stage-001\.json: no 'asked\.picks\.0\.score'",
    ),
    Edit(
        "given: another type",
        values(S1, lambda x: x["given"].update(files=[])),
        "refused",
        r"stage-001\.json: given\.files=\[\]: expected an object",
    ),
    Edit(
        "asked: another image",
        values(S1, lambda x: x["asked"]["picks"][0].update(id="other")),
        "refused",
        rf"stage-001\.json: 'asked' {CHANGED}",
    ),
    Edit(
        "test: metric",
        values(S2, lambda x: x["test"]["test"].update(miou=1)),
        "refused",
        rf"stage-002.*'test' {CHANGED}",
    ),
    Edit("last in the middle", values(S1, lambda x: x.update(last=True)), "refused", r"stage-00[12]\.json: "),
    Edit(
        "pool taken out of a stage in the middle",
        values(S0, lambda x: no_return(x.pop("pool"))),
        "refused",
        r"stage-000\.json: 'pool' was taken out|stage-001\.json: a stage of the future",
    ),
    Edit("stage in the middle gone", gone(S1), "refused", r"stage-002\.json: is there, and stage-001\.json"),
    Edit("first stage gone", gone(S0), "refused", r"stage-001\.json: is there, and stage-000\.json"),
    Edit("stage of the future", copied(S1, "state/stage-005.json"), "refused", r"stage-005\.json: is there, and"),
    Edit(
        "next stage while one is unfinished",
        copied(S1, "state/stage-003.json"),
        "refused",
        r"stage-003\.json: a stage of the future: stage 2 has not finished",
    ),
    Edit(
        "a stage after the last",
        copied(S2, "state/stage-003.json"),
        "refused",
        r"stage-003\.json: a stage of the future: stage 2 was the last",
        "finished",
    ),
    Edit("state of another run", from_other_run(S1), "refused", r"stage-001\.json: "),
    Edit("first state of another run", from_other_run(S0), "refused", r"stage-000\.json: "),
    Edit("state of another stage", copied(S0, S1), "refused", r"stage-001\.json: holds the row of stage 0"),
    Edit("state: a number", raw(S1, b"5"), "refused", r"stage-001\.json: expected an object, found a whole number"),
    Edit("state: a list", raw(S1, b"[]"), "refused", r"stage-001\.json: expected an object, found a list"),
    Edit("state: an empty object", raw(S2, b"{}"), "refused", r"stage-002\.json: "),
    Edit("state: empty", raw(S1, b""), "refused", r"stage-001\.json: is empty"),
    Edit("state: NUL bytes", raw(S1, bytes(500)), "refused", r"stage-001\.json: holds NUL bytes"),
    Edit("state: not UTF-8", raw(S1, b'{"fit": "\xe9"}'), "refused", r"stage-001\.json: not in UTF-8"),
    Edit("state: a folder", as_folder(S2), "refused", r"stage-002\.json: expected a file, found a folder"),
    Edit("state: cut in half", half(S1), "refused", r"stage-001\.json: not JSON"),
    Edit("state: nested too deeply", raw(S1, b"[" * 200_000), "refused", r"stage-001\.json: not JSON"),
    Edit(
        "state: newer format",
        values(S2, lambda x: x.update(format=7)),
        "refused",
        r"stage-002\.json: written in format 7 by a newer version",
    ),
    Edit("state: format is a text", values(S2, lambda x: x.update(format="1")), "refused", r"stage-002.*format='1'"),
    Edit("state: no format", values(S1, lambda x: no_return(x.pop("format"))), "refused", r"stage-001.*digests"),
    Edit("state: fit is a number", values(S2, lambda x: x.update(fit=3)), "refused", r"stage-002.*fit=3: expected"),
    Edit(
        "state: row is null",
        values(S1, lambda x: x.update(row=None)),
        "refused",
        r"stage-001\.json: row=None: expected",
    ),
    Edit("state: pool is an object", values(S1, lambda x: x.update(pool={})), "refused", r"stage-001\.json: pool="),
    Edit(
        "state: a key twice",
        text(S1, '"last"', '"last": false, "last"'),
        "refused",
        r"stage-001.*'last' occurs twice",
    ),
    Edit(
        "state: digest of a step",
        values(S1, lambda x: x["chain"]["steps"].update(test="0" * 64)),
        "refused",
        rf"stage-001\.json: 'test' {CHANGED}",
    ),
    Edit(
        "state: digest of the config",
        values(S2, lambda x: x["chain"].update(config="0" * 64)),
        "refused",
        r"stage-002\.json: belongs to a run of another config",
    ),
    Edit(
        "state: other layout of the same values",
        lambda folder: no_return((folder / S1).write_text(json.dumps(json.loads((folder / S1).read_text())))),
        "kept",
        "",
    ),
    Edit("state: unfinished stage gone", gone(S2, "checkpoints/stage-002"), "kept", ""),
    Edit("state: of the last stage gone, not its row", gone(S2), "refused", r"stages\.jsonl, line 3", "finished"),
    Edit("state/ is a file", both(gone("state"), raw("state", b"")), "refused", r"state: expected a folder"),
    Edit("state/ is gone", gone("state"), "refused", r"stages\.jsonl, line 1: stage 0 has not finished"),
]
ROWS = [
    Edit("rows: torn last line", tail(JSONL, BROKEN), "mended", r"stages\.jsonl: .*incomplete"),
    Edit("rows: last line without newline", line(2, bytes.strip), "mended", r"stages\.jsonl: .*incomplete"),
    Edit(
        "rows of a finished run: last line without newline",
        line(3, bytes.strip),
        "mended",
        r"stages\.jsonl: .*incomplete",
        "finished",
    ),
    Edit("rows: last line cut", line(2, lambda old: old[:40]), "mended", r"stages\.jsonl: .*stage 1 was missing"),
    Edit("rows: line in the middle gone", line(1, lambda _: b""), "mended", r"stages\.jsonl: .*stage 0 was missing"),
    Edit(
        "rows of a finished run: two lines gone",
        both(line(2, lambda _: b""), line(1, lambda _: b"")),
        "mended",
        r"stages\.jsonl: .*stages 0, 1 were missing",
        "finished",
    ),
    Edit("rows: gone", gone(JSONL), "mended", r"stages\.jsonl: .*stages 0, 1 were missing", "unfinished"),
    Edit("rows: empty", raw(JSONL, b""), "mended", r"stages\.jsonl: .*stages 0, 1, 2 were missing", "finished"),
    Edit("rows: NUL bytes at the end", tail(JSONL, bytes(300)), "mended", r"stages\.jsonl: .*incomplete"),
    Edit("rows: not UTF-8 at the end", tail(JSONL, b"\xff"), "mended", r"stages\.jsonl: .*incomplete"),
    Edit(
        "rows: metric",
        row(2, lambda x: x["test"].update(miou=0.99)),
        "refused",
        r"stages\.jsonl, line 2: is not the row in stage-001\.json \(test\.miou: 0\.\d+ -> 0\.99\)",
    ),
    Edit(
        "rows of a finished run: metric",
        row(3, lambda x: x["test"].update(miou=0.99)),
        "refused",
        r"stages\.jsonl, line 3: .*test\.miou",
        "finished",
    ),
    Edit("rows: number of labels", row(1, lambda x: x.update(labelled=5)), "refused", r"line 1: .*labelled: 4 -> 5"),
    Edit("rows: picks swapped", row(1, lambda x: swap(x["selected"])), "refused", r"stages\.jsonl, line 1: .*selected"),
    Edit("rows: line twice", line(1, lambda old: old * 2), "refused", r"stages\.jsonl, line 2: stage 0 occurs twice"),
    Edit("rows: broken in the middle", line(1, lambda _: b"{\n"), "refused", r"stages\.jsonl, line 1: not JSON"),
    Edit(
        "rows: not UTF-8 in the middle",
        line(1, lambda _: b'"\xe9"\n'),
        "refused",
        r"stages\.jsonl, line 1: not in UTF-8",
    ),
    Edit("rows: a number", line(1, lambda _: b"5\n"), "refused", r"stages\.jsonl, line 1: expected an object"),
    Edit("rows: stage is a text", row(1, lambda x: x.update(stage="0")), "refused", r"jsonl, line 1: stage='0'"),
    Edit(
        "rows: a stage of the future",
        row(2, lambda x: x.update(stage=7)),
        "refused",
        r"stages\.jsonl, line 2: stage 7 has not finished",
    ),
    Edit("rows: a folder", as_folder(JSONL), "refused", r"stages\.jsonl: expected a file, found a folder"),
]
FILES = [
    Edit(
        "weights: one bit", flipped("checkpoints/stage-002/best.ckpt"), "refused", r"best\.ckpt: is damaged or altered"
    ),
    Edit("weights: gone", gone("checkpoints/stage-002/best.ckpt"), "refused", r"best\.ckpt: is gone"),
    Edit(
        "weights: of another stage",
        copied("checkpoints/stage-001/best.ckpt", "checkpoints/stage-002/best.ckpt"),
        "refused",
        r"stage-002/best\.ckpt: is not the file",
    ),
    Edit(
        "pseudo-label: other pixels",
        one_pseudo(lambda x: x.write_bytes(x.read_bytes()[:-1] + b"\1")),
        "refused",
        "npy: is not",
    ),
    Edit("pseudo-label: gone", one_pseudo(Path.unlink), "refused", r"\.npy: is gone"),
    Edit("lock: unreadable", raw("run.lock", b"\0\xff"), "busy", r"run\.lock: cannot be read.*--take-over"),
    Edit("lock: a folder", as_folder("run.lock"), "refused", r"run\.lock: expected a file, found a folder"),
    Edit("left by a kill", raw("state/.stage-002.json.9.tmp", b"{"), "kept", ""),
]
OLDER = [
    Edit("older version", older, "kept", "begun by a version without digests: not checked"),
    Edit(
        "older version, finished",
        older,
        "kept",
        "begun by a version without digests: not checked",
        "finished",
    ),
    Edit(
        "older version, image twice",
        both(older, values(S1, lambda x: x["pool"].append(copy.deepcopy(x["pool"][0])))),
        "refused",
        r"stage-001\.json: 'pool' cannot be right \('f\d+' is there twice\)",
    ),
    Edit(
        "older version, image dropped",
        both(older, values(S1, lambda x: no_return(x["pool"].pop(1)))),
        "refused",
        r"stage-001\.json: 'pool' cannot be right",
    ),
    Edit(
        "older version, metric",
        both(older, row(1, lambda x: x["test"].update(miou=0.9))),
        "refused",
        r"stages\.jsonl, line 1: .*test\.miou",
    ),
    Edit(
        "older version, fit without a checkpoint",
        both(older, values(S2, lambda x: no_return(x["fit"].pop("checkpoint")))),
        "refused",
        r"stage-002\.json: no 'fit\.checkpoint'",
    ),
    Edit(
        "older version, no environment",
        both(older, gone("environment.json")),
        "refused",
        r"environment\.json: no such",
    ),
    Edit(
        "older version, environment without id",
        both(older, raw("environment.json", b"{}")),
        "refused",
        r"environment\.json: no 'wandb_id'",
    ),
    Edit("older version, pseudo-label gone", both(older, one_pseudo(Path.unlink)), "refused", r"\.npy: is gone"),
]
EDITS = [*CONFIG, *RECORDS, *STATE, *ROWS, *FILES, *OLDER]


def cases(seed: int) -> Iterable[Case]:
    """One case of all edits, which share their runs."""
    yield Case("all", "edits of a run's files")


def run(case: Case, folder: Path) -> Outcome:
    """Try every edit."""
    runs = build(folder)
    OTHER[:] = [runs["other"]]
    whole = without_times(runs["finished"])
    faults: list[str] = []
    for number, edit in enumerate(EDITS):
        found = attempt(edit, runs, folder / str(number)).faults(edit, whole)
        faults += [f"{fault}: {edit.name}" for fault in found]
    return Outcome(tuple(faults), tried=len(EDITS))


def main() -> int:
    """Try every edit and print a line each; returns 1 where one did not end as expected."""
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        runs = build(place)
        OTHER[:] = [runs["other"]]
        whole = without_times(runs["finished"])
        for number, edit in enumerate(EDITS):
            tried = attempt(edit, runs, place / str(number))
            faults = tried.faults(edit, whole)
            bad += bool(faults)
            said = (tried.err or tried.out).strip().splitlines()
            print(f"{edit.of:<12}{edit.name:<52}{edit.outcome:<9}{'; '.join(faults) or 'ok'}")
            if faults:
                print(f"            {said[-1] if said else ''}")
    print(f"{len(EDITS)} edits, {bad} not as expected")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
