"""The oracle `label-studio`: queries become tasks of a project, finished annotations become labels."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from al_lightning.core.files import write_atomic
from al_lightning.core.oracle import Delivery, Request
from al_lightning.data.dataset import DenseDataset
from al_lightning.oracles.answers import Answer
from al_lightning.oracles.label_studio.client import Client, Gone, Unanswered, read_token
from al_lightning.oracles.label_studio.results import interface, label_of, majority, prediction
from al_lightning.oracles.settle import Answers, settle
from al_lightning.oracles.store import file_name

log = logging.getLogger(__name__)

KEY = "al_lightning"
"""Field of a task's data that holds the id of its image."""
STATE = "label-studio.json"
"""File of a run that remembers the project."""


@dataclass(frozen=True)
class LabelStudio:
    """Annotators in Label Studio.

    Each stage adds its images to a project, with the learner's predictions as a start, and the run waits (exit code 3)
    until each has a finished annotation or was skipped. A project has one task an image, however often a run asks.
    Skipped images leave the pool. Drafts do not count; of several annotations one that is marked as ground truth
    counts, else what most annotators say of each pixel. The interface has a brush and polygons; rectangles, ellipses
    and bitmasks are read too. An annotation that changes later is used from the next stage on.

    Args:
        dataset (DenseDataset): of the run.
        url (str | None): of the server. Default None: http://localhost:8080.
        project (str | None): title of the project, which is created where it is missing. Default None: the run's
            name, strategy and seed.
        token_variable (str): environment variable that holds a personal access token. Default "LABEL_STUDIO_TOKEN".
        token_file (str | None): file that holds it instead. Default None.
        annotator (str | None): e-mail address of the annotator who counts. Default None: all.
        local_files (str | None): folder that the server serves as local files (its LOCAL_FILES_DOCUMENT_ROOT) and that
            holds the images; they are not uploaded then. Default None: copies are uploaded.
        timeout (float): seconds to wait for one answer. Default 30.
    """

    dataset: DenseDataset
    url: str | None = None
    project: str | None = None
    token_variable: str = "LABEL_STUDIO_TOKEN"
    token_file: str | None = None
    annotator: str | None = None
    local_files: str | None = None
    timeout: float = 30.0

    asks_people: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.dataset.task.kind != "segmentation":
            raise ValueError(f"Label Studio draws masks, and {self.dataset.name} is a {self.dataset.task.kind} task")
        if not self.server.startswith(("http://", "https://")) or "@" in self.server:
            raise ValueError(f"url={self.url!r}: expected http://host:port or https://host, without user and password")

    @property
    def server(self) -> str:
        """Address of the server."""
        return self.url or "http://localhost:8080"

    def reveal(self, request: Request) -> Delivery:
        if not len(request.query):
            return Delivery()
        rows = list(dict.fromkeys([*request.query.rows.tolist(), *request.answered]))
        names = {self.dataset.ids[row]: row for row in rows}
        client = Client(self.server, read_token(self.token_variable, self.token_file), self.timeout)
        try:
            project, again = self._project(client, request.folder)
            self._ask(client, project, request)
            answers = self._answers(client, project, names)
            todo = f"annotate them at {self.server}/projects/{project}/data{again}"
        except Unanswered as error:
            answers, todo = Answers((), {}, {}), f"{error}; start it"
        finally:
            client.close()
        return settle(request, self.dataset, answers, names, todo)

    def _project(self, client: Client, folder: Path) -> tuple[int, str]:
        """(number of the project, what to say where it had to be created again)."""
        file = folder / STATE
        title = (self.project or "/".join(folder.resolve().parts[-3:]))[-50:].rjust(3, "_")
        held = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        again = ""
        if held.get("url") == self.server:
            try:
                client.get(f"/api/projects/{held['project']}/")
                return int(held["project"]), ""
            except Gone:
                again = f" (project {held['project']} was gone, and was created again)"
        number = client.project(title)
        if number is None:
            made = client.post("/api/projects/", json={"title": title, "label_config": self._interface()})
            number = int(made["id"])
        write_atomic(file, json.dumps({"url": self.server, "project": number, "title": title}))
        return number, again

    def _interface(self) -> str:
        return interface(self.dataset.task.classes)

    def _ask(self, client: Client, project: int, request: Request) -> None:
        """Add a task for each pick that has none."""
        known = {
            str(task["data"].get(KEY)) for task in client.pages("/api/tasks/", project=project, fields="task_only")
        }
        for rank, row in enumerate(dict.fromkeys(request.query.rows.tolist()), 1):
            name = self.dataset.ids[row]
            if name in known:
                continue
            task: dict[str, Any] = {"data": {"image": self._image(client, project, row), KEY: name, "rank": rank}}
            task["data"]["stage"] = request.stage
            if guess := request.guesses.get(row):
                with Image.open(guess) as image:
                    result = prediction(np.array(image), self.dataset.task.classes)
                task["predictions"] = [{"model_version": f"stage {request.stage}", "result": result}]
            client.post(f"/api/projects/{project}/import", params={"return_task_ids": "true"}, json=[task])

    def _image(self, client: Client, project: int, row: int) -> str:
        """Address of an image on the server; it is uploaded as the learner sees it unless the server has the files."""
        if self.local_files is not None:
            root, path = Path(self.local_files).resolve(), self.dataset.images[row].resolve()
            if not path.is_relative_to(root):
                raise ValueError(f"local_files={self.local_files!r}: {path} is not in this folder")
            return f"/data/local-files/?d={quote(path.relative_to(root).as_posix())}"
        held = io.BytesIO()
        Image.fromarray(self.dataset.read_image(row)).save(held, "PNG")
        name = f"{file_name(self.dataset.ids[row])}.png"
        made = client.post(
            f"/api/projects/{project}/import",
            params={"commit_to_project": "false"},
            files={"file": (name, held.getvalue(), "image/png")},
        )
        return "/data/" + str(client.get(f"/api/import/file-upload/{made['file_upload_ids'][0]}")["file"])

    def _answers(self, client: Client, project: int, names: Mapping[str, int]) -> Answers:
        """The finished and the skipped tasks of a project."""
        person = self._person(client)
        found: list[Answer] = []
        withdrawn: dict[str, str] = {}
        ids = set(self.dataset.ids)
        for task in client.pages("/api/tasks/", project=project, fields="all"):
            name = str(task["data"].get(KEY))
            if name not in ids:
                continue
            counting = chosen(task.get("annotations") or [], person)
            where = f"{self.server}/projects/{project}/data?task={task['id']}"
            if counting and name in names:
                held = [one["result"] for one in counting]
                digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
                found.append(Answer(name, where, digest, _Drawn(held, self.dataset, names[name])))
            elif not counting and any(one.get("was_cancelled") for one in task.get("annotations") or []):
                withdrawn[name] = "skipped in Label Studio"
        return Answers(found, {}, withdrawn)

    def _person(self, client: Client) -> int | None:
        if self.annotator is None:
            return None
        users = {str(one["email"]).casefold(): int(one["id"]) for one in client.get("/api/users/")}
        if self.annotator.casefold() not in users:
            raise ValueError(f"annotator={self.annotator!r}: no such user of {self.server}; there are {sorted(users)}")
        return users[self.annotator.casefold()]


def chosen(annotations: Sequence[Mapping[str, Any]], person: int | None) -> list[Mapping[str, Any]]:
    """The annotations of a task that count: the newest of each annotator, or that of one person, or the ground truth.

    Args:
        annotations: of one task, without drafts.
        person: number of the user who counts; None for all.
    """
    newest: dict[Any, Mapping[str, Any]] = {}
    finished = [one for one in annotations if not one.get("was_cancelled")]
    for one in sorted(finished, key=lambda one: (str(one.get("updated_at")), one["id"])):
        by = one.get("completed_by")
        newest[by["id"] if isinstance(by, Mapping) else by] = one
    if person is not None:
        return [newest[person]] if person in newest else []
    truth = [one for one in newest.values() if one.get("ground_truth")]
    return truth[-1:] or list(newest.values())


class _Drawn:
    """The class numbers of the annotations that count, the majority of several."""

    def __init__(self, results: Sequence[Any], dataset: DenseDataset, row: int) -> None:
        self.results, self.dataset, self.row = results, dataset, row

    def __call__(self) -> NDArray[np.uint8]:
        size, classes = self.dataset.native_size(self.row), self.dataset.task.classes
        return majority([label_of(one, size, classes) for one in self.results])
