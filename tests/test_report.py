"""Runs on disk to a table and a page. All figures are checked against numpy on the rows that were written."""

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from rich.console import Console
from test_report_figures import svg_points

from al_lightning.report import find_runs, print_table, write_report
from al_lightning.report.budgets import budget_rows
from al_lightning.report.compare import common_range, differing, extra_axes, groups
from al_lightning.report.curves import BASELINE, COLOURS
from al_lightning.report.runs import read_rows


def fake(root, experiment, strategy, seed, metric, *, planned=None, task="segmentation", step=30, overlap=0, **changes):
    """Write a run whose test metric at stage k is metric[k]; returns its folder."""
    folder = root / experiment / strategy / f"seed-{seed}"
    folder.mkdir(parents=True)
    config = {
        "name": experiment,
        "seed": seed,
        "dataset": {"name": "polyps", "options": {"size": 64, "protocol": "clean"}},
        "learner": {"name": "unet", "options": {"encoder": "resnet18", "lr": 0.001}, "restart": "scratch"},
        "strategy": {"name": strategy},
        "budget": {"initial": step, "per_stage": step, "stages": planned or len(metric)},
        "trainer": {"max_epochs": 5},
    }
    OmegaConf.save(
        OmegaConf.merge(config, OmegaConf.from_dotlist([f"{k}={v}" for k, v in changes.items()])),
        folder / "config.yaml",
    )
    dataset = {
        "pool": 300,
        "validation": 40,
        "test": 50,
        "protocol": "clean",
        "task": task,
        "overlap": {"by_id": overlap, "by_thumbnail": overlap},
    }
    (folder / "environment.json").write_text(json.dumps({"dataset": dataset, "versions": {"torch": "2.99"}}))
    lines = []
    for k, value in enumerate(metric):
        picks = [
            {"id": f"{strategy}-{k}-{i}", "source": "bvsb" if i % 3 else "k-center", "score": None if i else 0.25}
            for i in range(step if k + 1 < len(metric) else 0)
        ]
        n = step * (k + 1)
        test = {"miou": value, "dice": value + 0.05} if task == "segmentation" else {"rmse_cm": value}
        row = {
            "stage": k,
            "labelled": n,
            "fraction": n / 300,
            "cost": {"images": n, "pixels": 1e6 * n, "clicks": None},
            "val": {},
            "test": test,
            "seconds": {"fit": 100.0, "test": 2.0, "score": 3.0, "select": 0.5},
            "selected": picks,
        }
        lines.append(json.dumps(row) + "\n")
    (folder / "stages.jsonl").write_text("".join(lines))
    return folder


SCORES = {
    ("core", 0): [0.60, 0.71, 0.78],
    ("core", 1): [0.62, 0.74, 0.79],
    ("core", 2): [0.61, 0.72, 0.80],
    ("random", 0): [0.60, 0.68, 0.74],
    ("random", 1): [0.62, 0.69, 0.77],
    ("random", 2): [0.61, 0.70],
}


@pytest.fixture
def runs(tmp_path):
    for (strategy, seed), values in SCORES.items():
        fake(tmp_path / "runs", "exp", strategy, seed, values, planned=3)
    return find_runs([tmp_path / "runs"])


class Page(HTMLParser):
    """Tables as rows of cell texts, pictures, links, and whether every element is closed in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tables, self.pictures, self.tags, self.text = [], [], [], [], []
        self.attributes = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "br" and {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += "|"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def report(runs, folder, images=None):
    path = write_report(runs, folder / "out" / "report.html", images)
    assert path == folder / "out" / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def test_imports_neither_torch_nor_lightning_nor_pyplot():
    code = (
        "import sys, al_lightning.report as r; "
        "print([m for m in ('torch', 'pytorch_lightning', 'matplotlib.pyplot', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_runs_are_found_below_any_ancestor_and_counted_once(tmp_path, runs):
    top = tmp_path / "runs"
    assert [(r.experiment, r.strategy, r.seed) for r in runs] == [("exp", s, k) for s, k in sorted(SCORES)]
    assert [r.path for r in find_runs([top, top / "exp" / "core", top / "exp"])] == [r.path for r in runs]
    (only,) = find_runs([top / "exp" / "random" / "seed-2"])
    assert (only.name, len(only.rows), only.planned, only.complete) == ("exp/random/seed-2", 2, 3, False)
    assert only.config["learner"]["name"] == "unet"


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
        ("[1]\n", "no 'stage'"),
    ],
)
def test_damaged_rows_are_refused(tmp_path, text, message):
    (tmp_path / "stages.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "stages.jsonl")


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
    with pytest.raises(ValueError, match=r"none of the 1 runs .* has finished a stage"):
        find_runs([tmp_path / "a"])
    folder.rename(folder.with_name("first"))
    with pytest.raises(ValueError, match="not named <experiment>/<strategy>/seed-<k>"):
        find_runs([tmp_path / "a"])


def test_rows_without_a_primary_metric_are_refused(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.5])
    (folder / "stages.jsonl").write_text('{"stage": 0, "labelled": 3, "test": {"accuracy": 1.0}}\n')
    with pytest.raises(ValueError, match=r"\['accuracy'\].*needs 'miou'"):
        write_report(find_runs([tmp_path]), tmp_path / "r.html")


def test_table_of_the_metric_holds_mean_and_sd(tmp_path, runs):
    page = report(runs, tmp_path)
    head, core, random = page.tables[0]
    assert [cell.split("|")[0] for cell in head] == ["mIoU (%)", "30", "60", "90"]
    for row, name in ((core, "core"), (random, "random")):
        assert row[0] == name
        for k, cell in enumerate(row[1:]):
            values = [100 * v[k] for (s, _), v in SCORES.items() if s == name and len(v) > k]
            few = "|2 of 3 seeds" if len(values) == 2 else ""
            assert cell == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}{few}"
    bold = re.findall(r"<b>([\d.]+)</b> <small>±", Path(tmp_path / "out/report.html").read_text())
    assert bold[:2] == ["72.3", "79.0"]  # at 30 labelled both are 61.0, and neither is best


def test_aubc_and_paired_differences_in_the_page(tmp_path, runs):
    page = report(runs, tmp_path)
    budget = next(t for t in page.tables if t[0][1].startswith("AUBC"))
    areas = [100 * np.trapezoid(v, dx=0.5) for (s, _), v in SCORES.items() if s == "core"]
    assert budget[1] == ["core", f"{np.mean(areas):.1f} ± {np.std(areas, ddof=1):.1f}", "3"]
    assert budget[2][2] == "2 of 3"
    versus = page.tables[page.tables.index(budget) + 1]
    z = np.array([3.0, 5.0, 2.0])
    half = 4.302652729911275 * z.std(ddof=1) / np.sqrt(3)
    assert versus[1][2] == f"+{z.mean():.1f}|[{z.mean() - half:.1f}, +{z.mean() + half:.1f}]".replace("-", "−")
    assert versus[1][1] == "0.0|[0.0, 0.0]"
    assert "exp/random/seed-2 (2 of 3 stages)" in page.words
    assert "at 60 labelled images, highest first: core 72.3" in page.words  # the last that every run has reached


def test_page_is_self_contained(tmp_path, runs):
    page = report(runs, tmp_path)
    text = (tmp_path / "out/report.html").read_text()
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not re.search(r"https?://|url\(|@import", text)
    assert all(p["src"].startswith("data:image/") for p in page.pictures)
    assert all(p["alt"] for p in page.pictures)
    assert "torch" in page.words
    assert "2.99" in page.words
    assert text == write_report(runs, tmp_path / "again.html").read_text()


def test_everything_from_disk_is_escaped(tmp_path):
    evil = "<b onload=x>&'\"$x_1$"
    fake(tmp_path, evil, evil, 0, [0.5, 0.6], **{"dataset.name": "<u>", "learner.name": "<s>"})
    path = tmp_path / evil / evil / "seed-0"
    row = json.loads((path / "stages.jsonl").read_text().splitlines()[0])
    row["selected"] = [{"id": '"><svg>', "source": "<em>", "score": float("nan")}]
    row["test"]["<q>"] = 0.5
    (path / "stages.jsonl").write_text(json.dumps(row) + "\n")
    page = report(find_runs([tmp_path]), tmp_path)
    assert not {"u", "s", "svg", "em", "q"} & set(page.tags)
    assert not any(name == "onload" for name, _ in page.attributes)
    assert evil in page.words


def test_overlap_is_a_visible_warning_and_only_where_there_is_one(tmp_path, runs):
    assert 'class="warning"' not in write_report(runs, tmp_path / "a.html").read_text()
    fake(tmp_path / "leak", "exp", "core", 0, [0.5, 0.6], overlap=17)
    page = report(find_runs([tmp_path / "leak"]), tmp_path)
    assert ("class", "warning") in page.attributes
    assert "17 of the 50 test images are in the pool by name" in page.words


def test_one_seed_has_no_band_and_says_so(tmp_path):
    fake(tmp_path, "exp", "core", 4, [0.5, 0.6])
    page = report(find_runs([tmp_path]), tmp_path)
    assert page.tables[0][1] == ["core", "50.0", "60.0"]
    assert "One seed only: core." in page.words
    assert "Bands" not in page.words


def test_depth_is_in_cm_and_lower_is_better(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "exp", "core", seed, [0.9, 0.5 + seed / 10], task="depth")
        fake(tmp_path, "exp", "random", seed, [0.9, 0.75 + seed / 10], task="depth")
    found = find_runs([tmp_path])
    page = report(found, tmp_path)
    assert page.tables[0][0][0].startswith("RMSE (cm)")
    assert page.tables[0][1][2] == f"0.550 ± {np.std([0.5, 0.6], ddof=1):.3f}"
    assert "Lower is better" in page.words
    assert "lowest first: core 0.550" in page.words
    assert "<b>0.550</b>" in (tmp_path / "out/report.html").read_text()


def test_label_efficiency_is_read_off_against_the_full_data_run(tmp_path):
    for seed in (0, 1):
        fake(tmp_path, "exp", "core", seed, [0.6, 0.7, 0.8])
        fake(tmp_path, "exp", "random", seed, [0.6, 0.65, 0.7])
        fake(tmp_path, "all", "random", seed, [0.8], step=300)
    # A seed that was stopped early has no say, neither in the curve nor in what it is measured against.
    fake(tmp_path, "exp", "core", 2, [0.3], planned=3)
    fake(tmp_path, "all", "random", 2, [0.8], step=300)
    (group,) = groups(find_runs([tmp_path]))
    assert [c.label for c in group.curves] == ["core", "random"]
    assert [run.experiment for run in group.full] == ["all"] * 3
    _, rows, caption = budget_rows(group)
    assert [cells[1] for _, cells in rows] == ["78 (26 % of the pool)", "not reached"]  # .76 lies at 60 + 30 · .6
    assert "80.0 %" in caption


def regions(folder, clicks):
    """Give a run clicks, and boxes to what it picked."""
    rows = [json.loads(line) for line in (folder / "stages.jsonl").read_text().splitlines()]
    for row, count in zip(rows, clicks, strict=True):
        row["cost"]["clicks"] = count
        row["selected"] = [
            pick | {"id": f"same-{i // 4}", "source": "cereals", "box": [8 * (i % 4), 0, 8, 16]}
            for i, pick in enumerate(row["selected"])
        ]
    (folder / "stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = json.loads((folder / "environment.json").read_text())
    environment["dataset"]["size"] = [32, 40]
    environment["cost"] = {"clicks": "contours", "pool": {"images": 300, "pixels": 3e8, "clicks": 50000}}
    (folder / "environment.json").write_text(json.dumps(environment))


def test_regions_are_judged_by_clicks_and_by_pixels_and_drawn_on_their_images(tmp_path):
    regions(fake(tmp_path / "runs", "exp", "cereals", 0, [0.6, 0.7, 0.8]), [5000, 10000, 20000])
    regions(fake(tmp_path / "runs", "exp", "random", 0, [0.6, 0.65, 0.77]), [5000, 9000, 13000])
    regions(fake(tmp_path / "runs", "all", "random", 0, [0.8], step=300), [50000])
    found = find_runs([tmp_path / "runs"])
    (group,) = groups(found)
    head, rows, _ = budget_rows(group)
    assert head[3:5] == ["Clicks for 95 %", "Pixels for 95 %"]
    assert extra_axes(group) == ["cost.pixels", "cost.clicks"]
    # 0.76 lies at .6 of the way from 10,000 to 20,000 clicks of 50,000, and from 60 to 90 of 300 images' pixels.
    assert rows[0][1][2:4] == ["32.0 % of the pool", "26.0 % of the pool"]
    assert rows[1][1][2:4] == [f"{100 * (9000 + 4000 * 11 / 12) / 50000:.1f} % of the pool", "29.2 % of the pool"]
    seen = {}

    def images(run, ids):
        return {name: Image.new("RGB", (80, 64), (40, 40, 40)) for name in ids}

    page = report(found, tmp_path, images)
    assert "Regions count by their pixels" in page.words
    assert "a stand-in: nobody made these clicks" in page.words
    assert any("clicks (% of the pool)" in p["alt"] for p in page.pictures)
    for picture in page.pictures:
        if picture["alt"].startswith("same-0, 4 regions picked by cereals"):
            seen = picture
    with Image.open(io.BytesIO(base64.b64decode(seen["src"].split(",")[1]))) as drawn:
        colours = np.asarray(drawn.convert("RGB")).astype(int)
    yellow = (colours[..., 0] > 150) & (colours[..., 2] < 130)
    assert yellow.any()
    assert yellow[:, : int(colours.shape[1] * 16 / 40) + 2].sum() == yellow.sum()  # the boxes end at column 16 of 40


def test_runs_are_compared_only_where_they_may_be(tmp_path):
    fake(tmp_path, "one", "core", 0, [0.5, 0.6])
    fake(tmp_path, "two", "core", 0, [0.5, 0.6], **{"trainer.max_epochs": 9})
    fake(tmp_path, "two", "random", 0, [0.5, 0.6])
    fake(tmp_path, "three", "core", 0, [0.5, 0.6], **{"dataset.name": "glands"})
    fake(tmp_path, "four", "core", 0, [0.5, 0.6], **{"learner.name": "other"})
    found = {(g.dataset, g.learner): g for g in groups(find_runs([tmp_path]))}
    assert set(found) == {("polyps", "unet (resnet18)"), ("glands", "unet (resnet18)"), ("polyps", "other (resnet18)")}
    group = found["polyps", "unet (resnet18)"]
    assert [c.label for c in group.curves] == ["one / core", "two / core", "random"]
    assert differing(group) == {"trainer.max_epochs": {"5": ["one / core", "random"], "9": ["two / core"]}}
    page = report(find_runs([tmp_path]), tmp_path)
    assert "trainer.max_epochs differs: 5 (one / core, random); 9 (two / core)." in page.words
    assert page.tags.count("h2") == 3 + 1 + 1  # a group each, all together, versions


def test_penalty_matrix_says_which_stages_it_compares(tmp_path, runs):
    # random: .61, .69, .755; only the last is within a hundredth of it.
    assert "Checkpoints: 2 stages until random has 99 % of its end." in report(runs, tmp_path).words
    alone = [run for run in runs if run.strategy == "core"]
    for seed in (0, 1):
        fake(tmp_path / "more", "exp", "bvsb", seed, [0.61, 0.7, 0.7])
    assert "Checkpoints: 3 stages in all." in report(alone + find_runs([tmp_path / "more"]), tmp_path).words


def test_common_range_is_what_all_strategies_cover(tmp_path):
    fake(tmp_path, "exp", "a", 0, [0.1] * 5)
    fake(tmp_path, "exp", "b", 0, [0.1] * 3, step=40)
    fake(tmp_path, "exp", "just-begun", 0, [0.1], step=250, planned=3)
    (group,) = groups(find_runs([tmp_path]))
    assert common_range(group.curves) == (40.0, 120.0)


@pytest.mark.parametrize("factor", [1.005, 1.5])
def test_other_costs_are_drawn_only_where_they_differ(tmp_path, runs, factor):
    for file in (tmp_path / "runs/exp/random").glob("*/stages.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            row["cost"]["pixels"] *= factor
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = report(find_runs([tmp_path / "runs"]), tmp_path)
    assert ("mIoU against other costs" in page.words) == (factor > 1.01)
    drawn = [p["src"] for p in page.pictures if "pixels" in p["alt"]]
    assert len(drawn) == (factor > 1.01)
    assert not any("clicks" in p["alt"] or "share" in p["alt"] for p in page.pictures)
    if drawn:
        svg = base64.b64decode(drawn[0].split(",")[1]).decode()
        core, random = (svg_points(svg, colour)[:, 0] for colour in (COLOURS[0], BASELINE))
        assert np.ptp(random) / np.ptp(core) == pytest.approx(factor, abs=0.01)


def test_gallery_shows_twelve_of_each_stage(tmp_path, runs):
    asked = []

    def images(run, ids):
        asked.append((run.name, len(ids)))
        return {name: Image.new("RGB", (200, 160), (200, 30, len(name))) for name in ids}

    page = report(runs, tmp_path, images)
    photos = [p for p in page.pictures if p["src"].startswith("data:image/jpeg")]
    assert len(photos) == 2 * 2 * 12
    assert asked == [("exp/core/seed-0", 24), ("exp/random/seed-0", 24)]
    assert page.words.count("12 of 30 shown") == 4
    assert photos[0]["alt"] == photos[0]["title"] == "core-0-0, picked by k-center, score 0.25"
    assert photos[1]["alt"] == "core-0-1, picked by bvsb"
    picture = Image.open(io.BytesIO(base64.b64decode(photos[0]["src"].split(",")[1])))
    assert (picture.format, picture.size) == ("JPEG", (120, 96))
    np.testing.assert_allclose(np.asarray(picture).mean(axis=(0, 1)), (200, 30, 8), atol=6)


def missing(run, ids):
    raise FileNotFoundError("the data set has moved")


@pytest.mark.parametrize(
    ("images", "note"),
    [
        (None, "The pictures were not given"),
        (missing, "the data set has moved"),
        (lambda run, ids: {}, "The pictures were not found"),
        (lambda run, ids: {ids[0]: Image.new("L", (9, 9))}, "23 of 24 pictures were not found"),
    ],
)
def test_ids_stand_in_for_pictures_with_a_note(tmp_path, runs, images, note):
    page = report(runs, tmp_path, images)
    assert note in page.words
    assert "core-0-1" in page.words


@pytest.mark.parametrize("width", [50, 80, 200])
def test_terminal_table(runs, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_table(runs, console)
    text = console.file.getvalue()
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())
    core = next(line for line in text.splitlines() if line.startswith("core"))
    assert core.split()[:5] == ["core", "3", "61.0", "±", "1.0"]
    assert "75.5 ± 2.1 (2)" in text
    assert text.rstrip().endswith("have this stage") or width == 50


def test_terminal_table_of_depth_in_cm(tmp_path):
    fake(tmp_path, "exp", "[bold]core", 0, [0.91, 0.5], task="depth")
    console = Console(width=90, file=io.StringIO(), color_system=None)
    print_table(find_runs([tmp_path]), console)
    text = console.file.getvalue()
    assert re.search(r"\[bold\]core +1 +0\.910 +0\.500", text)
    assert "lower is better" in text


def test_runs_without_config_or_rows_are_named(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.5, 0.6])
    (folder / "config.yaml").unlink()
    (folder / "environment.json").unlink()
    page = report(find_runs([tmp_path]), tmp_path)
    assert "No config.yaml: exp/core/seed-0" in page.words
    fake(tmp_path / "more", "exp", "core", 1, [0.5, 0.6])
    empty = fake(tmp_path / "more", "exp", "core", 2, [0.5], planned=2)
    (empty / "stages.jsonl").write_text("")
    assert "exp/core/seed-2 (0 of 2 stages)" in report(find_runs([tmp_path / "more"]), tmp_path).words
