"""Every key of the schema, of the Trainer and of every entry of the tables, with values that it should refuse.

A value is refused in one line that names its key, or the run would begin. The suite tries one value of each key up
to the first pass over one batch, always the same; `AL_LIGHTNING_FUZZ=1 pytest -m fuzz tests/config/test_bad_values.py`
tries all of them, and trains that batch.
"""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import pytest

resource = pytest.importorskip("resource")  # limits of memory, which Windows has not

from bad_values import VALUES, Base, attempt, bases  # noqa: E402

FEW = 1
"""Values of each key."""


@pytest.fixture(scope="module")
def every(tmp_path_factory) -> dict[str, Base]:
    return {base.title: base for base in bases(tmp_path_factory.mktemp("bad"))}


def faults(every: dict[str, Base], kinds: tuple[str, ...], all_values: bool) -> list[str]:
    """What is wrong with the answers."""
    found = []
    wanted = [base for base in every.values() if base.title.startswith(kinds)]
    assert wanted
    for base in wanted:
        accepted = attempt(base.config, "seed", 0, all_values)
        assert accepted.code is None, f"{base.title}: {accepted.told}"
        for key in base.keys:
            names = list(VALUES)
            first = crc32(f"{base.title} {key}".encode())
            chosen = names if all_values else [names[(first + step * 7) % len(names)] for step in range(FEW)]
            for name in chosen:
                if problem := attempt(base.config, key, VALUES[name], all_values).fault(key):
                    found.append(f"{base.title}, {key} = {name}: {problem}")
    return found


KINDS = ("schema", "trainer", "dataset", "learner", "strategy")  # the oracle that there is has no options


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_refused_in_one_line_that_names_its_key(every, kind):
    assert faults(every, (kind,), False) == []


@pytest.mark.fuzz
@pytest.mark.skipif("AL_LIGHTNING_FUZZ" not in os.environ, reason="AL_LIGHTNING_FUZZ asks for it")
@pytest.mark.parametrize("kind", KINDS)
def test_every_bad_value_is_refused_in_one_line_that_names_its_key(every, kind):
    found = faults(every, (kind,), True)
    assert found == [], "\n".join(found)


def test_nothing_is_left_behind(every):
    base = every["schema"]
    attempt(base.config, "seed", "xyzzy")
    assert not Path(base.config["runs_dir"]).exists()
