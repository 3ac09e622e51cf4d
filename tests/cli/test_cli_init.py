"""`al-lightning init` on sets whose files are clear: it asks nothing and writes a YAML that runs."""

from __future__ import annotations

import csv
import shutil
import time

import numpy as np
import pytest
from dataset_trees import save
from init_sets import disc, init, names, picture, white, write

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.core.run_folder import RunFolder


def scaled(depth):
    """Depth in mm that falls to the right, as the picture's light does not."""
    return np.tile(np.linspace(20, 150, depth.shape[1]), (depth.shape[0], 1)).astype(np.uint16)


def patients(count: int) -> list[str]:
    return [f"patient{number // 4}/{name}" for number, name in enumerate(names(count))]


SETS = {
    "two folders": (lambda root: write(root, names(40)), {}, "masks: 8-bit grey, values 0 and 255"),
    "suffix": (
        lambda root: write(root, names(40), target="masks/{}_mask.png"),
        {},
        "masks paired by: images/<name> with masks/<name>_mask",
    ),
    "flat": (
        lambda root: write(root, names(40), "{}.png", "{}_mask.png"),
        {},
        "masks paired by: <name> with <name>_mask",
    ),
    "names that say nothing": (
        lambda root: write(root, names(40), "bilder/{}.png", "umrisse/{}.png"),
        {"images": "bilder", "targets": "umrisse"},
        "masks paired by: bilder/<name> with umrisse/<name>",
    ),
    "patients": (lambda root: write(root, patients(40)), {"groups": "folder"}, "images lie in 10 folders"),
    "patients in names": (
        lambda root: write(root, [f"case_{n // 4}_{name}" for n, name in enumerate(names(40))]),
        {"groups": "(case_\\d+)"},
        "names hold 10 patients or videos (case_0, case_1, case_2 and 7 more)",
    ),
    "objects": (
        lambda root: write(root, names(40), values=objects),
        {"threshold": 0},
        "threshold: 0: numbers count objects",
    ),
    "0 and another number": (
        lambda root: write(root, names(40), values=lambda mask, n: (mask * 7).astype(np.uint8)),
        {"foreground": [7]},
        "masks hold 0 and one other number",
    ),
    "classes": (
        lambda root: write(root, names(40), values=four),
        {"classes": ["background", "class 1", "class 2", "class 3"]},
        "numbers are 0 to 3 without a gap",
    ),
    "one colour": (
        lambda root: write(root, names(40), values=lambda mask, n: mask[..., None] * np.array([200, 0, 0], np.uint8)),
        {"colours": {"background": [0, 0, 0], "foreground": [200, 0, 0]}},
        "masks hold black and one colour",
    ),
    "depth in mm": (
        lambda root: write(root, names(40), target="depth/{}.png", values=lambda mask, n: scaled(mask)),
        {"task": "depth", "unit": "mm"},
        "depth: 16-bit, 2.0 to 15.0 cm",
    ),
    "depth in m": (
        lambda root: arrays(root),
        {"task": "depth", "unit": "m"},
        "unit: m: with no other unit",
    ),
    "splits": (
        lambda root: write(root, [f"{split}/{n}" for split in ("train", "val", "test") for n in names(12)]),
        {},
        "splits as the folders say: pool, test, validation",
    ),
}  # fmt: skip


def four(mask: np.ndarray, number: int) -> np.ndarray:
    return (mask * 1 + (np.arange(48) < 14) * 2).astype(np.uint8)


def objects(mask: np.ndarray, number: int) -> np.ndarray:
    found = np.zeros(mask.shape, np.uint8)
    for place in range(1 + number % 6):
        found[2:6, 6 * place + 1 : 6 * place + 5] = place + 1
    return found


def arrays(root):
    for number, name in enumerate(names(20)):
        save(root / "images" / f"{name}.png", picture(number))
        (root / "depth").mkdir(exist_ok=True)
        np.save(root / "depth" / f"{name}.npy", scaled(disc(number)).astype(np.float32) / 1000)
    return root


@pytest.mark.parametrize("name", SETS)
def test_what_is_clear_is_not_asked_and_the_yaml_can_be_prepared(name, tmp_path, capsys):
    make, options, line = SETS[name]
    config = init(make(tmp_path / "set"), tmp_path / "mine.yaml")
    out = " ".join(capsys.readouterr().out.split())
    assert line in out
    assert "next: al-lightning check" in out
    found = {key: value for key, value in config.dataset.options.items() if key not in ("root", "size")}
    assert found == options
    assert config.dataset.options["size"] == [32, 64]
    setup = experiment.prepare(experiment.complete(config))
    assert f"pool {len(setup.dataset.pool)}, validation" in out
    text = (tmp_path / "mine.yaml").read_text()
    assert max(len(line) for line in text.splitlines() if " " in line.strip() and "root: " not in line) <= 120
    assert f"# {line}" in " ".join(text.replace("\n#", "").split()) or line in text.replace("\n#  ", "")


def test_a_table_with_semicolons_is_read_by_its_columns(tmp_path, capsys):
    write(tmp_path / "set", names(40), "data/{}_a.png", "data/{}_b.png")
    lines = [["Bild", "File", "Mask", "Patient ID"]]
    lines += [[str(n), f"data\\{name}_a.png", f"data\\{name}_b.png", f"P{n // 4}"] for n, name in enumerate(names(40))]
    with (tmp_path / "set" / "liste.csv").open("w") as file:
        csv.writer(file, delimiter=";").writerows(lines)
    (tmp_path / "set" / "notes.csv").write_text("a,b\n1,2\n")
    config = init(tmp_path / "set", tmp_path / "mine.yaml")
    assert config.dataset.options["csv"] == "liste.csv"
    assert "group = 'Patient ID'" in capsys.readouterr().out
    assert len(set(experiment.setup.build_dataset(config).groups)) == 10


def test_a_table_that_cannot_be_read_is_told(tmp_path, capsys):
    root = write(tmp_path / "set", names(20))
    lines = "".join(f"images/{name}.png,masks/{name}.png,p{n // 4}\n" for n, name in enumerate([*names(20), "absent"]))
    (root / "list.csv").write_text(f"image,mask,patient\n{lines}")
    assert "csv" not in init(root, tmp_path / "mine.yaml").dataset.options
    assert (
        f"list.csv: not used: {root / 'list.csv'}, line 22: images/absent.png: no such file" in capsys.readouterr().out
    )
    shutil.rmtree(root / "masks")
    (tmp_path / "mine.yaml").unlink()
    assert main(["init", str(root), "-o", str(tmp_path / "mine.yaml")]) == 2
    assert "list.csv, line 2: masks/aax.png: no such file" in capsys.readouterr().err
    assert not (tmp_path / "mine.yaml").exists()


def test_masks_of_objects_are_united_and_those_of_several_people_are_not(tmp_path, capsys):
    root = tmp_path / "set"
    for number, name in enumerate(names(20)):
        save(root / "images" / f"{name}.png", picture(number))
        for part, half in enumerate((np.arange(48) < 16, np.arange(48) >= 16), 1):
            save(root / "masks" / f"{name}_{part}.png", white(disc(number) & half, number))
    assert init(root, tmp_path / "mine.yaml").dataset.options["several_masks"] == "union"
    for number, name in enumerate(names(20)):
        for part in (1, 2):
            save(root / "masks" / f"{name}_{part}.png", white(disc(number + part), number))
    capsys.readouterr()
    config = init(root, tmp_path / "other.yaml", code=2)
    assert "several_masks" not in config.dataset.options
    assert "dataset.options.several_masks is not decided" in capsys.readouterr().err


def test_a_set_that_is_partly_labelled_can_be_simulated_on_what_is(tmp_path, capsys):
    root = write(tmp_path / "set", names(60), bare=names(60)[::2])
    whole = write(tmp_path / "whole", names(60)[1::2])
    config = init(root, tmp_path / "mine.yaml", "--simulate")
    assert "30 images without, which a simulated run cannot use: mine.csv lists" in capsys.readouterr().out
    assert config.oracle.name == "simulated"
    dataset = experiment.setup.build_dataset(config)
    assert None not in dataset.targets
    # Splits depend on the groups' names, and stay where they are.
    same = experiment.setup.build_dataset(init(whole, tmp_path / "whole.yaml"))
    split_of = {name.rpartition("/")[2]: split for name, split in dataset.split_of().items()}
    assert split_of == same.split_of()


def test_people_are_asked_for_the_masks_that_are_not_there(tmp_path, capsys):
    root = write(tmp_path / "set", names(200), bare=names(200)[::2])
    config = init(root, tmp_path / "mine.yaml")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("  targets:"))
    setup = experiment.prepare(experiment.complete(config))
    data = setup.dataset
    open_ = [row for row in data.pool.tolist() if data.targets[row] is None]
    assert "100 of 200 images have a mask, so people will be asked for masks of others" in line
    assert f"({len(open_)} can be)" in line
    assert line.endswith(f"to use those 100 only, in a simulated run: al-lightning init {root} --simulate")
    assert config.oracle.name == "folder"
    assert (config.budget.test, config.budget.validation) == (None, None), "there are enough"
    assert config.budget.initial == len(data.pool) - len(open_), "what is there is labelled at first"
    assert config.budget.per_stage <= 50
    assert not (tmp_path / "mine.csv").exists()


def test_people_are_asked_for_a_test_set_where_too_few_have_masks(tmp_path):
    root = write(tmp_path / "set", names(200), bare=names(200)[12:])
    config = init(root, tmp_path / "mine.yaml")
    assert (config.budget.test, config.budget.validation) == (10, 5)
    assert config.budget.first == "typiclust"
    data = experiment.prepare(experiment.complete(config)).dataset
    before = experiment.setup.build_dataset(config)
    assert (len(data.test), len(data.validation)) == (10, 5)
    assert set(before.test) < set(data.test)
    assert set(data.pool) == set(before.pool), "those that are asked for were held out"
    text = (tmp_path / "mine.yaml").read_text()
    assert f"; {len(before.test)} have a mask" in text


def test_several_masks_of_an_image_are_no_list_but_people_can_be_asked(tmp_path, capsys):
    root = tmp_path / "set"
    for number, name in enumerate(names(60)):
        save(root / "images" / f"{name}.png", picture(number))
        for part, half in enumerate((np.arange(48) < 16, np.arange(48) >= 16), 1) if number % 2 else ():
            save(root / "masks" / f"{name}_{part}.png", white(disc(number) & half, number))
    assert init(root, tmp_path / "mine.yaml").oracle.name == "folder"
    assert "--simulate" not in (tmp_path / "mine.yaml").read_text()
    assert main(["init", str(root), "-o", str(tmp_path / "other.yaml"), "--simulate"]) == 2
    assert "--simulate: an image has several masks" in capsys.readouterr().err


def test_nobody_measures_depth_by_hand(tmp_path):
    root = write(
        tmp_path / "set", names(60), target="depth/{}.png", values=lambda mask, n: scaled(mask), bare=names(60)[::2]
    )
    config = init(root, tmp_path / "mine.yaml")
    assert config.oracle.name == "simulated"
    assert config.dataset.options.csv == str(tmp_path / "mine.csv")


def test_without_any_mask_nothing_can_be_simulated(tmp_path, capsys):
    root = write(tmp_path / "set", names(40), bare=names(40))
    assert main(["init", str(root), "-o", str(tmp_path / "mine.yaml"), "--simulate"]) == 2
    assert "--simulate: no image in" in capsys.readouterr().err


def test_near_duplicates_in_two_splits_are_told(tmp_path, capsys):
    root = write(tmp_path / "set", names(30))
    splits = experiment.setup.build_dataset(init(root, tmp_path / "mine.yaml")).split_of()
    assert "alike: no near-duplicates among 30 images" in capsys.readouterr().out
    test, pool = (next(name for name, split in splits.items() if split == wanted) for wanted in ("test", "pool"))
    shutil.copy(root / "images" / f"{test}.png", root / "images" / f"{pool}.png")
    init(root, tmp_path / "mine.yaml", "--force")
    assert f"1 in two splits ({min(test, pool)} = {max(test, pool)})" in capsys.readouterr().out


def test_what_it_writes_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my polyps", patients(40))
    assert main(["init", "my polyps"]) == 0
    assert "al-lightning run my-polyps.yaml" in capsys.readouterr().out
    small = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "budget.initial=4", "budget.stages=2"]
    small += ["learner.options.widths=[4,8]", "logging.wandb.mode=disabled", "trainer.enable_progress_bar=false"]
    assert main(["run", "my-polyps.yaml", *small]) == 0
    assert len(RunFolder(tmp_path / "runs" / "my-polyps" / "unc-ta-coreset" / "seed-0").rows()) == 2


def test_a_file_that_is_there_is_kept(tmp_path, capsys):
    root = write(tmp_path / "set", names(20))
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    assert main(["init", str(root), "-o", str(tmp_path / "mine.yaml")]) == 2
    assert "is there already; name another file with -o, or write over it with --force" in capsys.readouterr().err
    assert (tmp_path / "mine.yaml").read_text() == "name: mine\n"
    init(root, tmp_path / "mine.yaml", "--force")
    assert main(["init", str(root), "-o", str(tmp_path)]) == 2


@pytest.mark.bench
def test_a_thousand_images_take_less_than_five_seconds(tmp_path):
    root = write(tmp_path / "set", [f"{name}-{n}" for n in "abcdefgh" for name in names(125)])
    begun = time.perf_counter()
    init(root, tmp_path / "mine.yaml")
    assert time.perf_counter() - begun < 5


def test_images_that_a_run_refuses_are_told(tmp_path, capsys):
    root = write(tmp_path / "set", names(12))
    for name in names(12)[:5]:
        clear = np.dstack([picture(0), np.zeros((*picture(0).shape[:2], 1), np.uint8)])
        save(root / "images" / f"{name}.png", clear)
    init(root, tmp_path / "mine.yaml")
    out = capsys.readouterr().out
    assert "not read: 5 of 12 images looked at: " in out
    assert "of its pixels are transparent" in out


def test_masks_of_another_size_are_told(tmp_path, capsys):
    root = write(tmp_path / "set", names(12), values=lambda mask, number: (mask[::2, ::2] * 255).astype(np.uint8))
    init(root, tmp_path / "mine.yaml")
    assert "sizes: 12 of 12 targets looked at differ in size from their image, such as " in capsys.readouterr().out
