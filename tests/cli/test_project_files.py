"""Files beside the package agree with it and with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from yaml import safe_load

from al_lightning.config import catalogue
from al_lightning.version import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def yaml(path: str):
    return safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml("CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_workflow_runs_what_the_makefile_has_on_every_supported_python():
    jobs = yaml(".github/workflows/ci.yml")["jobs"]
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert jobs["test"]["strategy"]["matrix"]["python"][0] == lowest
    commands = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    asked = re.findall(r"make ([a-z]+)", commands)
    assert asked == ["test", "docs"]
    assert set(asked) <= set(TARGETS)


def test_the_hooks_use_tools_that_the_environment_has():
    (repo,) = yaml(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    tools = {re.match(r"\.venv/bin/(\S+)", hook["entry"]).group(1) for hook in repo["hooks"]}
    dev = " ".join(PROJECT["project"]["optional-dependencies"]["dev"])
    assert tools == {"ruff", "mypy"}
    assert all(tool in dev for tool in tools)


@pytest.mark.parametrize("file", ["CONTRIBUTING.md", "README.md", "CHANGELOG.md"])
def test_targets_and_paths_that_a_text_names_are_there(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE):
        assert target in TARGETS or target in catalogue.names(), target
    if file == "CONTRIBUTING.md":
        for path in re.findall(r"`((?:tests|al_lightning|examples|experiments)/[\w/.]*)`", text):
            assert (ROOT / path).exists(), path


def test_the_changelog_begins_with_what_is_not_released():
    headings = re.findall(r"^## (.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


@pytest.mark.parametrize("file", ["docker/Dockerfile", "docker/Dockerfile.cpu"])
def test_the_images_copy_all_that_a_build_of_the_wheel_needs(file):
    copied = " ".join(re.findall(r"^COPY (.*) \S+$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)).split()
    assert set(copied) == {"pyproject.toml", "setup.py", "README.md", "LICENSE", "al_lightning", "experiments"}
