"""The few requests that the oracle makes of a Label Studio server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

ATTEMPTS = 4
"""Of a request where the server does not answer."""
PAGE = 100


class Unanswered(ConnectionError):
    """The server does not answer, or answers with an error of its own."""


class Gone(LookupError):
    """What was asked for is not on the server."""


class Answered(Protocol):
    """What is needed of an HTTP response."""

    status_code: int

    @property
    def text(self) -> str:
        """The body as text."""

    def json(self) -> Any:
        """The body."""


def read_token(variable: str, file: str | None) -> str:
    """The personal access token.

    Raises:
        ValueError: there is none.
    """
    if file is not None:
        path = Path(file).expanduser()
        if not path.is_file():
            raise ValueError(f"token_file={file!r}: no such file; save the personal access token of your account there")
        token = path.read_text(encoding="utf-8").strip()
    else:
        token = os.environ.get(variable, "").strip()
    if not token:
        where = f"the file {file}" if file is not None else f"the environment variable {variable}"
        raise ValueError(
            f"no token in {where}; create a personal access token in Label Studio (Account & Settings) and set it there"
        )
    return token


class Client:
    """A connection with a personal access token, which is exchanged for access tokens of a few minutes.

    Args:
        url: of the server.
        token: personal access token.
        timeout: seconds for one answer.

    Raises:
        ValueError: httpx is not installed.
    """

    def __init__(self, url: str, token: str, timeout: float = 30.0) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise ValueError("oracle label-studio needs httpx: pip install 'al-lightning[annotate]'") from None
        self.url, self._token = url.rstrip("/"), token
        self._http = httpx.Client(base_url=self.url, timeout=timeout, follow_redirects=True)
        self._errors: tuple[type[Exception], ...] = (httpx.HTTPError,)
        self._access = ""

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a page."""
        return self._asked("GET", path, params=parameters)

    def post(self, path: str, **body: Any) -> Any:
        """The JSON answer to a request with httpx's arguments `json`, `files` or `params`."""
        return self._asked("POST", path, **body)

    def _asked(self, method: str, path: str, **body: Any) -> Any:
        if not self._access:
            self._renew()
        answer = self._sent(method, path, **body)
        if answer.status_code == 401:
            self._renew()
            answer = self._sent(method, path, **body)
        return _checked(answer, self.url, path)

    def _renew(self) -> None:
        answer = self._sent("POST", "/api/token/refresh/", json={"refresh": self._token}, plain=True)
        if answer.status_code in (400, 401, 403):
            raise ValueError(
                f"{self.url}: refuses the token; create a new personal access token in Label Studio (legacy tokens are "
                "not used)"
            )
        self._access = str(_checked(answer, self.url, "/api/token/refresh/")["access"])

    def _sent(self, method: str, path: str, plain: bool = False, **body: Any) -> Answered:
        headers = {} if plain else {"Authorization": f"Bearer {self._access}"}
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(2.0 ** (attempt - 1))
            try:
                answer: Answered = self._http.request(method, path, headers=headers, **body)
            except self._errors as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                continue
            if answer.status_code not in (429, 500, 502, 503, 504):
                return answer
            reason = f"HTTP {answer.status_code}"
        raise Unanswered(f"{self.url}: does not answer ({reason})")

    def project(self, title: str) -> int | None:
        """Number of the project of this title; the oldest of several."""
        found = [one for one in self.pages("/api/projects/", title=title) if one.get("title") == title]
        return min((int(one["id"]) for one in found), default=None)

    def pages(self, path: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """All entries of a list that comes in pages."""
        page = 1
        while True:
            try:
                held = self.get(path, page=page, page_size=PAGE, **parameters)
            except Gone:
                if page == 1:
                    raise
                return
            entries: Sequence[Mapping[str, Any]] = held if isinstance(held, list) else _entries(held)
            yield from entries
            if len(entries) < PAGE:
                return
            page += 1


def _entries(held: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = held.get("tasks", held.get("results", []))
    return found


def _checked(answer: Answered, url: str, path: str) -> Any:
    if answer.status_code == 404:
        raise Gone(f"{url}{path}: is not there")
    if answer.status_code >= 400:
        text = " ".join(answer.text.split())[:200]
        raise ValueError(f"{url}{path}: refused (HTTP {answer.status_code}: {text})")
    try:
        return answer.json()
    except ValueError:
        raise ValueError(
            f"{url}{path}: answers with something that is no JSON; is this a Label Studio server?"
        ) from None
