"""Write the locks of the images: the versions of this environment that al_lightning needs, and nothing else of it.

    .venv/bin/python docker/lock.py

Run it on Linux x86-64, in an environment that has passed the tests. Lines are `name==version`, without addresses, so
that pip takes them from the index it is set up for.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

FOLDER = Path(__file__).parent
BUILD = ("setuptools",)
"""What `pip install .` needs beside the dependencies."""
LOCKS = {"requirements.txt": (), "requirements-cpu.txt": ("torch",)}
"""File -> packages of which the build for CPUs is taken, which needs no CUDA."""
CUDA = re.compile(r"(nvidia|cuda)-.*|triton")


def normal(name: str) -> str:
    """A name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(lines: list[str], without_cuda: tuple[str, ...] = ()) -> dict[str, str]:
    """name -> version, of requirements and all that they need, as installed; of some without what is for CUDA."""
    found: dict[str, str] = {}
    given = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate()]
    waiting = [(normal(one.name), frozenset(one.extras)) for one in given]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = metadata.distribution(name)
        found[name] = distribution.version.partition("+")[0]
        for line in distribution.requires or ():
            needed = Requirement(line)
            if name in without_cuda and CUDA.fullmatch(normal(needed.name)):
                continue
            wanted = [{"extra": extra} for extra in ("", *extras)]
            if needed.marker is None or any(needed.marker.evaluate(one) for one in wanted):
                waiting.append((normal(needed.name), frozenset(needed.extras)))
    return found


def main() -> None:
    """Write every lock."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for file, without_cuda in LOCKS.items():
        found = closure([*project["dependencies"], *BUILD], without_cuda)
        lines = [f"{name}=={version}" for name, version in sorted(found.items())]
        (FOLDER / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
