"""Fetch a published archive with a progress bar and verify what is in it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import pooch
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from al_lightning.data.errors import DataError

TIMEOUT = 30
"""Seconds without an answer of the server after which a download fails."""
CHUNK = 1 << 16
"""Bytes that are written at a time."""


def contents_digest(folder: Path, folders: Iterable[str]) -> str:
    """SHA-256 over the sorted relative paths and the SHA-256 of each file below `folders` of `folder`."""
    digest = hashlib.sha256()
    files = sorted(p for name in folders for p in (folder / name).rglob("*") if p.is_file())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def download(url: str, folder: Path, folders: tuple[str, ...], digest: str, remedy: str) -> None:
    """Put what a zip archive holds beside its `folders` into `folder`, or change nothing.

    Args:
        url (str): http or https address of the archive.
        folder (Path): where the contents go; what is there already stays.
        folders (tuple[str, ...]): sub-folders that the archive must hold, at any depth but beside each other.
        digest (str): their `contents_digest`.
        remedy (str): the end of an error's message.

    Raises:
        FileNotFoundError: the address cannot be reached, or the connection broke.
        DataError: what came is not a zip archive, lacks a sub-folder, or has another digest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as scratch:
        unpacked = Path(scratch) / "unpacked"
        pooch.get_logger().setLevel("WARNING")
        try:
            with _Bar(url.rsplit("/", 1)[-1]) as bar:
                # No known_hash: a server may pack the same files anew, with other times or another compression, so
                # that the bytes of the archive are not known to be stable. The unpacked contents are, and their
                # digest is verified below.
                pooch.retrieve(
                    url,
                    known_hash=None,
                    fname="archive.zip",
                    path=scratch,
                    downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT),
                    processor=pooch.Unzip(extract_dir=unpacked.name),
                )
        except (zipfile.BadZipFile, zlib.error):
            raise DataError(f"{url}: what was downloaded is not a whole zip archive; {remedy}") from None
        except OSError as error:  # every error of requests is one
            raise FileNotFoundError(f"{url}: cannot be downloaded ({error}); {remedy}") from None
        holders = [p.parent for p in unpacked.rglob(folders[0]) if all((p.parent / name).is_dir() for name in folders)]
        holders = [p for p in holders if "__MACOSX" not in p.parts]
        if not holders:
            raise DataError(f"{url}: the archive holds no folder with {' and '.join(folders)}; {remedy}")
        found = contents_digest(holders[0], folders)
        if found != digest:
            raise DataError(
                f"{url}: the contents have digest {found[:16]}..., expected {digest[:16]}...: "
                f"the published data have changed or the download is damaged; {remedy}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path in holders[0].iterdir():
            if not (folder / path.name).exists():
                shutil.move(str(path), folder / path.name)


class _Bar:
    """A progress bar of rich with the interface that pooch asks of one: `total`, `update`, `reset`, `close`."""

    def __init__(self, description: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns)
        self._task: TaskID = self._progress.add_task(description, total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @property
    def total(self) -> float | None:
        """Bytes to come; None where the server does not say."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        """`size` more bytes have come."""
        self._progress.update(self._task, advance=size)

    def reset(self) -> None:
        """Start over at 0; pooch does so at the end, before it reports the whole size at once."""
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()
