"""Names of every kind in CSVs of every dialect and in folders of every layout: each image gets the mask that was meant,
or a one-line error.

`AL_LIGHTNING_FUZZ=5000 pytest -m fuzz` tries that many; the suite tries a few, always the same.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from al_lightning.data.dataset import DataError
from al_lightning.data.own.folder_listing import read_folders
from al_lightning.data.own.listing import Listing
from al_lightning.data.own.pairing import IMAGE_AFFIXES, TARGET_AFFIXES
from al_lightning.data.own.table_listing import MEANINGS, OF_TASK, read_csv

SUFFIXES = (".png", ".PNG", ".jpg", ".JPEG", ".tif", ".bmp")
TOKENS = (
    *("1", "2", "3", "10", "01", "007", "a", "A", "b", "case", "p1", "frame", "img", "mask", "image", "gt", "label"),
    *("_", "-", ".", " ", "(1)", "é", "e\u0301", "Ü", "日本", "#", "&", "'", "%20", "+", "=", "@", "~", "$x", "[0]"),
)
AWKWARD = (*TOKENS, ",", ";", "|", "\t", '"', '""', "sep=", "#N/A")
"""In a CSV also what stands between cells and around them."""


def names(tokens: tuple[str, ...], most: int = 4) -> st.SearchStrategy[str]:
    """File names without suffix: no white space at the ends, which no table keeps, and nothing that is litter."""
    joined = st.lists(st.sampled_from(tokens), min_size=1, max_size=most).map("".join)
    return joined.filter(lambda name: name == name.strip() and name[0] not in ".~$@#" and name.strip(". "))


def one_each(found: list[str]) -> list[str]:
    """Names that no disk holds as one file, whatever it makes of letters and of marks on them."""
    return list({unicodedata.normalize("NFC", name).casefold(): name for name in found}.values())


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A CSV with what its lines mean."""
    stems = one_each(draw(st.lists(names(AWKWARD), min_size=2, max_size=7)))
    folders = draw(
        st.sampled_from((("", ""), ("images", "masks"), ("p 1/im", "p 1/gt"), ("é", "e\u0301x"), ("x", "x")))
    )
    affix = draw(st.sampled_from(("", "_mask", " (1)", "-gt"))) if folders[0] != folders[1] else "_m"
    form = draw(st.sampled_from(("NFC", "NFD", None)))
    written = draw(st.sampled_from(("NFC", "NFD", None)))
    rows = []
    for stem in stems:
        rows.append(
            {
                "image": f"{folders[0]}/{stem}{draw(st.sampled_from(SUFFIXES))}".lstrip("/"),
                "target": f"{folders[1]}/{stem}{affix}{draw(st.sampled_from(SUFFIXES))}".lstrip("/"),
                "group": draw(st.sampled_from(("", "", "g1", "g 2", "é", "a,b", 'say "x"'))),
                "split": draw(st.sampled_from(("", "train", "TRAIN", "val", "Validation", "test", "Testing", "pool"))),
                "bare": draw(st.integers(0, 5)) == 0,
                "how": draw(st.sampled_from(("root", "root", "csv", "absolute", "windows", "dots"))),
            }
        )
    twice = draw(st.sampled_from((False, False, False, True)))
    columns = ["image", "target", *draw(st.sampled_from(([], ["group"], ["split"], ["group", "split"])))]
    header = {
        meaning: draw(_column(f"{MEANINGS[meaning]} {OF_TASK['segmentation'] * (meaning == 'target')}"))
        for meaning in columns
    }
    extra = draw(st.sampled_from(((), (), ("width",), ("note", "age"))))
    return {
        "rows": [*rows, rows[0]] if twice else rows,
        "twice": twice,
        "form": form,
        "written": written,
        "header": header,
        "order": draw(st.permutations([*columns, *extra])),
        "where": draw(st.sampled_from((".", "lists", ".."))),
        "separator": draw(st.sampled_from(",;\t|")),
        "line_end": draw(st.sampled_from(("\n", "\r\n", "\r"))),
        "quoting": draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))),
        "bom": draw(st.booleans()),
        "named": draw(st.booleans()),
        "blank": draw(st.booleans()),
        "padded": draw(st.booleans()),
        "last": draw(st.booleans()),
    }


def _column(known: str) -> st.SearchStrategy[str]:
    """A name of a column in some spelling."""
    cases = (str, str.upper, str.title, "{}_path".format, "{} name".format)
    return st.tuples(st.sampled_from(known.split()), st.sampled_from(cases)).map(lambda pair: pair[1](pair[0]))


def formed(text: str, form: Any) -> str:
    return text if form is None else unicodedata.normalize(form, text)


def check_table(one: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        where = (root / one["where"]).resolve()
        where.mkdir(parents=True, exist_ok=True)
        meant = []
        lines: list[list[str]] = []
        for row in one["rows"]:
            files = []
            for kind in ("image", "target"):
                path = root / formed(row[kind], one["form"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                files.append(path)
            cells = {key: cell(row, files[number], root, where, one) for number, key in enumerate(("image", "target"))}
            cells |= {"group": row["group"], "split": row["split"]}
            bare = row["bare"] and row["split"].lower() not in ("val", "validation", "test", "testing")
            cells["target"] = "" if bare else cells["target"]
            lines.append([cells.get(column, "7") for column in one["order"]])
            meant.append((files[0], None if bare else files[1], row))
        table = where / "list.csv"
        table.write_bytes(text_of(one, lines).encode("utf-8-sig" if one["bom"] else "utf-8"))
        try:
            listing = read_csv(table, root, "segmentation")
        except DataError as error:
            message = str(error)
        else:
            message = ""
        if one["twice"]:
            assert "same file as in line" in message
            assert "\n" not in message
            assert str(table) in message
            return
        assert not message
        assert [real(path) for path in listing.images] == [real(image) for image, _, _ in meant]
        assert [path and real(path) for path in listing.targets] == [target and real(target) for _, target, _ in meant]
        groups = [formed(row["group"], "NFC") or None if "group" in one["header"] else None for _, _, row in meant]
        assert listing.groups == groups
        splits = [split(row["split"]) for _, _, row in meant]
        named = "split" in one["header"] and any(row["split"] for _, _, row in meant)
        assert listing.splits == (splits if named else None)
        assert len(set(listing.ids)) == len(listing.ids)


def real(path: Path) -> str:
    return os.path.realpath(path)


def split(cell: str) -> str:
    return {"v": "validation", "t": "pool" if cell.lower().startswith("tr") else "test"}.get(cell[:1].lower(), "pool")


def cell(row: dict[str, Any], path: Path, root: Path, where: Path, one: dict[str, Any]) -> str:
    """A path as somebody may write it."""
    how = row["how"]
    below = formed(path.relative_to(root).as_posix(), one["written"])
    if how == "absolute":
        return str(path)
    if how == "csv":
        return formed(Path(os.path.relpath(path, where)).as_posix(), one["written"])
    if how == "windows":
        return below.replace("/", "\\")
    return f"./{below}" if how == "dots" else below


def text_of(one: dict[str, Any], lines: list[list[str]]) -> str:
    out = io.StringIO()
    separator = one["separator"]
    writer = csv.writer(out, delimiter=separator, quoting=one["quoting"], lineterminator=one["line_end"])
    writer.writerow([one["header"].get(column, column) for column in one["order"]])
    for number, line in enumerate(lines):
        plain = one["quoting"] == csv.QUOTE_MINIMAL and not any(set(value) & {separator, '"'} for value in line)
        if one["padded"] and plain:
            out.write(f" {separator} ".join(line) + one["line_end"])
        else:
            writer.writerow(line)
        if one["blank"] and number == 0:
            out.write(separator * (len(line) - 1) + one["line_end"] + one["line_end"])
    text = out.getvalue()
    text = text if one["last"] else text.removesuffix(one["line_end"])
    return f"sep={separator}{one['line_end']}" * one["named"] + text


LAYOUTS = ("two folders", "two folders", "sub-folders", "patients", "one folder", "masks inside", "named")


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """A folder of images and masks with the mask that is meant for each image."""
    layout = draw(st.sampled_from(LAYOUTS))
    affixes = [affix for affix in TARGET_AFFIXES["segmentation"] if affix.prefix or affix.suffix]
    target = draw(st.sampled_from((("", ""), ("", ""), *((a.prefix, a.suffix) for a in affixes))))
    if layout in ("one folder",) and target == ("", ""):
        target = ("", "_mask")
    image = draw(st.sampled_from((("", ""), ("", ""), ("", ""), *((a.prefix, a.suffix) for a in IMAGE_AFFIXES))))
    return {
        "layout": layout,
        "stems": one_each(draw(st.lists(names(TOKENS), min_size=2, max_size=8))),
        "image": image,
        "target": target,
        "suffixes": (draw(st.sampled_from(SUFFIXES)), draw(st.sampled_from(SUFFIXES))),
        "without": draw(st.integers(0, 2)),
        "orphans": draw(st.integers(0, 2)),
        "litter": draw(st.booleans()),
        "folders": draw(
            st.sampled_from((("images", "masks"), ("Original", "Ground Truth"), ("imgs", "labels"), ("IMG", "GT")))
        ),
        "upper": draw(st.integers(0, 9)) == 0,
    }


def check_tree(one: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "set"
        images, masks = one["folders"]
        meant: dict[str, str | None] = {}
        stems = one["stems"]
        for number, stem in enumerate(stems):
            part = f"p{number % 3}/"
            places = {
                "two folders": (f"{images}/", f"{masks}/"),
                "sub-folders": (f"{images}/{part}", f"{masks}/{part}"),
                "patients": (f"{part}{images}/", f"{part}{masks}/"),
                "one folder": ("", ""),
                "masks inside": ("", f"{masks}/"),
                "named": (f"{images}/{part}", f"{masks}/"),
            }[one["layout"]]
            called = [f"{one[side][0]}{stem}{one[side][1]}" for side in ("image", "target")]
            called[1] = called[1].upper() if one["upper"] else called[1]
            files = [root / "".join(parts) for parts in zip(places, called, one["suffixes"], strict=True)]
            has_image, has_mask = number >= one["orphans"] or len(stems) < 4, number < len(stems) - one["without"]
            for file, there in zip(files, (has_image, has_mask), strict=True):
                file.parent.mkdir(parents=True, exist_ok=True)
                if there:
                    file.touch()
            if has_image:
                meant[real(files[0])] = real(files[1]) if has_mask else None
        if one["litter"]:
            (root / ".DS_Store").touch()
            (root / "notes.txt").touch()
        try:
            listing = read_folders(root, "segmentation", None, None)
        except (DataError, FileNotFoundError) as error:
            message = str(error)
        else:
            compare(listing, meant)
            return
        assert "\n" not in message
        assert str(root) in message


def compare(listing: Listing, meant: dict[str, str | None]) -> None:
    """No image has a mask that was not meant for it, and one that was not found is told."""
    both = zip(listing.images, listing.targets, strict=True)
    found = {real(image): target and real(target) for image, target in both}
    wrong = {image: target for image, target in found.items() if target and target != meant.get(image)}
    assert not wrong, (listing.notes, wrong)
    assert not listing.further, (listing.notes, listing.further)
    lost = [image for image, target in meant.items() if target and not found.get(image)]
    told = [note for note in listing.notes if re.search("without mask|without image|left out|not read", note)]
    assert told or not lost, (listing.notes, lost)


def some(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Try that many, always the same."""
    few = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    few(given(strategy)(check))()


def test_any_table():
    some(tables(), check_table, 150)


def test_any_tree():
    some(trees(), check_tree, 150)


@pytest.mark.fuzz
@pytest.mark.skipif("AL_LIGHTNING_FUZZ" not in os.environ, reason="AL_LIGHTNING_FUZZ says how many inputs to try")
@pytest.mark.parametrize(
    ("strategy", "check"), [(tables(), check_table), (trees(), check_tree)], ids=["tables", "trees"]
)
def test_many(strategy, check):
    many = settings(
        max_examples=int(os.environ["AL_LIGHTNING_FUZZ"]),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    many(given(strategy)(check))()
