"""The parts of a page that need no run: figures, thumbnails and numbers."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from al_lightning.report.curves import Line, draw, styles
from al_lightning.report.gallery import sample, thumbnail
from al_lightning.report.quantities import METRICS
from al_lightning.report.tables import duration


def svg_points(svg, colour):
    """Vertices of the one line that is stroked in this colour and not filled."""
    space = "{http://www.w3.org/2000/svg}"
    for path in ElementTree.fromstring(svg).iter(f"{space}path"):
        style = path.get("style", "")
        if "fill: none" in style and f"stroke: {colour.lower()}" in style and path.get("clip-path"):
            return np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d")), dtype=float)
    raise AssertionError(f"no line in {colour}")


def test_a_sample_takes_sources_in_proportion_and_keeps_the_order():
    picks = [{"id": i, "source": "a" if i < 80 else "b"} for i in range(100)]
    some = sample(picks, 10)
    assert [p["source"] for p in some] == ["a"] * 8 + ["b"] * 2
    assert [p["id"] for p in some] == [0, 1, 2, 3, 4, 5, 6, 7, 80, 81]
    assert sample(picks[:5]) == picks[:5]


def test_a_very_wide_picture_is_cut_in_its_middle():
    wide = np.zeros((50, 400, 3), np.uint8)
    wide[:, 150:250] = 255
    uri = thumbnail(Image.fromarray(wide), 50)
    small = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
    assert small.shape == (50, 100, 3)
    assert small.mean() > 250


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
