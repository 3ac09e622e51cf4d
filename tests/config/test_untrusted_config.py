"""Configs of strangers: names stay within runs_dir, secrets are refused, interpolations kept, and YAML is bounded."""

from __future__ import annotations

import inspect
import time

import pytest
from damage import BOMB

from al_lightning.config import ConfigError, changes, load, to_yaml, written
from al_lightning.config.names import check_entry_name, check_folder_name
from al_lightning.config.secrets import check_secrets
from al_lightning.config.yaml_text import check_yaml, read_yaml
from al_lightning.data.table import DATASETS
from al_lightning.experiment import complete
from al_lightning.experiment.checks import check_paths
from al_lightning.learners.table import LEARNERS
from al_lightning.oracles.table import ORACLES
from al_lightning.strategies.table import STRATEGIES

BASE = """
name: x-${seed}
seed: ${oc.env:SEED_HERE}
runs_dir: ${oc.env:RUNS_HERE}/runs
dataset: {name: kvasir, options: {root: "${oc.env:DATA_HERE}/k", size: 64}}
learner: {name: unet}
strategy: {name: random}
budget: {initial: 1, per_stage: 2, stages: 3}
trainer: {max_epochs: 2}
logging: {wandb: {tags: ["${oc.env:TAG_HERE}", 'cost \\${x}']}}
"""


@pytest.fixture
def base(tmp_path, monkeypatch):
    for name, value in {"SEED": "3", "RUNS": str(tmp_path), "DATA": "/d", "TAG": "hidden"}.items():
        monkeypatch.setenv(f"{name}_HERE", value)
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def test_texts_are_saved_as_they_were_written_and_names_and_numbers_as_they_are(base):
    full = complete(load([base]))
    assert full.dataset.options["root"] == "/d/k"
    saved = to_yaml(full)
    assert "hidden" not in saved
    assert "root: ${oc.env:DATA_HERE}/k" in saved
    assert "runs_dir: ${oc.env:RUNS_HERE}/runs" in saved
    assert "seed: 3" in saved
    assert "name: x-3" in saved
    assert written(full)["logging"]["wandb"]["tags"] == ["${oc.env:TAG_HERE}", r"cost \${x}"]
    assert full.logging.wandb.tags == ["hidden", "cost ${x}"]


def test_a_saved_config_is_resolved_anew_and_is_no_other_config(base, tmp_path, monkeypatch):
    full = complete(load([base]))
    (tmp_path / "saved.yaml").write_text(to_yaml(full))
    assert changes(complete(load([tmp_path / "saved.yaml"])), full) == []
    monkeypatch.setenv("DATA_HERE", "/elsewhere")
    again = complete(load([tmp_path / "saved.yaml"]))
    assert again.dataset.options["root"] == "/elsewhere/k"
    assert changes(again, full) == []
    assert to_yaml(again) == to_yaml(full)
    monkeypatch.setenv("SEED_HERE", "4")
    assert changes(full, complete(load([base]))) == ["name: x-3 -> x-4", "seed: 3 -> 4"]
    monkeypatch.setenv("SEED_HERE", "3")
    other = complete(load([base], ["dataset.options.root=/d/k"]))
    assert changes(full, other) == []  # the same folder, written out
    assert changes(full, complete(load([base], ["dataset.options.root=/e"]))) == ["dataset.options.root: /d/k -> /e"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("${oc.env:NOT_THERE}", r"dataset\.options\.root='\$\{oc\.env:NOT_THERE\}': .*NOT_THERE"),
        ("${dataset.options.root}", r"dataset\.options\.root="),
        ("${nothing.here}", r"dataset\.options\.root='\$\{nothing\.here\}'"),
    ],
)
def test_what_cannot_be_resolved_is_named(base, text, match):
    with pytest.raises(ConfigError, match=match):
        load([base], [f"dataset.options.root={text}"])


@pytest.mark.parametrize(
    "item",
    [
        "logging.wandb.entity=" + "0123456789abcdef" * 2 + "01234567",
        "logging.wandb.tags=[ok, hf_" + "a" * 34 + "]",
        "dataset.options.root=ghp_" + "A1" * 18,
        "name=sk-" + "a1B2" * 8,
        "dataset.options.url=https://me:letmein@example.org/x",
        "learner.options.api_key=abc",
        "trainer.wandb_token=abc",
        "oracle.options.password=abc",
        "oracle.options.client_secret=abc",
        "oracle.options.token_filed=abc",
        "oracle.options.token_variable=eyJhbGciOiJIUzI1NiIs.eyJ0b2tlbl90eXBl.c2lnbmF0dXJl",
        "wandb_api_key=abc",
    ],
)
def test_a_secret_is_refused_with_its_key_and_without_its_value(base, item):
    with pytest.raises(ConfigError, match="environment variable") as info:
        load([base], [item])
    key, _, value = item.partition("=")
    assert key in str(info.value)
    assert value.strip("[]") not in str(info.value)


@pytest.mark.parametrize(
    "item",
    [
        {"oracle": {"options": {"token": "${oc.env:MY_TOKEN}"}}},
        {"tokens": 3, "x": {"tokenizer": "a", "secretary": "b", "monkey": "c"}},
        {"a": "0123456789abcdef", "b": "https://example.org/x", "c": "task-specific-skeleton-of-the-risk-analysis"},
        {"password": None, "token": ""},
        {"token_variable": "LABEL_STUDIO_TOKEN", "token_file": "t", "client_secret_token_path": "x"},
    ],
)
def test_what_is_no_secret_is_taken(item):
    check_secrets(item)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/x",
            "a\\b",
            "C:x",
            "a:b",
            "a?",
            "a*",
            '"',
            "<",
            ">",
            "|",
            "a\n",
            "\x7f",
            "\0",
        ),
        *("CON", "nul", "com1.txt", "LPT9", "a.", "a ", " a", "...", "x" * 256, "é" * 128, "\ud800"),
    ],
)
def test_a_name_that_is_no_folder_on_every_system_is_refused(name):
    with pytest.raises(ConfigError, match=r"^name="):
        check_folder_name("name", name)


def test_names_of_every_kind_are_taken():
    for name in ("a", "kvasir-2", "x" * 255, "é", "con-1", "seed=3,gamma=0.5", ".hidden", "a b"):
        check_folder_name("name", name)
    check_entry_name("strategy.name", "mine.strategies:Own.Inner")
    for name in ("../x:Y", ".x:Y", "x:", ":Y", "x:Y:Z", "a/b:C", "x y:Z"):
        with pytest.raises(ConfigError, match=r"^strategy\.name="):
            check_entry_name("strategy.name", name)


def test_a_link_does_not_lead_out_of_runs_dir(base, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x-3").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match=r"name='x-3': .*is a link to .*outside/random, outside runs_dir"):
        check_paths(load([base]))
    (tmp_path / "runs" / "x-3").unlink()
    check_paths(load([base]))
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").symlink_to(tmp_path / "outside")  # runs_dir itself may be one
    check_paths(load([base]))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BOMB.decode(), "aliases repeat them"),
        ("a: &a [*a]", "what it is part of"),
        ("a: " + "[" * 70 + "]" * 70, "more than 64 levels"),
        ("a: " + "[" * 100_000, "more than 64 levels"),
        ("x" * (5 << 20), "characters"),
        ("a: [1", "not readable as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not readable as YAML"),
    ],
)
def test_yaml_that_does_not_stay_small_is_refused_at_once(tmp_path, text, match):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    begin = time.perf_counter()
    with pytest.raises(ConfigError, match=match) as info:
        read_yaml(path)
    assert time.perf_counter() - begin < 20
    assert len(str(info.value)) < 500


def test_aliases_are_read():
    check_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: *a\n", "here")


def test_a_file_that_extends_itself_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(ConfigError, match=r"b\.yaml: base='a\.yaml': this file extends"):
        load([tmp_path / "a.yaml"])


@pytest.mark.parametrize("table", [DATASETS, LEARNERS, ORACLES, STRATEGIES], ids=lambda table: table.kind)
def test_no_option_of_a_built_in_is_taken_for_a_secret(table):
    for name in table.builtin():
        check_secrets({"options": dict.fromkeys(inspect.signature(table[name]).parameters, "word")})
