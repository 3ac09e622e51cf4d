"""Several ranks score, select and test as one does; tests/torture/ranks.py has the same for 1 to 4 ranks."""

from __future__ import annotations

from torture.ranks import compare, names, run_groups


def test_three_ranks_score_select_and_test_as_one_with_every_strategy(tmp_path):
    """With a pool that they do not divide, and a validation of one image."""
    found = compare(run_groups(tmp_path, [1, 3], names(), "slurm", stages=1))
    assert list(found) == names()
    assert {name: by_world[3] for name, by_world in found.items() if by_world[3]} == {}
