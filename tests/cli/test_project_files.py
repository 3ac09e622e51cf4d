"""Files beside the package agree with it and with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
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


LOCKS = {"docker/Dockerfile": "docker/requirements.txt", "docker/Dockerfile.cpu": "docker/requirements-cpu.txt"}
LINUX = {"platform_system": "Linux", "platform_machine": "x86_64", "sys_platform": "linux", "extra": ""}


def locked(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("file", LOCKS)
def test_the_images_copy_all_that_a_build_of_the_wheel_needs(file):
    copied = " ".join(re.findall(r"^COPY (.*) \S+$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)).split()
    wheel = {"pyproject.toml", "setup.py", "README.md", "LICENSE", "al_lightning", "experiments"}
    assert set(copied) == {LOCKS[file], *wheel}


@pytest.mark.parametrize("file", LOCKS)
def test_the_images_begin_with_an_exact_version_and_install_only_what_is_locked(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    (base,) = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    name, version = base.split(":")
    assert name == "python"
    assert re.fullmatch(r"\d+\.\d+\.\d+-slim-[a-z]+", version)
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version.split("-")[0])
    installs = re.findall(r"pip install (.*)", text)
    assert installs
    assert all("--no-deps" in line for line in installs)
    assert not re.search(r"https?:|--(extra-)?index-url (?!\"\$)|--trusted-host|--find-links", text)


@pytest.mark.parametrize("file", LOCKS.values())
def test_a_lock_holds_exact_versions_without_addresses_that_the_project_admits(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line) for line in text.splitlines())
    found = locked(file)
    for line in [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if wanted.marker is None or wanted.marker.evaluate(LINUX):
            assert wanted.specifier.contains(found[name], prereleases=True), line
        else:
            assert name not in found


def test_the_lock_of_the_cpu_image_is_that_of_the_other_without_cuda_of_torch():
    whole, cpu = (locked(file) for file in LOCKS.values())
    assert cpu.items() <= whole.items()
    assert {"torch", "torchvision"} <= set(cpu)
    assert all(re.match("nvidia-|cuda-|triton", name) for name in set(whole) - set(cpu))
