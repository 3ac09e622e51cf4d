"""The loader of CVC-ClinicDB: layouts, sequences and kinds of TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import clinicdb_tree, grey, half, read_targets, save, split_ids, write_tiff

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.clinicdb import check_tiffs, clinicdb, cut_sequences, sequences_of
from al_lightning.data.reading import read_rgb

LAST_FRAMES = [25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317]
LAST_FRAMES += [342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612]


def sequence(frame: str) -> int:
    """The published table read from its other column: how many sequences have ended before this frame."""
    return sum(last < int(frame) for last in LAST_FRAMES)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clinicdb_tree(tmp_path_factory.mktemp("clinic") / "CVC-ClinicDB")


def test_clinicdb_table_of_sequences():
    frames = [str(n) for n in range(1, 613)]
    numbers = sequences_of([Path(name) for name in frames], frames, "table")
    assert numbers == [sequence(name) + 1 for name in frames]


def test_clinicdb_paper_draws_frames_and_clean_draws_sequences(clinic):
    paper = clinicdb(str(clinic), 8, "paper")
    pool, validation, test = split_ids(paper)
    assert (len(pool), len(validation), len(test)) == (400, 100, 112)
    assert paper.ids[:3] == ("1", "2", "3")
    assert paper.ids[-1] == "612"
    assert paper.facts["test_frames_with_sequence_in_pool"] == sum(
        sequence(t) in {sequence(p) for p in pool} for t in test
    )
    assert paper.facts["test_frames_with_sequence_in_pool"] > 100
    assert [len(ids) for ids in split_ids(clinicdb(str(clinic), 8, "paper", "s2"))] == [495, 55, 62]
    for split, wanted in (("s1", (100, 112)), ("s2", (55, 62))):
        clean = clinicdb(str(clinic), 8, "clean", split)
        in_sequences = [{sequence(frame) for frame in ids} for ids in split_ids(clean)]
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
        assert sum(len(ids) for ids in split_ids(data)) == 89
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
        seen = [{shown[int(name[-2:])] for name in ids} for ids in split_ids(data)]
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
    with pytest.raises(DataError, match=r"wide\.tif: a TIFF of 3 samples of 32 bits.*8-bit PNG"):
        check_tiffs([bad])


def test_clinicdb_masks_of_one_bit_are_read(tmp_path):
    for n in range(1, 90):
        save(tmp_path / "Original" / f"{n}.tif", grey(n))
        save(tmp_path / "Ground Truth" / f"{n}.tif", half().astype(bool), compression="group4")
    data = clinicdb(str(tmp_path), 8, validation=20, test=20)
    assert all(np.array_equal(target, half(1)) for target in read_targets(data))


def test_too_few_frames_for_a_split_are_named(tmp_path):
    clinicdb_tree(tmp_path, 30)
    with pytest.raises(DataError, match="validation=100 and test=112 of 30 images"):
        clinicdb(str(tmp_path))


def test_two_masks_of_one_name_are_named(tmp_path):
    clinicdb_tree(tmp_path, 30)
    save(tmp_path / "Ground Truth" / "7.png", half())
    with pytest.raises(DataError, match=r"7\.(png|tif) has the same name but for its suffix; keep one"):
        clinicdb(str(tmp_path), validation=5, test=5)
