"""The figure of one sample where it has no target, void or many classes; `test_datasets` draws one of each dataset."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_trees import folder_tree, grey, half

from al_lightning.core.task import Task
from al_lightning.data.datasets.folder import folder
from al_lightning.data.plot import class_colours, colour_classes, plot_sample


def test_an_image_without_target_has_a_note_in_its_place(tmp_path):
    data = folder(str(folder_tree(tmp_path, [str(i) for i in range(20)], ("3",))), size=8)
    figure = data.plot(data.ids.index("3"))
    left, right = figure.axes
    assert len(left.images) == 1
    assert len(right.images) == 0
    assert [text.get_text() for text in right.texts] == ["no target yet"]


@pytest.mark.parametrize("classes", [2, 3, 11, 19, 20, 21, 40])
def test_classes_and_void_have_colours_of_their_own(classes):
    colours = class_colours(classes)
    assert colours.shape == (classes + 1, 3)
    assert len(np.unique(colours.round(3), axis=0)) == classes + 1
    shown = colour_classes(np.array([[0, classes - 1, 255]]), classes)
    assert np.array_equal(shown[0], colours[[0, classes - 1, classes]])


def test_void_is_named_where_it_occurs_and_the_legend_fits_the_figure():
    names = tuple(f"class {i}" for i in range(30))
    for target, expected in ((half(255), [*names, "void"]), (half(7), [*names])):
        figure = plot_sample(grey(9), target, Task("segmentation", names), "title")
        figure.draw_without_rendering()
        legend = figure.axes[1].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == expected
        box = legend.get_window_extent()
        assert box.ymin >= 0
        assert box.xmax <= figure.bbox.xmax
