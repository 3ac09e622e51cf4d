"""Label Studio for tests: a stand-in that answers what the oracle asks, and a real server where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "personal-access-token"
PROGRAM = os.environ.get("AL_LIGHTNING_LABEL_STUDIO") or shutil.which("label-studio")
"""The program `label-studio`, in an environment of its own."""


class StandIn:
    """What a server knows, and the faults that a test wants of it."""

    def __init__(self) -> None:
        self.projects: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.uploads: list[str] = []
        self.access = 0
        self.expired = 0
        """Requests that are refused with 401 although the token is good."""
        self.failing = 0
        """Requests that are answered with 503."""
        self.requests: list[str] = []
        self.url = ""

    def annotate(self, name: str, result: list[dict[str, Any]], **more: Any) -> None:
        task = next(task for task in self.tasks.values() if task["data"]["al_lightning"] == name)
        number = len(task["annotations"]) + 1
        task["annotations"].append(
            {"id": number, "result": result, "updated_at": f"{number:04d}", "completed_by": 1, **more}
        )

    def skip(self, name: str) -> None:
        """Skip a task, after it was annotated too."""
        task = next(task for task in self.tasks.values() if task["data"]["al_lightning"] == name)
        for annotation in task["annotations"]:
            annotation["was_cancelled"] = True
        if not task["annotations"]:
            self.annotate(name, [], was_cancelled=True)

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes, token: str) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        if self.failing:
            self.failing -= 1
            return 503, {"detail": "starting"}
        if path == "/api/token/refresh/":
            if json.loads(body).get("refresh") != TOKEN:
                return 401, {"detail": "invalid"}
            self.access += 1
            return 200, {"access": f"access-{self.access}"}
        if token != f"Bearer access-{self.access}" or self.expired:
            self.expired = max(0, self.expired - 1)
            return 401, {"detail": "expired"}
        return self.route(method, path, query, body)

    def route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if path == "/api/projects/" and method == "POST":
            number = max(self.projects, default=0) + 1
            self.projects[number] = json.loads(body) | {"id": number}
            return 201, self.projects[number]
        if path == "/api/projects/":
            found = [one for one in self.projects.values() if query.get("title", [""])[0] in one["title"]]
            return 200, {"results": found, "count": len(found)}
        if path == "/api/users/":
            return 200, [{"id": 1, "email": "a@b.cd"}, {"id": 2, "email": "second@b.cd"}]
        if match := re.fullmatch(r"/api/projects/(\d+)/", path):
            number = int(match[1])
            return (200, self.projects[number]) if number in self.projects else (404, {})
        if match := re.fullmatch(r"/api/projects/(\d+)/import", path):
            if query.get("commit_to_project") == ["false"]:
                self.uploads.append(re.search(rb'filename="([^"]*)"', body)[1].decode())  # type: ignore[index]
                return 201, {"file_upload_ids": [len(self.uploads)]}
            numbers = []
            for task in json.loads(body):
                number = len(self.tasks) + 1
                self.tasks[number] = {"annotations": [], "predictions": [], **task, "id": number}
                self.tasks[number]["project"] = int(match[1])
                numbers.append(number)
            return 201, {"task_ids": numbers}
        if match := re.fullmatch(r"/api/import/file-upload/(\d+)", path):
            return 200, {"file": f"upload/{self.uploads[int(match[1]) - 1]}"}
        if path == "/api/tasks/":
            project, page, size = (int(query[name][0]) for name in ("project", "page", "page_size"))
            found = [task for task in self.tasks.values() if task["project"] == project]
            part = found[(page - 1) * size : page * size]
            return (200, {"tasks": part, "total": len(found)}) if part or page == 1 else (404, {})
        return 404, {}


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A stand-in on a free port of loopback."""
    state = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, held = state.answer(
                self.command, parts.path, parse_qs(parts.query), body, self.headers.get("Authorization", "")
            )
            text = json.dumps(held).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def real_server(folder: Path) -> Iterator[tuple[str, str]]:
    """(address, personal access token) of a server with its own data in a folder; it takes a minute to start."""
    import httpx

    assert PROGRAM is not None
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
    }
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    words = ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    words += ["--username", "a@b.cd", "--password", "secret12345"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *words], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        client = httpx.Client(base_url=url, follow_redirects=True, timeout=60)
        for _ in range(300):
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                if client.get("/health").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(1)
        page = client.get("/user/login/").text
        secret = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]  # type: ignore[index]
        given = {"csrfmiddlewaretoken": secret, "email": "a@b.cd", "password": "secret12345"}
        client.post("/user/login/", data=given, headers={"Referer": f"{url}/user/login/"})
        headers = {"X-CSRFToken": client.cookies.get("csrftoken") or "", "Referer": url}
        yield url, client.post("/api/token/", headers=headers).json()["token"]
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
