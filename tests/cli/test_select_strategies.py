"""`select` by every strategy that needs no training: scores, caps of groups, ids beside the features, the CSV."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from al_lightning.cli import main
from al_lightning.cli.bars import bar
from al_lightning.experiment.select import select_query, select_rows
from al_lightning.strategies.density import density
from al_lightning.strategies.typiclust import typical

COUNT = 60
RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((COUNT, 5)).astype(np.float32)
SCORES = RNG.random(COUNT)
IDS = [f"patient {row % 8}/frame-{row}" for row in range(COUNT)]
GROUPS = [name.split("/")[0] for name in IDS]
STRATEGIES = ("k-center", "typiclust", "clustering", "density", "mixture", "random")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("f.npy", FEATURES)
    Path("f.ids.txt").write_text("".join(f"{name}\n" for name in IDS))
    Path("labelled.txt").write_text(f"{IDS[3]}\n{IDS[11]}\n")
    Path("scores.txt").write_text("".join(f"{score!r}\n" for score in SCORES.tolist()))
    np.save("scores.npy", SCORES)
    Path("groups.txt").write_text("".join(f"{name}\n" for name in GROUPS))
    lines = [f"{name},{group}\n" for name, group in zip(IDS, GROUPS, strict=True)]
    Path("groups.csv").write_text("id,patient\n" + "".join(reversed(lines)))
    return tmp_path


def picks(path: Path | str = "picks.csv") -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_writes_its_picks(files: Path, strategy: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["select", "--features", "f.npy", "--labelled", "labelled.txt", "--budget", "9", "--strategy", strategy]
    scored = ["--scores", "scores.txt"] if strategy in ("density", "mixture", "clustering") else []
    assert main([*words, *scored, "--groups", "groups.csv", "--cap", "2", "-o", "picks.csv"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "9 of 60 rows chosen: picks.csv" in said.err
    found = picks()
    assert [int(line["rank"]) for line in found] == list(range(1, 10))
    assert all(line["id"] == IDS[int(line["row"])] and line["group"] == GROUPS[int(line["row"])] for line in found)
    assert max(np.unique([line["group"] for line in found], return_counts=True)[1]) <= 2
    assert not {IDS[3], IDS[11]} & {line["id"] for line in found}
    for line in found:
        if line["source"] == "score":
            assert float(line["score"]) == SCORES[int(line["row"])]
    # the ids on standard output are the same, and the CSV is read back as what is labelled
    assert main([*words, *scored, "--groups", "groups.txt", "--cap", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [line["id"] for line in found]
    assert main(["select", "--features", "f.npy", "--labelled", "picks.csv", "--budget", "51"]) == 0
    assert not set(capsys.readouterr().out.splitlines()) & {line["id"] for line in found}


def test_distance_and_rank_are_those_of_k_center(files: Path) -> None:
    assert main(["select", "--features", "f.npy", "--budget", "4", "-o", "picks.csv"]) == 0
    found = picks()
    assert found[0]["score"] == ""  # nothing is labelled: the first pick has no distance
    chosen = [int(line["row"]) for line in found]
    for rank in range(1, 4):
        distances = np.linalg.norm(FEATURES[chosen[:rank]] - FEATURES[chosen[rank]], axis=1)
        assert float(found[rank]["score"]) == pytest.approx(distances.min(), rel=1e-5)


def test_density_and_mixture_by_their_definitions() -> None:
    left = np.setdiff1d(np.arange(COUNT), [5])
    weighted = SCORES[left] * density(FEATURES[left]) ** 2
    expected = left[np.argsort(-weighted)][:6].tolist()
    assert select_rows(FEATURES, [5], 6, "density", scores=SCORES, beta=2.0).tolist() == expected
    query = select_query(FEATURES, [5], 8, "mixture", scores=SCORES, gamma=0.25)
    assert query.source[:2] == ("score", "score")
    assert set(query.rows[:2].tolist()) == set(left[np.argsort(-SCORES[left])][:2].tolist())
    assert set(query.source[2:]) == {"k-center"}
    assert select_rows(FEATURES, [5], 8, "mixture", scores=SCORES, gamma=0.0).tolist() == (
        select_rows(FEATURES, [5], 8).tolist()
    )


def test_clusters_are_found_without_scores() -> None:
    centres = np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]])
    features = np.concatenate(
        [centre + np.random.default_rng(k).normal(0, 1, (25, 2)) for k, centre in enumerate(centres)]
    )
    rows = select_rows(features, [], 4, "clustering")
    assert sorted(rows // 25) == [0, 1, 2, 3]
    for row in rows.tolist():
        own = features[25 * (row // 25) : 25 * (row // 25) + 25]
        assert row % 25 == np.linalg.norm(own - own.mean(axis=0), axis=1).argmin()
    typiclust = select_rows(features, [], 4, "typiclust")
    expected, _ = typical(features, np.repeat(np.arange(4), 25), np.zeros(100, bool), 4)
    assert sorted(typiclust.tolist()) == sorted(expected.tolist())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_half_and_double_precision(files: Path, strategy: str, kind: type) -> None:
    scores = SCORES if strategy in ("density", "mixture") else None
    rounded = FEATURES.astype(np.float16)  # exact in all three types
    np.save("g.npy", rounded.astype(kind))
    mapped = np.load("g.npy", mmap_mode="r")
    expected = select_rows(rounded.astype(np.float32), [1], 9, strategy, scores=scores)
    assert select_rows(mapped, [1], 9, strategy, scores=scores).tolist() == expected.tolist()


def test_labelled_rows_count_towards_the_cap_only_if_asked() -> None:
    groups = ["a"] * 10 + ["b"] * 10 + [""] * 40
    features = np.concatenate([FEATURES[:20] * 1000, FEATURES[20:]])
    chosen = select_rows(features, [0, 1], 6, groups=groups, cap=2)
    assert sum(row < 10 for row in chosen) == 2
    counted = select_rows(features, [0, 1], 6, groups=groups, cap=2, count_labelled=True)
    assert sum(row < 10 for row in counted) == 0
    assert sum(10 <= row < 20 for row in counted) == 2
    assert sum(row >= 20 for row in counted) == 4, "rows without a group are not limited"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"strategy": "mixture"}, "strategy='mixture': needs scores"),
        ({"scores": SCORES}, "scores: strategy='k-center' does not read them"),
        ({"strategy": "mixture", "scores": SCORES[1:]}, r"scores: has shape \(59,\)"),
        ({"strategy": "mixture", "scores": np.full(COUNT, np.nan)}, "scores: 59 of unlabelled rows are NaN"),
        ({"strategy": "density", "scores": -SCORES}, "scores: row .* strategy='density' multiplies"),
        ({"strategy": "mixture", "scores": SCORES, "gamma": 2.0}, "gamma=2.0"),
        ({"strategy": "density", "scores": SCORES, "beta": -1.0}, "beta=-1.0"),
        ({"groups": GROUPS}, "groups and cap belong together"),
        ({"cap": 2}, "groups and cap belong together"),
        ({"groups": GROUPS[1:], "cap": 2}, "groups: 59 of them; expected 60"),
        ({"groups": GROUPS, "cap": 0}, "cap=0: expected at least 1"),
        ({"groups": GROUPS, "cap": 1, "per_stage": 9}, "per_stage=9: expected between 1 and the 8 rows that cap=1"),
        ({"count_labelled": True}, "count_labelled: counts towards a cap"),
        ({"features": np.full((COUNT, 5), np.nan), "strategy": "typiclust"}, "features: 60 of 60 vectors hold NaN"),
    ],
)
def test_wrong_arguments_are_named(change, match) -> None:
    given = {"features": FEATURES, "labelled": [0], "per_stage": 1} | change
    with pytest.raises(ValueError, match=match):
        select_rows(**given)


@pytest.mark.parametrize(
    ("words", "text", "match"),
    [
        (["--scores", "x.txt", "--strategy", "mixture"], "1\n2\n", "--scores x.txt: has 2 lines; expected 60"),
        (["--scores", "x.csv", "--strategy", "mixture"], "id,value,other\na,1,2\n", "--scores x.csv: has the columns"),
        (["--scores", "x.csv", "--strategy", "mixture"], "id,score\na,1\n", "--scores x.csv: names none of the ids"),
        (
            ["--scores", "x.csv", "--strategy", "mixture"],
            "id,score\na\n",
            "--scores x.csv, line 2: 1 cells; expected 2",
        ),
        (["--scores", "x.txt", "--strategy", "mixture"], "1\n" * 59 + "many\n", "'many' of row 59 is no number"),
        (["--scores", "f.npy", "--strategy", "mixture"], "", "--scores f.npy: holds float32 of shape (60, 5)"),
        (["--groups", "none.txt", "--cap", "1"], "", "--groups none.txt: no such file"),
        (["--groups", "groups.txt"], "", "--groups FILE and --cap N belong together"),
        (["--cap", "3"], "", "--groups FILE and --cap N belong together"),
        (["--labelled", "x.csv"], "a,b\n1,2\n", "--labelled x.csv: has the columns a, b"),
        (["--labelled", "x.txt"], "nobody\n", "'nobody' is not an id of the features or a row number"),
    ],
)
def test_mistakes_are_one_line(files: Path, capsys: pytest.CaptureFixture[str], words, text, match) -> None:
    Path(next((word for word in words if word.startswith("x.")), "unused")).write_text(text)
    assert main(["select", "--features", "f.npy", "--budget", "2", *words]) == 2
    err = capsys.readouterr().err
    assert match in err
    assert err.count("\n") == 1


def test_ids_that_do_not_fit_the_features(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.ids.txt").write_text("a\nb\n")
    assert main(["select", "--features", "f.npy", "--budget", "2"]) == 2
    assert "f.npy: 60 rows with 2 different ids" in capsys.readouterr().err


def test_lines_of_progress_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("images", 200, every=0) as tell:
        tell("images", 0.25)
        tell("images", 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("images: 25 %")
    assert lines[0].endswith(" s left")
    assert "images/s" in lines[1]
    assert lines[1].startswith("images: 100 %")


PEAK = """
import resource, sys
import numpy as np
from al_lightning.experiment.select import select_rows
from al_lightning.neighbors import search

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

select_rows(np.zeros((50, 4)) + np.arange(50)[:, None], [0], 3)
before = peak()
select_rows(np.load(sys.argv[1], mmap_mode="r"), [0], 3)
print(peak() - before, search.MEMORY / 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_features_are_not_copied(tmp_path: Path) -> None:
    features = np.zeros((12_000, 4096), np.float16)
    features[:] = np.random.default_rng(0).integers(0, 50, 4096)
    features[:, 0] = np.arange(12_000) % 100
    np.save(tmp_path / "f.npy", features)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "f.npy")]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    more, kept = map(float, answer.split())
    file, copy = features.nbytes / 2**20, 2 * features.nbytes / 2**20
    assert copy > kept, "the features are meant to be too large to be kept"
    assert more < file + 130 < file + copy  # pages of the file and a few blocks; a float32 copy would take 188 MiB
