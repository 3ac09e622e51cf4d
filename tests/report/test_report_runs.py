"""Runs are found, read and judged finished from what they left on disk."""

import subprocess
import sys
from pathlib import Path

import pytest
from report_pages import report
from report_runs import KNOWN_POOL, POOL, SCORES, fake, know_pool, one_group, scored, write_stages

from al_lightning.report import Run, find_runs, write_report
from al_lightning.report.facts import notes, settings
from al_lightning.report.runs import read_rows


def test_imports_neither_torch_nor_lightning_nor_pyplot_nor_pandas():
    unwanted = ("torch", "pytorch_lightning", "matplotlib.pyplot", "sklearn", "pandas")
    code = f"import sys, al_lightning.report as r; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_runs_are_found_below_any_ancestor_and_counted_once(tmp_path):
    top = tmp_path / "runs"
    runs = scored(top)
    assert [(r.experiment, r.strategy, r.seed) for r in runs] == [("exp", s, k) for s, k in sorted(SCORES)]
    assert [r.path for r in find_runs([top, top / "exp" / "core", top / "exp"])] == [r.path for r in runs]
    (only,) = find_runs([top / "exp" / "random" / "seed-2"])
    assert (only.name, len(only.rows), only.planned, only.complete) == ("exp/random/seed-2", 2, 3, False)
    assert only.config["learner"]["name"] == "unet"


@pytest.mark.parametrize(
    ("folder", "name", "variant"),
    [
        ("core", "core", ""),
        ("core,gamma=0.3", "core", "gamma=0.3"),
        ("core,gamma=0.3,k=5", "core", "gamma=0.3,k=5"),
        ("package.module.Name,gamma=0.3", "package.module.Name", "gamma=0.3"),
    ],
)
def test_a_folder_names_strategy_and_variant(tmp_path, folder, name, variant):
    fake(tmp_path, "exp", folder, 3, [0.5])
    (run,) = find_runs([tmp_path])
    assert (run.strategy, run.strategy_name, run.variant) == (folder, name, variant)
    assert run.name == f"exp/{folder}/seed-3"


def test_a_torn_last_line_is_left_out_wherever_it_is_cut(tmp_path):
    file = fake(tmp_path, "exp", "core", 0, [0.5, 0.6]) / "stages.jsonl"
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole), 7):
        file.write_bytes(whole[:cut])
        assert [row["stage"] for row in read_rows(file)] == [0]
    file.write_bytes(whole[:-1])
    assert [row["stage"] for row in read_rows(file)] == [0, 1]
    file.write_bytes(whole + "é".encode()[:1])
    assert [row["stage"] for row in read_rows(file)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stage": 0, "lab\n{"stage": 1, "labelled": 2, "test": {}}\n', "line 1: not JSON"),
        ('{"stage": 0, "labelled": 2}\n', "no 'test'"),
        ('{"stage": 0, "labelled": 2, "test": {}}\n' * 2, "stage 0 occurs twice"),
        ("[1]\n", "expected an object, found a list"),
    ],
)
def test_damaged_rows_are_refused(tmp_path, text, message):
    (tmp_path / "stages.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "stages.jsonl")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("environment.json", b"", r"environment\.json: is empty"),
        ("environment.json", b"[]", r"environment\.json: expected an object, found a list"),
        ("environment.json", b'{"dataset": 5}', r"environment\.json: dataset=5: expected an object"),
        (
            "environment.json",
            b'{"cost": {"pool": {"pixels": "many"}}}',
            r"environment\.json: cost\.pool\.pixels='many'",
        ),
        ("environment.json", b'{"a": "\xff"}', r"environment\.json: not in UTF-8"),
        ("environment.json", bytes(9), r"environment\.json: holds NUL bytes"),
        ("config.yaml", b"- 1", r"config\.yaml: expected an object, found a list"),
        ("config.yaml", b"a: ]", r"config\.yaml: cannot be read"),
        ("config.yaml", b"a: \xff", r"config\.yaml: cannot be read"),
        ("config.yaml", bytes(9), r"config\.yaml: cannot be read"),
        ("config.yaml", b"budget: {stages: many}", r"config\.yaml: budget\.stages='many': expected a whole number"),
        ("stages.jsonl", b'{"stage": 0, "labelled": 2, "test": 5}\n', r"line 1: test=5: expected an object"),
        ("stages.jsonl", b'{"stage": "0", "labelled": 2, "test": {}}\n', r"line 1: stage='0': expected a whole number"),
        (
            "stages.jsonl",
            b'{"stage": 0, "labelled": 2, "test": {}, "selected": [{}]}\n',
            r"line 1: no 'selected\.0\.id'",
        ),
    ],
)
def test_files_that_were_touched_are_refused_in_one_line(tmp_path, file, content, message):
    folder = fake(tmp_path, "exp", "core", 0, [0.5])
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        find_runs([tmp_path])
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(ValueError, match=rf"{file.replace('.', '[.]')}: .*"):
        find_runs([tmp_path])


def test_what_cannot_be_reported_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="no run folder given"):
        find_runs([])
    with pytest.raises(FileNotFoundError, match=r"missing is not a folder.*such as runs"):
        find_runs([tmp_path / "missing"])
    with pytest.raises(FileNotFoundError, match=r"hold no stages\.jsonl"):
        find_runs([tmp_path])
    folder = fake(tmp_path / "a", "exp", "core", 0, [0.5])
    fake(tmp_path / "b", "exp", "core", 0, [0.5])
    with pytest.raises(ValueError, match="both exp/core/seed-0"):
        find_runs([tmp_path])
    (folder / "stages.jsonl").write_text('{"stage": 0, ')
    with pytest.raises(ValueError, match=r"no run below .* has finished a stage yet \(1 found\).*al-lightning resume"):
        find_runs([tmp_path / "a"])
    folder.rename(folder.with_name("first"))
    with pytest.raises(ValueError, match="not named <experiment>/<strategy>/seed-<k>"):
        find_runs([tmp_path / "a"])


def test_rows_without_a_primary_metric_are_refused(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.5])
    write_stages(folder, [{"stage": 0, "labelled": 3, "test": {"accuracy": 1.0}}])
    with pytest.raises(ValueError, match=r"\['accuracy'\].*needs 'miou'"):
        write_report(find_runs([tmp_path]), tmp_path / "r.html")


@pytest.mark.parametrize(
    ("rows", "step", "pixels", "total", "complete"),
    [
        (3, 30, None, POOL, False),
        (6, 30, None, POOL, True),
        (2, 150, None, None, True),  # everything is labelled
        (2, 30, 0.3, POOL, False),  # 20 % of the pixels
        (3, 30, 0.3, POOL, True),
        (3, 30, 0.3, None, False),
        (1, 300, None, None, True),  # everything is labelled at once
        (0, 300, None, None, False),
        (0, 30, 0.1, POOL, False),
    ],
)
def test_a_run_is_complete_at_its_stages_its_pool_or_its_pixels(tmp_path, rows, step, pixels, total, complete):
    scores = [0.5 + k / 100 for k in range(rows)]
    changes = {} if pixels is None else {"budget.pixels": pixels}
    folder = fake(tmp_path / "runs", "exp", "core", 0, scores, planned=6, step=step, **changes)
    know_pool(folder, KNOWN_POOL if total else None)
    other = fake(tmp_path / "runs", "exp", "other", 0, [0.5] * 6, planned=6)
    assert find_runs([other])[0].complete
    run = next(run for run in find_runs([tmp_path / "runs"]) if run.strategy == "core")
    assert (run.complete, run.planned) == (complete, 1 if run.fully_labelled else 6)
    assert run.fully_labelled == ((rows, step) == (1, 300))
    group = one_group(tmp_path / "runs")
    words = " ".join([*notes(group), *(text for _, text in settings(group))])
    said = f"exp/core/seed-0 ({rows} of {'at most ' if pixels else ''}6 stages)"
    assert (said in words) == ("Not finished" in words) == (not complete)
    assert ("until 30 % of the pool's pixels are labelled" in words) == (pixels == 0.3 and rows > 0)


@pytest.mark.parametrize("strategy", ["full", "everything"])
def test_all_labels_alone_is_one_finished_stage(tmp_path, strategy):
    fake(tmp_path / "runs", "exp", strategy, 0, [0.8], step=300, planned=6)
    words = report(find_runs([tmp_path / "runs"]), tmp_path).words
    assert "all images at once" in words
    assert "6 stages" not in words
    assert "Nothing picked for seed 0." in words


def test_runs_without_config_or_stages_are_named(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.5, 0.6])
    (folder / "config.yaml").unlink()
    (folder / "environment.json").unlink()
    page = report(find_runs([tmp_path]), tmp_path)
    assert "No config.yaml: exp/core/seed-0" in page.words
    fake(tmp_path / "more", "exp", "core", 1, [0.5, 0.6])
    empty = fake(tmp_path / "more", "exp", "core", 2, [0.5], planned=2)
    (empty / "stages.jsonl").write_text("")
    assert "exp/core/seed-2 (0 of 2 stages)" in report(find_runs([tmp_path / "more"]), tmp_path).words


def test_a_run_is_made_in_a_script():
    run = Run(Path("."), "exp", "core", 0, (), {}, {})
    assert (run.fully_labelled, run.planned, run.complete) == (False, None, True)
