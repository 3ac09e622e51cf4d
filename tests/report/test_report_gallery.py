"""What was picked: pictures, ids in their place, and regions on their images."""

import numpy as np
import pytest
from PIL import Image
from report_pages import opened, report
from report_runs import as_regions, edit, fake, one_group, scored

from al_lightning.report import find_runs
from al_lightning.report.budgets import budget_table
from al_lightning.report.compare import extra_axes
from al_lightning.report.picks import by_image, describe, region_kind, sample
from al_lightning.report.pictures import thumbnail


def test_gallery_shows_twelve_of_each_stage(tmp_path):
    asked = []

    def images(run, ids):
        asked.append((run.name, len(ids)))
        return {name: Image.new("RGB", (200, 160), (200, 30, len(name))) for name in ids}

    page = report(scored(tmp_path / "runs"), tmp_path, images)
    photos = [p for p in page.pictures if p["src"].startswith("data:image/jpeg")]
    assert len(photos) == 2 * 2 * 12
    assert asked == [("exp/core/seed-0", 24), ("exp/random/seed-0", 24)]
    assert page.words.count("12 of 30 shown") == 4
    assert photos[0]["alt"] == photos[0]["title"] == "core-0-0, picked by k-center, score 0.25"
    assert photos[1]["alt"] == "core-0-1, picked by bvsb"
    picture = opened(photos[0])
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
        (lambda run, ids: {ids[0]: Image.new("L", (9, 9))}, "23 pictures of 24 not found: ids are shown"),
    ],
)
def test_ids_stand_in_for_pictures_with_a_note(tmp_path, images, note):
    page = report(scored(tmp_path / "runs"), tmp_path, images)
    assert note in page.words
    assert "core-0-1" in page.words


def grey(run, ids):
    return {name: Image.new("RGB", (80, 64), (40, 40, 40)) for name in ids}


def yellow(picture):
    """(H, W) where the outlines of boxes are drawn."""
    colours = np.asarray(opened(picture).convert("RGB")).astype(int)
    return (colours[..., 0] > 150) & (colours[..., 2] < 130)


def test_regions_are_judged_by_clicks_and_by_pixels_and_drawn_on_their_images(tmp_path):
    as_regions(fake(tmp_path / "runs", "exp", "cereals", 0, [0.6, 0.7, 0.8]), [5000, 10000, 20000])
    as_regions(fake(tmp_path / "runs", "exp", "random", 0, [0.6, 0.65, 0.77]), [5000, 9000, 13000])
    as_regions(fake(tmp_path / "runs", "all", "random", 0, [0.8], step=300), [50000])
    found = find_runs([tmp_path / "runs"])
    group = one_group(tmp_path / "runs")
    head, rows, _ = budget_table(group)
    assert head[3:5] == ["Clicks for 95 %", "Pixels for 95 %"]
    assert extra_axes(group) == ["cost.pixels", "cost.clicks"]
    # 0.76 lies at .6 of the way from 10,000 to 20,000 clicks of 50,000, and from 60 to 90 of 300 images' pixels.
    assert rows[0][1][2:4] == ["32.0 % of the pool", "26.0 % of the pool"]
    assert rows[1][1][2:4] == [f"{100 * (9000 + 4000 * 11 / 12) / 50000:.1f} % of the pool", "29.2 % of the pool"]
    page = report(found, tmp_path, grey)
    assert "Regions count by their pixels" in page.words
    assert "an estimate: no annotator made these clicks" in page.words
    assert any("clicks (% of the pool)" in p["alt"] for p in page.pictures)
    outlines = yellow(next(p for p in page.pictures if p["alt"].startswith("same-0, 4 regions picked by cereals")))
    assert outlines.any()
    assert not outlines[:, int(outlines.shape[1] * 16 / 40) + 2 :].any()  # the boxes end at column 16 of 40


def test_regions_of_an_unknown_kind_are_whole_images_with_their_kind(tmp_path):
    as_regions(fake(tmp_path, "exp", "core", 0, [0.6, 0.7]), [5000, 9000], kind="segment")
    assert one_group(tmp_path).regions
    page = report(find_runs([tmp_path]), tmp_path, grey)
    photos = [p for p in page.pictures if p["src"].startswith("data:image/jpeg")]
    assert photos[0]["alt"] == "same-0, 4 regions (segment) picked by cereals, score 0.25"
    assert not any(yellow(photo).any() for photo in photos)
    assert "Regions count by their pixels" in page.words


def test_boxes_are_not_drawn_where_their_scale_is_not_known(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.6, 0.7])
    edit(folder, lambda row: row.update(selected=[{"id": "a", "source": "x", "score": None, "box": [0, 0, 8, 8]}]))
    photos = [p for p in report(find_runs([tmp_path]), tmp_path, grey).pictures if "a, 1 region" in p["alt"]]
    assert photos
    assert not any(yellow(photo).any() for photo in photos)


def test_a_pick_is_a_region_if_it_says_more_than_a_pick_of_an_image_does():
    image = {"id": "a", "source": "x", "score": None}
    assert region_kind(image) is None
    assert region_kind(image | {"box": None}) is None
    assert region_kind(image | {"segment": 0}) == "segment"
    mixed = [image | {"box": [0, 0, 1, 1]}, image | {"segment": 0}, image, image | {"box": [1, 0, 1, 1]}]
    found = by_image(mixed)
    assert [(pick.get("kind"), len(pick.get("regions", []))) for pick in found] == [
        ("box", 2),
        ("segment", 1),
        (None, 0),
    ]
    assert describe(found[0]) == "a, 2 regions picked by x"
    assert describe(found[1]) == "a, 1 region (segment) picked by x"


def test_a_sample_takes_sources_in_proportion_and_keeps_the_order():
    picks = [{"id": i, "source": "a" if i < 80 else "b"} for i in range(100)]
    some = sample(picks, 10)
    assert [p["source"] for p in some] == ["a"] * 8 + ["b"] * 2
    assert [p["id"] for p in some] == [0, 1, 2, 3, 4, 5, 6, 7, 80, 81]
    assert sample(picks[:5], 12) == picks[:5]


def test_a_very_wide_picture_is_cut_in_its_middle():
    wide = np.zeros((50, 400, 3), np.uint8)
    wide[:, 150:250] = 255
    uri = thumbnail(Image.fromarray(wide), 50)
    small = np.asarray(opened({"src": uri}))
    assert small.shape == (50, 100, 3)
    assert small.mean() > 250
