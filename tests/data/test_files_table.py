"""Cells of a CSV, however a spreadsheet or a script wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from al_lightning.data.errors import DataError
from al_lightning.data.table_file import Lines, read_lines, read_table

ROWS = [["image", "mask name"], ["a, b.png", "x"], ["c.png", ""]]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("head", ["", "\ufeff", "sep", "\ufeffsep"])
def test_separators_line_ends_and_marks(tmp_path, separator, end, head):
    if head.endswith("sep"):
        head = head.replace("sep", f"sep={separator}{end}")
        if end == "\r":
            pytest.skip("Excel, which writes this line, ends lines otherwise")
    text = head + end.join(separator.join(f'"{cell}"' for cell in row) for row in ROWS) + end + end
    lines = read_lines(write(tmp_path / "l.csv", text))
    first = 2 if "sep" in head else 1
    records = tuple((first + number, tuple(row)) for number, row in enumerate(ROWS) if number)
    assert lines == Lines(tuple(ROWS[0]), records, separator)


def test_the_separator_is_the_one_that_reads_most_known_columns(tmp_path):
    path = write(tmp_path / "l.csv", "image;a,b,c,d\nx;1,2,3,4\n")
    assert read_lines(path).separator == ","
    assert read_lines(path, lambda name: name == "image").separator == ";"
    assert read_lines(write(path, "image\na,b.png\n")).separator == ","


def test_lines_are_those_of_the_file(tmp_path):
    path = write(tmp_path / "l.csv", 'a,b\n\n"x\ny",1\n,,\nz,2\n')
    assert [number for number, _ in read_lines(path).records] == [3, 6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "l.csv: is empty"),
        (" \n\n,,\n", "l.csv: is empty"),
        ('a,b\n1,2\n"x,3\n4,5\n', "line 3: a quote is opened here and never closed"),
        ('a,b\n"x"y,3\n', "line 2: .* quote a whole cell"),
        ("a,b\n" + "x" * 140_000 + ",1\n", "line 2: a cell of more than 131,072 characters"),
        ("a,b\n1,2\nx\0,2\n", "line 3: holds a NUL byte"),
        ("a,b\n1,2\nö,2\n".encode("latin-1"), r"line 3: not in UTF-8 \(invalid .*\); save it as CSV UTF-8"),
        ("a,b\n".encode("utf-16"), "l.csv: not in UTF-8 but in UTF-16"),
        (b"PK\3\4....", "l.csv: is a spreadsheet"),
    ],
)
def test_what_is_no_table_is_said_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_lines(write(tmp_path / "l.csv", content))


def test_a_folder_or_nothing_in_place_of_the_file(tmp_path):
    with pytest.raises(DataError, match="is a folder; name a CSV file"):
        read_lines(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"l\.csv: no such file"):
        read_lines(tmp_path / "l.csv")


def test_records_of_published_tables_may_be_short(tmp_path):
    path = write(tmp_path / "l.csv", "name, patient ID\na, 1 \nb\n")
    assert read_table(path)[1] == [{"name": "a", "patient ID": "1"}, {"name": "b", "patient ID": ""}]
