"""Figures and numbers, which need no run."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_pages import svg_points

from al_lightning.report.figures import Line, draw, styles, wrapped
from al_lightning.report.metrics import METRICS
from al_lightning.report.text import duration


def test_a_figure_draws_its_numbers():
    x, mean = np.array([180.0, 90, 400]), np.array([70.0, 61, 78])
    none = np.full(3, np.nan)
    look = styles(["core", "random"], "random")
    lines = [
        Line("core", look["core"], x, mean, mean - 1, mean + 1),
        Line("random", look["random"], x, mean - 5, none, none),
    ]
    svg = draw(lines, "Labelled images", "mIoU (%)", ("all labels", 80.0))
    assert svg == draw(lines, "Labelled images", "mIoU (%)", ("all labels", 80.0))
    assert "<text" not in svg
    points = svg_points(svg, look["core"].colour)
    order = np.argsort(x)
    for axis, data, sign in ((0, x[order], 1), (1, mean[order], -1)):  # SVG's y points down
        assert np.corrcoef(points[:, axis], data)[0, 1] == pytest.approx(sign, abs=1e-6)
    below = svg_points(svg, look["random"].colour)
    assert (below[:, 1] > points[:, 1]).all()
    bands = svg.count("fill-opacity: 0.15")
    assert draw(lines[:1], "x", "y").count("fill-opacity: 0.15") == bands > 0
    assert "fill-opacity: 0.15" not in draw(lines[1:], "x", "y").split("<defs>")[0]


def test_twenty_strategies_look_different():
    look = styles([*map(str, range(20)), "random"], "random")
    assert len({(s.colour, s.dash, s.marker) for s in look.values()}) == 21


def test_numbers_as_text():
    assert METRICS["miou"].text(0.7234) == "72.3"
    assert METRICS["miou"].text(-0.0001, signed=True) == "0.0"
    assert METRICS["rmse_cm"].text(-0.0123, signed=True) == "−0.012"
    assert METRICS["rmse_cm"].text(float("nan")) == "–"
    assert [duration(s).replace("\u00a0", " ") for s in (0.25, 9.94, 59.6, 200, 7500)] == [
        "0.25 s", "9.9 s", "1 min 0 s", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip


def test_labels_are_never_read_as_mathematics():
    x = np.array([1.0, 2.0])
    look = styles([r"$\frac{$", "_hidden"])
    lines = [Line(label, style, x, x, x, x) for label, style in look.items()]
    one, both = draw(lines[:1], "$x", "y$"), draw(lines, "$x", "y$")
    # A legend entry has a glyph a letter: the label that begins with an underscore is drawn too.
    assert both.count("<use") - one.count("<use") >= len("_hidden")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn."""
    figures = []
    save = Figure.savefig

    def keep(figure, *args, **options):
        save(figure, *args, **options)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.mark.parametrize(("low", "high"), [(10, 16), (3, 5), (30, 30), (1, 2), (90, 1310)])
def test_ticks_of_a_number_of_images_are_whole(drawn, low, high):
    x, y = np.array([low, high], dtype=float), np.array([60.0, 70.0])
    draw([Line("core", styles(["core"])["core"], x, y, y, y)], "Labelled images", "mIoU (%)", whole_x=True)
    (axes,) = drawn[0].axes
    shown = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert shown
    assert all(tick == round(tick) for tick in shown)


@pytest.mark.parametrize("width", [4.4, 5.0])
def test_a_long_label_breaks_between_options_and_stays_inside_the_figure(drawn, width):
    label = "package.module.Name,gamma=0.35,neighbours=12"
    assert wrapped(label, 60) == label
    assert wrapped(label, 20).split("\n") == ["package.module.Name,", "gamma=0.35,", "neighbours=12"]
    x = np.array([1.0, 2.0])
    look = styles([label, f"{label},{label}", "random"])
    draw([Line(name, style, x, x, x, x) for name, style in look.items()], "x", "y", size=(width, 3.5))
    (legend,) = drawn[0].legends
    assert len(legend.get_texts()) == 3
    assert legend.get_window_extent().x1 <= drawn[0].bbox.x1
