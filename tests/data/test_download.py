"""Archives are fetched over http, verified by what is in them, and leave nothing behind where something is wrong."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from al_lightning.data.dataset import DataError
from al_lightning.data.datasets.kvasir import FOLDERS, kvasir
from al_lightning.data.download import contents_digest, download

REMEDY = "get it yourself"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; /broken/<name> promises the whole file and closes the connection after half of it."""

    def do_GET(self) -> None:
        if not self.path.startswith("/broken/"):
            return super().do_GET()
        content = (Path(self.directory) / self.path.removeprefix("/broken/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        return None

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and its address on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def archive(root: Path, path: Path, top: str = "top", **options: int) -> None:
    """The jpg files of a tree in a folder of the archive, beside what an archiver of another system adds."""
    with zipfile.ZipFile(path, "w", **options) as file:
        for image in sorted(root.rglob("*.jpg")):
            file.write(image, Path(top) / image.relative_to(root))
            file.writestr(f"__MACOSX/{top}/{image.relative_to(root).parent}/._{image.name}", b"")


def test_what_is_fetched_is_unpacked_and_shown_by_a_bar(kvasir_root, served, tmp_path, capsys):
    folder, address = served
    digest = contents_digest(kvasir_root, FOLDERS)
    # The same contents packed otherwise have the same digest.
    for name, compression in (("plain", zipfile.ZIP_STORED), ("packed", zipfile.ZIP_DEFLATED)):
        archive(kvasir_root, folder / f"{name}.zip", name, compression=compression)
        target = tmp_path / "data" / name
        download(f"{address}/{name}.zip", target, FOLDERS, digest, REMEDY)
        assert contents_digest(target, FOLDERS) == digest
        assert f"{name}.zip" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"plain", "packed"}


def test_files_that_are_there_already_stay(kvasir_root, served, tmp_path):
    folder, address = served
    archive(kvasir_root, folder / "set.zip")
    own = tmp_path / "set" / "masks" / "mine.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    download(f"{address}/set.zip", tmp_path / "set", FOLDERS, contents_digest(kvasir_root, FOLDERS), REMEDY)
    assert [path.name for path in own.parent.iterdir()] == ["mine.jpg"]
    assert len(list((tmp_path / "set" / "images").iterdir())) == 24


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("absent.zip", FileNotFoundError, r"absent\.zip: cannot be downloaded \(404 .*; get it yourself"),
        ("broken/set.zip", FileNotFoundError, r"set\.zip: cannot be downloaded \(.*; get it yourself"),
        ("text.zip", DataError, r"text\.zip: what was downloaded is not a whole zip archive; get it yourself"),
        ("half.zip", DataError, "half.zip: what was downloaded is not a whole zip archive"),
        ("masks.zip", DataError, "the archive holds no folder with images and masks; get it yourself"),
        ("other.zip", DataError, r"the contents have digest [0-9a-f]{16}\.\.\., expected .*; get it yourself"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(kvasir_root, served, tmp_path, path, error, message):
    folder, address = served
    archive(kvasir_root, folder / "set.zip")
    content = (folder / "set.zip").read_bytes()
    (folder / "half.zip").write_bytes(content[: len(content) // 2])
    (folder / "text.zip").write_text("we have moved")
    archive(kvasir_root / "masks", folder / "masks.zip", "top/masks")
    archive(kvasir_root.parent / "sessile-main-Kvasir-SEG", folder / "other.zip")
    target = tmp_path / "data" / "set"
    with pytest.raises(error, match=message):
        download(f"{address}/{path}", target, FOLDERS, contents_digest(kvasir_root, FOLDERS), REMEDY)
    assert list(target.parent.iterdir()) == []


def test_a_server_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    with pytest.raises(FileNotFoundError, match=rf"127\.0\.0\.1:{port}/set\.zip: cannot be downloaded"):
        download(f"http://127.0.0.1:{port}/set.zip", tmp_path / "set", FOLDERS, "", REMEDY)
    with pytest.raises(FileNotFoundError, match=r"file:///set\.zip: cannot be downloaded"):
        download("file:///set.zip", tmp_path / "set", FOLDERS, "", REMEDY)
    assert list(tmp_path.iterdir()) == []


def test_kvasir_fetches_what_is_missing(kvasir_root, served, tmp_path, monkeypatch):
    folder, address = served
    module = sys.modules["al_lightning.data.datasets.kvasir"]
    for suffix, root in (("", kvasir_root), ("_SESSILE", kvasir_root.parent / "sessile-main-Kvasir-SEG")):
        archive(root, folder / f"set{suffix}.zip")
        monkeypatch.setattr(module, f"URL{suffix}", f"{address}/set{suffix}.zip")
        monkeypatch.setattr(module, f"DIGEST{suffix}", contents_digest(root, FOLDERS))
    target = tmp_path / "data" / "Kvasir-SEG"
    dataset = kvasir(str(target), 16, validation=4, download=True)
    assert len(dataset.ids) == 30
    monkeypatch.setattr(module, "URL", f"{address}/absent.zip")
    assert kvasir(str(target), 16, validation=4, download=True).ids == dataset.ids, "what is there is not fetched"
    shutil.rmtree(target)
    with pytest.raises(FileNotFoundError, match=r"absent\.zip.*dataset\.name=synthetic"):
        kvasir(str(target), 16, download=True)
