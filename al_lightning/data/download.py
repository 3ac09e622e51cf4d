"""Fetch a published archive with a progress bar and verify what is in it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from al_lightning.data.base import DataError


def contents_digest(folder: Path, parts: Iterable[str]) -> str:
    """SHA-256 over the sorted relative paths and the SHA-256 of each file below `parts` of `folder`."""
    digest = hashlib.sha256()
    files = sorted(p for part in parts for p in (folder / part).rglob("*") if p.is_file())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def download(url: str, folder: Path, parts: tuple[str, ...], digest: str, remedy: str) -> None:
    """Put the archive's `parts` (sub-folders) into `folder`, or change nothing.

    Raises:
        FileNotFoundError: the address cannot be reached; `remedy` is the rest of the message.
        DataError: what came is not a zip archive, lacks a part, or has another digest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as scratch:
        archive = Path(scratch) / "archive.zip"
        try:
            _fetch(url, archive)
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise FileNotFoundError(f"{url}: cannot be downloaded ({reason}); {remedy}") from None
        unpacked = Path(scratch) / "unpacked"
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(unpacked)
        except zipfile.BadZipFile:
            raise DataError(f"{url}: what was downloaded is not a zip archive; {remedy}") from None
        holders = [p.parent for p in unpacked.rglob(parts[0]) if all((p.parent / x).is_dir() for x in parts)]
        holders = [p for p in holders if "__MACOSX" not in p.parts]
        if not holders:
            raise DataError(f"{url}: the archive holds no folder with {' and '.join(parts)}; {remedy}")
        found = contents_digest(holders[0], parts)
        if found != digest:
            raise DataError(
                f"{url}: the contents have digest {found[:16]}..., expected {digest[:16]}...: "
                f"the published data have changed or the download is damaged; {remedy}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for path in holders[0].iterdir():
            if not (folder / path.name).exists():
                shutil.move(str(path), folder / path.name)


def _fetch(url: str, path: Path) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        urllib.request.urlopen(url, timeout=30) as response,
        path.open("wb") as file,
        Progress(*columns) as bar,
    ):
        size = int(response.headers.get("Content-Length") or 0) or None
        task = bar.add_task(url.rsplit("/", 1)[-1], total=size)
        while chunk := response.read(1 << 16):
            file.write(chunk)
            bar.update(task, advance=len(chunk))
