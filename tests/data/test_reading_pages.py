"""Files of several pages are refused, or read at the page that an option names."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from dataset_trees import folder_tree, grey, half, save
from PIL import Image

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.folder import folder
from al_lightning.data.images import ImageReading
from al_lightning.data.reading import binary_mask, read_rgb


def several(path, number=2, **options):
    pages = [Image.fromarray(grey(60 * i)) for i in range(1, number + 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.gif", "a.webp", "a.png"])
def test_several_pages_are_refused_or_chosen(tmp_path, name):
    path = several(tmp_path / name, 3)
    for read in (read_rgb, binary_mask):
        with pytest.raises(DataError, match=rf"{name}: holds 3 pages, .*dataset\.options: \{{page: 1\}} is the first"):
            read(path)
    for page in (1, 2, 3):
        assert abs(int(ImageReading(page).decode(path)[0, 0, 0]) - 60 * page) <= 3
    with pytest.raises(DataError, match=r"holds 3 pages; page=4 is not there"):
        ImageReading(4).decode(path)
    with pytest.raises(DataError, match=r"holds 1 page; page=2 is not there"):
        ImageReading(2).decode(save(tmp_path / "one.png", grey(1)))


def test_a_page_in_a_folder_counts_for_images_and_for_masks_of_several_pages(tmp_path):
    root = folder_tree(tmp_path, [str(i) for i in range(10)])
    for i in range(10):
        (root / "images" / f"{i}.JPG").unlink()
        several(root / "images" / f"{i}.tif")
    with pytest.raises(DataError, match=r"0\.tif: holds 2 pages"):
        folder(str(root), size=8)
    data = folder(str(root), size=8, page=2)
    assert (data.read_image(3) == 120).all()
    assert data.facts["images"] == {"page": 2}
    assert data.native_size(3) == (6, 8)
    for path in (root / "masks").iterdir():
        pages = [Image.fromarray(half(value)) for value in (0, 255)]
        pages[0].save(path.with_suffix(".tif"), save_all=True, append_images=pages[1:])
        path.unlink()
    data = folder(str(root), size=8, page=2)
    assert np.array_equal(data.read_target(3), half(1))
    with pytest.raises(DataError, match="page=0: pages are counted from 1"):
        folder(str(root), size=8, page=0)


def test_smaller_copies_and_previews_make_no_second_page(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(values[::2, ::2], photometric="rgb", subfiletype=1)
        file.write(values, photometric="rgb")
    assert np.array_equal(read_rgb(tmp_path / "pyramid.tif"), values)
    preview = Image.fromarray(np.full((8, 8, 3), 9, np.uint8))
    Image.fromarray(np.full((16, 16, 3), 200, np.uint8)).save(
        tmp_path / "camera.jpg", format="MPO", save_all=True, append_images=[preview]
    )
    assert read_rgb(tmp_path / "camera.jpg").min() > 190
    stack = np.stack([values[..., 0]] * 4)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True)
    with pytest.raises(DataError, match="holds 4 pages"):
        read_rgb(tmp_path / "stack.tif")
