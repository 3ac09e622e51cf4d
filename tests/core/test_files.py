"""Files are replaced as a whole, whatever happens while they are written."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from al_lightning.core.array_file import array_bytes, read_array
from al_lightning.core.files import resumable, storage_error, write_atomic


@pytest.mark.parametrize("content", ["text \N{SNOWMAN}", b"\0\1" * 5000, memoryview(b"abc")])
def test_text_and_bytes_arrive_and_the_old_file_is_kept_where_wanted(tmp_path, content):
    path, former = tmp_path / "new" / "file", tmp_path / "new" / "former"
    write_atomic(path, "old", keep=former)
    assert not former.exists()
    write_atomic(path, content, keep=former)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else bytes(content))
    assert former.read_text() == "old"
    assert sorted(os.listdir(path.parent)) == ["file", "former"]


@pytest.mark.parametrize("room", [0, 1, 999, 1000])
def test_a_disk_that_is_full_after_some_bytes_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, room):
    """Each write takes a part of what it is given, as the system may; the error names the file."""
    path, former, write, left = tmp_path / "file", tmp_path / "former", os.write, room
    write_atomic(path, "old")

    def short(handle: int, data: memoryview) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = write(handle, data[: min(left, 300)])
        left -= taken
        return taken

    monkeypatch.setattr("os.write", short)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomic(path, b"x" * 1001, keep=former)
    assert raised.value.filename == str(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    left = 1001
    write_atomic(path, b"x" * 1001, keep=former)
    assert path.read_bytes() == b"x" * 1001


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(other)
    write_atomic(tmp_path / "file", "new")
    assert (other.read_text(), (tmp_path / "file").read_text()) == ("mine", "new")


def test_errors_of_the_storage_are_found_below_others_and_users_mistakes_are_left_alone(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    wrapped = RuntimeError("a writer failed")
    wrapped.__cause__ = full
    assert storage_error(wrapped) is full
    assert storage_error(PermissionError(errno.EACCES, "denied")) is None
    with (
        pytest.raises(OSError, match=r"make room, then al-lightning resume .*runs") as raised,
        resumable(tmp_path / "runs"),
    ):
        raise wrapped
    assert raised.value.errno == errno.ENOSPC
    for error in (ValueError("lr"), KeyError("x"), PermissionError(errno.EACCES, "denied")):
        with pytest.raises(type(error)) as same, resumable(tmp_path):
            raise error
        assert same.value is error


def test_arrays_come_back_and_others_are_refused(tmp_path):
    path, values = tmp_path / "7.npy", np.arange(6, dtype=np.float32).reshape(2, 3)
    write_atomic(path, array_bytes(values))
    np.testing.assert_array_equal(read_array(path, (2, 3), "uf"), values)
    content = path.read_bytes()
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{}]), allow_pickle=True)
    for bad, match in (
        (content[:-1], "is torn"),
        (b"", "is torn"),
        (objects.read_bytes(), "is torn, or no array of numbers"),
        (bytes(array_bytes(values.T)), r"holds float32 of shape \(3, 2\); expected the shape \(2, 3\)"),
        (bytes(array_bytes(values.astype(complex))), "holds complex128"),
    ):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=match):
            read_array(path, (2, 3), "uf")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_array(path, (2, 3), "uf")
