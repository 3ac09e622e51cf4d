"""Every experiment file says which paper it repeats, and what of it is ours."""

from __future__ import annotations

import pytest

from al_lightning.config import catalogue
from al_lightning.config.header import KEYS, PART, comment, read_header

FILES = sorted(catalogue.folder().rglob("*.yaml"))
PAPERS = ("et al. 2017", "et al. 2018", "et al. 2019", "et al. 2022", "et al. 2024", "Darrell 2019")
TEXT = """# A set with the budget of X et al. 2020.
# Paper: X et al. 2020, Table 2:
#   mIoU.
# Arms: random, mine,
#   ta-coreset.
# Follows: nothing: all
# Ours: the rest.
#
# A note with a colon: no part.
name: mine
# Ours: too late.
"""


def test_the_parts_of_a_header(tmp_path):
    (tmp_path / "mine.yaml").write_text(TEXT)
    header = read_header(tmp_path / "mine.yaml")
    assert header.title == "A set with the budget of X et al. 2020."
    assert header.paper == "X et al. 2020, Table 2: mIoU."
    assert header.arms == ("mine-random", "mine", "mine-ta-coreset")
    assert (header.follows, header.ours) == ("nothing: all", "the rest.")
    assert header.of_a_paper
    assert len(comment(tmp_path / "mine.yaml")) == 9


@pytest.mark.parametrize("text", ["name: a\n", "", "# Only a title\nname: a\n"])
def test_a_users_file_needs_none(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    header = read_header(tmp_path / "mine.yaml")
    assert (header.paper, header.arms, header.ours, header.of_a_paper) == ("", (), "", False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_says_paper_arms_what_follows_and_what_is_ours(path):
    header, lines = read_header(path), comment(path)
    assert [found[1] for line in lines if (found := PART.match(line))] == list(KEYS), "once each, in this order"
    assert all(text.endswith(".") for text in (header.paper, header.follows, header.ours))
    assert all(len(line) <= 118 for line in lines)
    assert set(header.arms) <= {experiment.name for experiment in catalogue.in_file(path)}
    named = any(paper in header.paper for paper in PAPERS)
    assert named or header.paper == "none."
    if header.of_a_paper:
        assert not header.paper.startswith("none")
        assert any(word in header.paper for word in ("mIoU", "RMSE", "Dice", "F1")), "which result"


def test_no_file_is_left_out_and_some_are_of_papers_and_some_are_not():
    assert set(catalogue.files()) <= set(FILES)
    assert len(FILES) - len(catalogue.files()) == 3
    of_a_paper = {path.stem for path in catalogue.files() if read_header(path).of_a_paper}
    assert {"camvid", "camvid-cereals", "kvasir-cereals", "demo"}.isdisjoint(of_a_paper)
    assert {"kvasir", "kvasir-pix2pix", "glas", "isic", "clinicdb-s2", "cityscapes-cereals"} <= of_a_paper
    assert "kvasir-information-density" not in read_header(catalogue.folder() / "kvasir.yaml").arms
