"""Where the annotators' polygons are."""

from __future__ import annotations

from al_lightning.data.datasets.cityscapes import polygon_file


def test_polygons_of_cityscapes_lie_beside_either_kind_of_label_image(tmp_path):
    expected = tmp_path / "ulm_000001_000019_gtFine_polygons.json"
    for kind in ("labelIds", "labelTrainIds"):
        assert polygon_file(tmp_path / f"ulm_000001_000019_gtFine_{kind}.png") == expected
