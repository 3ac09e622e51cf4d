"""Each loader on a tiny tree in the published layout, and on the real files where this machine has them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import (
    bdd_tree,
    camvid_tree,
    cityscapes_tree,
    clinicdb_tree,
    depth_tree,
    glas_tree,
    grey,
    half,
    isic_tree,
    save,
    write_tiff,
)
from PIL import Image

from al_lightning.config.options import options_of
from al_lightning.core.pool import LabelPool
from al_lightning.data.cache import Cache
from al_lightning.data.dataset import DataError, DenseDataset, read_rgb
from al_lightning.data.datasets.camvid import camvid
from al_lightning.data.datasets.cityscapes import bdd100k, cityscapes
from al_lightning.data.datasets.clinicdb import check_tiffs, clinicdb, cut_sequences, sequences_of
from al_lightning.data.datasets.depth import colonoscopy_depth
from al_lightning.data.datasets.folder import folder
from al_lightning.data.datasets.glas import decode_objects, glas
from al_lightning.data.datasets.isic import isic2017
from al_lightning.data.module import PoolDataModule
from al_lightning.data.splits import draw_groups, split_groups

LOADERS = {
    "clinicdb": clinicdb,
    "colonoscopy-depth": colonoscopy_depth,
    "glas": glas,
    "isic2017": isic2017,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "bdd100k": bdd100k,
    "folder": folder,
}
FINE = ("labelTrainIds", "labelIds", "instanceIds")
CITIES = {"aachen": ("train", 6), "bochum": ("train", 1), "ulm": ("train", 3), "lindau": ("val", 4)}


def parts(data: DenseDataset) -> tuple[list[str], list[str], list[str]]:
    """Ids of pool, validation and test, after a check that no row is in two of them and names are unique."""
    rows = np.concatenate([data.pool, data.validation, data.test])
    assert len(np.unique(rows)) == len(rows)
    assert len(set(data.ids)) == len(data.ids)
    pool, validation, test = ([data.ids[row] for row in part] for part in (data.pool, data.validation, data.test))
    return pool, validation, test


def targets(data: DenseDataset) -> list[np.ndarray]:
    return [data.read_target(row) for row in range(len(data.ids))]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clinicdb_tree(tmp_path_factory.mktemp("clinic") / "CVC-ClinicDB")


LAST_FRAMES = [25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317]
LAST_FRAMES += [342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612]


def sequence(frame: str) -> int:
    """The published table read from its other column: how many sequences have ended before this frame."""
    return sum(last < int(frame) for last in LAST_FRAMES)


@pytest.mark.parametrize("name", LOADERS)
def test_every_option_is_of_a_type_that_the_configuration_knows_and_is_documented(name):
    options = options_of("dataset", LOADERS, name, {})
    assert {"root", "size", "evaluate_at"} <= set(options)
    text = inspect.getdoc(LOADERS[name])
    assert [option for option in options if option not in text] == []


def test_groups_are_drawn_whole_near_the_wanted_number_and_some_are_left():
    rng = np.random.default_rng(3)
    groups = [f"g{i}" for i, n in enumerate(rng.integers(1, 9, 40)) for _ in range(n)]
    sizes = {g: groups.count(g) for g in groups}
    for count in (1, 7, 60, 10_000):
        drawn = draw_groups(groups, count, rng, "here", spare=2)
        taken = {g for g, d in zip(groups, drawn, strict=True) if d}
        assert drawn.sum() == sum(sizes[g] for g in taken)
        assert len(taken) <= len(sizes) - 2
        assert abs(drawn.sum() - count) <= 4 or count == 10_000
    pool, validation, test = split_groups(range(100), 10, 20, "here")
    assert sorted([*pool, *validation, *test]) == [*range(100)]
    assert (len(validation), len(test)) == (10, 20)
    assert not np.array_equal(test, split_groups(range(100), 10, 20, "here", stream=1)[2])
    with pytest.raises(DataError, match=r"here: 4 images in 2 groups .*at least 3"):
        split_groups(["a", "a", "b", "b"], 1, 1, "here")


def test_clinicdb_table_of_sequences():
    frames = [str(n) for n in range(1, 613)]
    numbers = sequences_of([Path(name) for name in frames], frames, "table")
    assert numbers == [sequence(name) + 1 for name in frames]


def test_clinicdb_paper_draws_frames_and_clean_draws_sequences(clinic):
    paper = clinicdb(str(clinic), 8, "paper")
    pool, validation, test = parts(paper)
    assert (len(pool), len(validation), len(test)) == (400, 100, 112)
    assert paper.ids[:3] == ("1", "2", "3")
    assert paper.ids[-1] == "612"
    assert paper.facts["test_frames_with_sequence_in_pool"] == sum(
        sequence(t) in {sequence(p) for p in pool} for t in test
    )
    assert paper.facts["test_frames_with_sequence_in_pool"] > 100
    assert [len(part) for part in parts(clinicdb(str(clinic), 8, "paper", "s2"))] == [495, 55, 62]
    for split, wanted in (("s1", (100, 112)), ("s2", (55, 62))):
        clean = clinicdb(str(clinic), 8, "clean", split)
        in_sequences = [{sequence(frame) for frame in part} for part in parts(clean)]
        assert sum(len(s) for s in in_sequences) == len(set.union(*in_sequences)) == 29
        # In the worst case half of the longest sequence more or fewer.
        assert abs(len(clean.validation) - wanted[0]) <= 13
        assert abs(len(clean.test) - wanted[1]) <= 13
        assert clean.facts["test_frames_with_sequence_in_pool"] == 0
    assert (clean.evaluate_at, paper.evaluate_at) == ("native", "resized")
    image, target = clean.read_image(4), clean.read_target(4)
    assert image[0, 0].tolist() == [5, 5, 5]
    assert np.array_equal(target, half(1))


def test_clinicdb_layouts_of_png_and_flat_folders_and_a_folder_in_a_folder(tmp_path):
    for layout, suffix in ((("PNG/Original", "PNG/Ground Truth"), "png"), (("images", "masks"), "PNG")):
        root = tmp_path / suffix
        for n in range(1, 90):
            save(root / "inner" / layout[0] / f"{n}.{suffix}", grey(n))
            save(root / "inner" / layout[1] / f"{n}.{suffix}", half())
        (root / "inner" / layout[0] / "._1.png").write_bytes(b"left by an archive of another system")
        data = clinicdb(str(root), 8, validation=20, test=20)
        assert sum(len(part) for part in parts(data)) == 89
        assert data.images[9].name == f"10.{suffix}"


def test_clinicdb_sequences_by_cuts_and_by_csv(tmp_path):
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (6, 8, 3), dtype=np.uint8) for _ in range(5)]
    shown = [0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4]
    for n, scene in enumerate(shown):
        moved = np.clip(scenes[scene].astype(int) + rng.integers(-5, 6, (6, 8, 3)), 0, 255).astype(np.uint8)
        save(tmp_path / "images" / f"frame{n:02d}.png", moved)
        save(tmp_path / "masks" / f"frame{n:02d}.png", half())
    assert cut_sequences(sorted((tmp_path / "images").iterdir())) == shown
    with pytest.raises(DataError, match=r"frame00\.png.*sequences=auto.*CSV"):
        clinicdb(str(tmp_path), 8)
    assert clinicdb(str(tmp_path), 8, "paper", validation=2, test=2).facts["sequences_from"] is None
    table = tmp_path / "metadata.csv"
    table.write_text("frame_id,sequence_id,x\n" + "".join(f"frame{n:02d}.png, {s},\n" for n, s in enumerate(shown)))
    for source in ("auto", str(table)):
        data = clinicdb(str(tmp_path), 8, sequences=source, validation=2, test=2)
        seen = [{shown[int(name[-2:])] for name in part} for part in parts(data)]
        assert sum(len(s) for s in seen) == len(set.union(*seen)) == 5
        assert data.facts["sequences"] == 5
    table.write_text("frame,sequence\nframe00,1\n")
    with pytest.raises(DataError, match="no sequence for frame 'frame01'"):
        clinicdb(str(tmp_path), 8, sequences=str(table))
    table.write_text("picture,video\nframe00,1\n")
    with pytest.raises(DataError, match=r"'picture', 'video'.*frame_id and sequence_id"):
        clinicdb(str(tmp_path), 8, sequences=str(table))
    with pytest.raises(FileNotFoundError, match="expected table, auto or the path of a CSV"):
        clinicdb(str(tmp_path), 8, sequences="atuo")


def test_clinicdb_reads_the_kinds_of_tiff_that_occur_and_refuses_those_that_pillow_misreads(tmp_path):
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
    files = [
        write_tiff(tmp_path / "planar.tif", colours, planar=True, deflate=False),
        write_tiff(tmp_path / "planar-deflate.tif", colours, planar=True, deflate=True),
        write_tiff(tmp_path / "strips.tif", colours, planar=False, deflate=False),
        *(
            save(tmp_path / f"{kind}.tif", colours, compression=kind)
            for kind in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate")
        ),
    ]
    check_tiffs(files)
    for file in files:
        assert np.array_equal(read_rgb(file), colours), file
    jpeg = save(tmp_path / "jpeg.tiff", np.full((16, 16, 3), 90, np.uint8), compression="jpeg")
    check_tiffs([jpeg])
    assert abs(read_rgb(jpeg).astype(int) - 90).max() <= 2
    deep = (colours.astype(np.uint16) << 8) + 7
    four = rng.integers(0, 256, (10, 12, 4), dtype=np.uint8)
    for name, values, planar in (("deep", deep, True), ("grey", deep[..., :1], False), ("four", four, True)):
        bad = write_tiff(tmp_path / f"{name}.tif", values, planar, deflate=False)
        with pytest.raises(DataError, match=rf"{name}\.tif.*8-bit PNG"):
            check_tiffs([bad])
    bad = write_tiff(tmp_path / "wide.tif", colours.astype(np.uint32), planar=False, deflate=False)
    with pytest.raises(DataError, match=r"wide\.tif.*cannot be read.*8-bit PNG"):
        check_tiffs([bad])


def test_clinicdb_masks_of_one_bit_are_read(tmp_path):
    for n in range(1, 90):
        save(tmp_path / "Original" / f"{n}.tif", grey(n))
        save(tmp_path / "Ground Truth" / f"{n}.tif", half().astype(bool), compression="group4")
    data = clinicdb(str(tmp_path), 8, validation=20, test=20)
    assert all(np.array_equal(target, half(1)) for target in targets(data))


def test_depth_keeps_paths_together_when_clean_and_shuffles_frames_for_paper(tmp_path):
    paths = {f"T1/T1_L{light}_{n}": 12 for light in (1, 2) for n in range(1, 6)} | {"T2": 30, "T3/a": 10, "T3/b": 10}
    root = depth_tree(tmp_path, paths)
    clean = colonoscopy_depth(str(root), 8)
    pool, validation, test = parts(clean)
    assert clean.facts["split_by"] == {"T1": "path", "T2": "block", "T3": "block"}
    of = [{name.rsplit("/", 1)[0] for name in part if name.startswith("T1")} for part in (pool, validation, test)]
    assert [len(s) for s in of] == [8, 1, 1]
    assert len(set.union(*of)) == 10
    assert "T1/T1_L1_1/0003" in clean.ids
    t2 = [[int(name[3:]) for name in part if name.startswith("T2")] for part in (pool, validation, test)]
    assert t2 == [[*range(24)], [24, 25, 26], [27, 28, 29]]
    t3 = [[name for name in part if name.startswith("T3")] for part in (pool, validation, test)]
    assert [len(part) for part in t3] == [16, 2, 2]
    assert t3[2] == ["T3/b/0008", "T3/b/0009"]
    assert clean.facts["test_frames_with_neighbour_in_pool"] == 0
    paper = colonoscopy_depth(str(root), 8, "paper")
    by_texture = [[sum(name.startswith(t) for name in part) for t in ("T1", "T2", "T3")] for part in parts(paper)]
    assert by_texture == [[96, 24, 16], [12, 3, 2], [12, 3, 2]]
    pooled = set(parts(paper)[0])
    near = sum(any(f"{name[:-4]}{int(name[-4:]) + step:04d}" in pooled for step in (-1, 1)) for name in parts(paper)[2])
    assert paper.facts["test_frames_with_neighbour_in_pool"] == near > 10
    # The two paths that share file names are matched with their own depth.
    row = clean.ids.index("T3/b/0005")
    assert clean.targets[row].parent == clean.images[row].parent


def test_depth_is_in_cm_and_can_be_inverted(tmp_path):
    root = depth_tree(tmp_path, dict.fromkeys(("T1", "T2", "T3"), 10))
    data = colonoscopy_depth(str(root), 8)
    assert (data.task.kind, data.task.maximum, data.task.channels) == ("depth", 20.0, 1)
    target = data.read_target(data.ids.index("T2/0005"))
    assert target.dtype == np.float32
    assert target[0, 0] == pytest.approx(5 / 255 * 20)
    assert target[0, -1] == pytest.approx(20.0)
    near = colonoscopy_depth(str(root), 8, maximum_cm=5.1, invert=True).read_target(data.ids.index("T2/0005"))
    assert near[0, 0] == pytest.approx(5.0)
    assert near[0, -1] == 0
    cache = Cache(data)
    cache.reveal_targets([0])
    assert cache.targets(np.array([0])).dtype == np.float32


def test_depth_files_with_the_path_in_their_names(tmp_path):
    for light in range(1, 5):
        for n in range(5):
            for kind in ("FrameBuffer", "Depth"):
                save(tmp_path / "T1" / f"C_T1_L{light}_5_resized_{kind}_{n:04d}.png", half(n))
    data = colonoscopy_depth(str(tmp_path), 8, textures=["T1"])
    assert data.facts["split_by"] == {"T1": "path"}
    assert "T1/C_T1_L3_5_resized/0004" in data.ids
    lights = [{name.split("_")[2] for name in part} for part in parts(data)]
    assert sorted(len(s) for s in lights) == [1, 1, 2]
    assert len(set.union(*lights)) == 4


def test_glas_objects_and_parts(tmp_path):
    root = glas_tree(tmp_path / "Warwick QU Dataset (Released 2016_07_08)", {"train": 20, "testA": 4, "testB": 3})
    both = glas(str(root), 8, validation=0.1)
    pool, validation, test = parts(both)
    assert (len(pool), len(validation), len(test)) == (18, 2, 7)
    assert both.ids[:2] + both.ids[-1:] == ("train_1", "train_2", "testB_3")
    assert both.task.parts == ("A", "B")
    assert "".join(both.part_of[row] for row in both.test.tolist()) == "AAAABBB"
    loader = PoolDataModule(both, LabelPool(both.pool, both.ids), batch_size=5).test_dataloader()
    assert [batch["parts"] for batch in loader] == [["A", "A", "A", "A", "B"], ["B", "B"]]
    assert glas(str(root), 8, part="A").task.parts == glas(str(root), 8, evaluate_at="resized").task.parts == ()
    assert parts(glas(str(root), 8, part="A"))[2] == [f"testA_{i}" for i in (1, 2, 3, 4)]
    assert parts(glas(str(root), 8, part="B"))[2] == [f"testB_{i}" for i in (1, 2, 3)]
    assert len(glas(str(root), 8).validation) == 1
    target = both.read_target(0)
    assert (target.dtype, np.unique(target).tolist(), int(target.sum())) == (np.uint8, [0, 1], 4 + 6)
    objects = decode_objects(both.target_file(0))
    assert (objects.dtype, np.unique(objects).tolist()) == (np.int32, [0, 1, 7])
    with pytest.raises(FileNotFoundError, match=r"Grade\.csv.*validation_by=image"):
        glas(str(root), 8, validation_by="patient")
    grade = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)\n"
    patients = {name: (int(name.split("_")[1]) - 1) % 5 for name in both.ids}
    (root / "Grade.csv").write_text(grade + "".join(f"{n}, {p}, benign, healthy\n" for n, p in patients.items()))
    by_patient = glas(str(root), 8, validation=0.2, validation_by="patient")
    pool, validation, test = parts(by_patient)
    assert len(validation) == 4
    assert not {patients[n] for n in pool} & {patients[n] for n in validation}
    assert by_patient.facts["validation_images_with_patient_in_pool"] == 0
    assert by_patient.facts["test_images_with_patient_in_pool"] == sum(
        patients[n] in {patients[m] for m in pool} for n in test
    )


def test_isic_official_split_and_that_of_gorriz(tmp_path):
    root = isic_tree(tmp_path, {"Training": 20, "Validation": 3, "Test_v2": 6})
    clean = isic2017(str(root))
    assert [len(part) for part in parts(clean)] == [20, 3, 6]
    assert clean.size == (192, 240)
    assert (clean.ids[0], clean.ids[-1]) == ("training/ISIC_0000000", "test/ISIC_0000028")
    assert all(np.array_equal(target, half(1)) for target in targets(clean))
    paper = isic2017(str(root), 16, "paper")
    pool, validation, test = parts(paper)
    assert (len(pool), len(validation), len(test)) == (16, 3, 4)
    assert all(name.startswith("training/") for name in pool + test)
    save(root / "ISIC-2017_Test_v2_Data" / "ISIC_0000003.jpg", grey(0))
    save(root / "ISIC-2017_Test_v2_Part1_GroundTruth" / "ISIC_0000003_segmentation.png", half())
    assert isic2017(str(root)).facts == {"test_names_in_pool": 1, "validation_names_in_pool": 0}


def test_camvid_void_lists_and_frames_near_the_held_out_ones(tmp_path):
    root = camvid_tree(tmp_path / "CamVid")
    save(root / "train" / "unlisted.png", grey(0))
    clean, paper = camvid(str(root)), camvid(str(root), protocol="paper")
    assert clean.size == (360, 480)
    assert [len(part) for part in parts(paper)] == [8, 2, 3]
    # Test starts at 8550 of 0001TP: of 8400 ... 8520 the frames from 8461 on are nearer than 90.
    assert parts(clean)[0] == [
        *(f"train/0001TP_{n:06d}" for n in (8400, 8430, 8460)),
        "train/0006R0_f00930",
        "train/0016E5_08190",
    ]
    assert (clean.facts["removed_from_pool"], paper.facts["pool_frames_near_held_out"]) == (3, 3)
    assert paper.facts["test_frames_with_sequence_in_pool"] == 2
    assert len(clean.task.classes) == clean.task.channels == 11
    for target in targets(clean):
        assert np.array_equal(target.ravel(), [255 if n % 12 == 11 else n % 12 for n in range(48)])
    (root / "train.txt").unlink()
    assert "train/unlisted" not in parts(paper)[0]
    with pytest.raises(DataError, match=r"unlisted\.png: no label image 'unlisted' in .*trainannot \(1 of 9"):
        camvid(str(root))
    (root / "train" / "unlisted.png").unlink()
    assert len(camvid(str(root), protocol="paper").pool) == 8
    (root / "test" / "0001TP_008550.png").unlink()
    with pytest.raises(DataError, match=r"0001TP_008550\.png: listed in test\.txt but not there \(1 of 6"):
        camvid(str(root))


@pytest.mark.parametrize("kinds", [FINE, FINE[1:]])
def test_cityscapes_train_ids_or_mapped_label_ids(tmp_path, kinds):
    root = cityscapes_tree(tmp_path, CITIES, kinds)
    data = cityscapes(str(root), validation=0.3)
    pool, validation, test = parts(data)
    assert len(test) == 4
    assert {name.split("_")[0] for name in test} == {"lindau"}
    cities = [{name.split("_")[0] for name in part} for part in (pool, validation)]
    assert not cities[0] & cities[1]
    assert len(pool) + len(validation) == 10
    assert data.ids[0] == "aachen_000000_000019"
    assert (data.size, len(data.task.classes)) == ((512, 1024), 19)
    target = data.read_target(0).ravel()
    if kinds == FINE:
        assert np.array_equal(target, [n if n < 19 else 255 for n in range(48)])
    else:
        # From the published table: name of each label id that counts.
        counted = {7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole"}
        counted |= {19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky"}
        counted |= {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train"}
        counted |= {32: "motorcycle", 33: "bicycle"}
        for label_id in range(34):
            value = target[label_id]
            assert counted.get(label_id) == (None if value == 255 else data.task.classes[value])


@pytest.mark.parametrize("old", [False, True])
def test_bdd100k_in_both_layouts(tmp_path, old):
    root = bdd_tree(tmp_path / "bdd100k", old, {"train": 20, "val": 5})
    data = bdd100k(str(root))
    pool, validation, test = parts(data)
    assert (len(pool), len(validation), len(test)) == (18, 2, 5)
    assert not {n.split("-")[0] for n in pool} & {n.split("-")[0] for n in validation}
    assert np.array_equal(data.read_target(0).ravel(), [n if n < 19 else 255 for n in range(48)])
    assert data.images[0].suffix == ".jpg"


TREES: dict[str, Any] = {
    "clinicdb": (lambda root: clinicdb_tree(root, 90), {"validation": 20, "test": 20}, "Original"),
    "colonoscopy-depth": (lambda root: depth_tree(root, {"T1": 12, "T2": 12, "T3": 12}), {}, "T2"),
    "glas": (lambda root: glas_tree(root, {"train": 5, "testA": 2, "testB": 2}), {}, ""),
    "isic2017": (
        lambda root: isic_tree(root, {"Training": 4, "Validation": 2, "Test_v2": 2}),
        {},
        "ISIC-2017_Validation_Data",
    ),
    "camvid": (camvid_tree, {}, "val"),
    "cityscapes": (lambda root: cityscapes_tree(root, CITIES, FINE[:1]), {}, "leftImg8bit/val"),
    "bdd100k": (lambda root: bdd_tree(root, False, {"train": 6, "val": 2}), {}, "images/10k/val"),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", TREES)
def test_what_is_missing_or_wrong_is_named_with_a_remedy(name, tmp_path):
    write, options, needed = TREES[name]
    load = LOADERS[name]
    with pytest.raises(FileNotFoundError) as info:
        load(str(tmp_path / "nowhere"))
    for text in (str(tmp_path / "nowhere"), "dataset.options.root", "dataset.name=synthetic", "http"):
        assert text in str(info.value)
    root = write(tmp_path / "set")
    data = load(str(root), **options)
    again = load(str(root), **options)
    assert all(np.array_equal(getattr(data, p), getattr(again, p)) for p in ("pool", "validation", "test"))

    # A target of another size is found when it is read.
    row = int(data.test[0])
    content = data.targets[row].read_bytes()
    save(data.targets[row], np.zeros((7, 8), dtype=np.uint8))
    with pytest.raises(DataError, match=r"the target is 8 x 7 pixels but its image .* is 8 x 6"):
        data.read_target(row)
    data.targets[row].write_bytes(content)

    # A target that is no image is named.
    data.targets[row].write_bytes(content[:20])
    with pytest.raises(DataError, match=data.targets[row].name.replace(".", r"\.")):
        data.read_target(row)

    # An image without target; clinicdb reads the headers of TIFFs.
    data.targets[row].unlink()
    with pytest.raises(DataError) as info:
        load(str(root), **options)
    stem = data.targets[row].stem
    assert stem in str(info.value) or data.images[row].name in str(info.value)
    assert "add" in str(info.value)
    data.targets[row].write_bytes(content)

    # An empty folder, and one that is not there.
    for image in (root / needed).rglob("*.*"):
        if image.is_file():
            image.unlink()
    for listing in root.glob("val.txt"):
        listing.unlink()
    with pytest.raises(DataError, match="holds no image") as info:
        load(str(root), **options)
    assert str(root / needed) in str(info.value)


def test_one_part_of_glas_that_is_missing_is_named(tmp_path):
    root = glas_tree(tmp_path, {"train": 5, "testA": 2})
    assert len(glas(str(root), part="A").test) == 2
    with pytest.raises(DataError, match="testB"):
        glas(str(root))


def test_too_few_groups_are_named(tmp_path):
    root = cityscapes_tree(tmp_path, {"ulm": ("train", 3), "lindau": ("val", 1)}, FINE)
    with pytest.raises(DataError, match=r"cityscapes, train: 3 images in 1 group .*at least 2"):
        cityscapes(str(root))
    with pytest.raises(DataError, match=r"validation=1\.5: expected a fraction"):
        cityscapes(str(root), validation=1.5)
    depth_tree(tmp_path / "depth", {"T1": 5})
    with pytest.raises(DataError, match=r"T1: 5 frames cannot be split 8 : 1 : 1; at least 6"):
        colonoscopy_depth(str(tmp_path / "depth"), textures=["T1"])
    clinicdb_tree(tmp_path / "clinic", 30)
    with pytest.raises(DataError, match="validation=100 and test=112 of 30 images"):
        clinicdb(str(tmp_path / "clinic"))


def test_class_numbers_out_of_range_are_named(tmp_path):
    root = bdd_tree(tmp_path, False, {"train": 4, "val": 2})
    data = bdd100k(str(root))
    save(data.targets[0], half(42))
    with pytest.raises(DataError, match=r"holds 42; expected class numbers 0 to 18, or 255"):
        data.read_target(0)
    save(data.targets[0], np.stack([half(1), half(2), half(3)], axis=2))
    with pytest.raises(DataError, match="holds colours"):
        data.read_target(0)
    # A grey mask that was saved in three channels is read, and so is one with a palette.
    save(data.targets[0], np.stack([half(18)] * 3, axis=2))
    assert np.array_equal(data.read_target(0), half(18))
    indexed = Image.fromarray(half(4))
    indexed.putpalette([0, 0, 0, 9, 9, 9, 5, 5, 5, 7, 7, 7, 200, 100, 50])
    indexed.save(data.targets[0])
    assert np.array_equal(data.read_target(0), half(4))


def test_real_glas(real_data):
    data = glas(str(real_data / "Warwick QU Dataset (Released 2016_07_08)"))
    assert [len(part) for part in parts(data)] == [81, 4, 80]
    for row in (0, 84, 85, 164):
        objects = decode_objects(data.target_file(row))
        assert np.array_equal(data.read_target(row), objects > 0)
        assert objects.max() > 1


def test_real_camvid(real_data):
    data = camvid(str(real_data / "CamVid"), protocol="paper")
    assert [len(part) for part in parts(data)] == [123, 34, 78]
    assert len(camvid(str(real_data / "CamVid")).pool) == 121
    seen = set(np.unique(np.concatenate([data.read_target(int(row)).ravel() for row in data.test[::4]])).tolist())
    assert seen == {*range(11), 255}


def test_real_depth(real_data):
    clean = colonoscopy_depth(str(real_data / "ColonoscopyDepth"))
    assert [len(part) for part in parts(clean)] == [320, 39, 42]
    assert clean.facts["test_frames_with_neighbour_in_pool"] == 0
    paper = colonoscopy_depth(str(real_data / "ColonoscopyDepth"), protocol="paper")
    assert [len(part) for part in parts(paper)] == [320, 39, 42]
    assert paper.facts["test_frames_with_neighbour_in_pool"] > 30
    with Image.open(clean.targets[7]) as image:
        grey_levels = np.asarray(image)
    assert np.allclose(clean.read_target(7), grey_levels / 255 * 20, atol=1e-5)
