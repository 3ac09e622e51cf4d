"""What a report says of the steps that its runs have trained, and of the networks that they have tested."""

from __future__ import annotations

import json

from report_pages import report
from report_runs import edit, fake

from al_lightning.report import find_runs
from al_lightning.report.facts import notes, settings, warnings
from al_lightning.report.grouping import groups


def took(folder, steps):
    """Give the stages of a run these steps; returns its folder."""
    left = iter(steps)
    edit(folder, lambda row: row.update(steps=next(left)))
    return folder


def group_of(root):
    (group,) = groups(find_runs([root]))
    return group


def test_strategies_that_were_trained_unequally_are_warned_of(tmp_path):
    runs = tmp_path / "runs"
    took(fake(runs, "exp", "uncertainty-clustering", 0, [0.70, 0.8, 0.9]), [1450, 140, 130])
    took(fake(runs, "exp", "coreset", 0, [0.65, 0.7, 0.8]), [100, 20, 130])
    took(fake(runs, "exp", "random", 0, [0.65, 0.7, 0.8]), [100, 20, 130])
    (line,) = warnings(group_of(runs))
    assert line.startswith(
        "Trained unequally: at 30 labelled images a stage took 100 steps: coreset, random; 1450 steps: "
        "uncertainty-clustering; they also differ at 60."
    )
    page = report(find_runs([runs]), tmp_path)
    assert "Trained unequally" in page.words
    assert "5 epochs: 100–1450, 20–140, 130 steps by stage" in page.words


def test_equal_steps_and_those_that_stop_early_are_not(tmp_path):
    equal, early = tmp_path / "equal", tmp_path / "early"
    for strategy in ("core", "random"):
        took(fake(equal, "exp", strategy, 0, [0.5, 0.6]), [200, 200])
    took(fake(early, "exp", "core", 0, [0.5, 0.6], **{"learner.patience": 10}), [90, 120])
    took(fake(early, "exp", "random", 0, [0.5, 0.6], **{"learner.patience": 10}), [80, 120])
    assert warnings(group_of(equal)) == warnings(group_of(early)) == []
    assert dict(settings(group_of(equal)))["A stage trains"] == "5 epochs: 200 steps"
    assert dict(settings(group_of(early)))["A stage trains"].endswith(": 80–90, 120 steps by stage")


def test_an_option_of_the_loss_on_unlabelled_images_and_the_first_stage_are_named(tmp_path):
    fake(tmp_path, "exp", "core", 0, [0.5], **{"learner.initial_epochs": 50, "learner.epoch": "unlabelled"})
    said = dict(settings(group_of(tmp_path)))["A stage trains"]
    assert said == "50 epochs at the first stage, then 5 epochs, each a pass over the unlabelled images"


def test_rows_of_a_version_before_have_the_steps_of_their_states(tmp_path):
    folder = fake(tmp_path, "exp", "core", 0, [0.5, 0.6, 0.7])
    (folder / "state").mkdir()
    for stage, members in ((0, [24]), (1, [6, 8])):
        fits = [{"seconds": 1.0, "checkpoint": "best.ckpt", "steps": steps} for steps in members]
        state = {f"fit-{member}" if member else "fit": fit for member, fit in enumerate(fits)}
        (folder / "state" / f"stage-{stage:03d}.json").write_text(json.dumps(state))
    (folder / "state" / "stage-002.json").write_text("{")
    (run,) = find_runs([tmp_path])
    assert [row.get("steps") for row in run.rows] == [24, 8, None]
    assert dict(settings(group_of(tmp_path)))["A stage trains"] == "5 epochs: 24, 8 steps by stage"


def test_the_size_of_a_batch_is_a_difference_and_workers_are_none(tmp_path):
    fake(tmp_path, "exp", "core", 0, [0.5], **{"loader.batch_size": 8, "loader.workers": 2})
    fake(tmp_path, "exp", "random", 0, [0.5], **{"loader.batch_size": 16, "loader.workers": 4})
    (line,) = [line for line in notes(group_of(tmp_path)) if "differs" in line]
    assert line == "Beside the strategy, loader.batch_size differs: 8 (core); 16 (random)."


def test_an_ensemble_against_single_networks_is_warned_of(tmp_path):
    for place, tested in (("ensemble", "ensemble"), ("member", "member"), ("before", None)):
        committee = {"learner.committee.members": 4, "learner.committee.bootstrap": True}
        if tested is not None:
            committee["learner.committee.tested"] = tested
        fake(tmp_path / place, "exp", "asa", 0, [0.5], **committee)
        fake(tmp_path / place, "exp", "random", 0, [0.5])
    group = group_of(tmp_path / "member")
    assert warnings(group) == []
    assert dict(settings(group))["Tested"] == "one network of the committee of 4 (asa); one network (random)"
    assert "5 epochs, 4 learners, all but the first on bootstraps" in dict(settings(group))["A stage trains"]
    for place in ("ensemble", "before"):
        (line,) = warnings(group_of(tmp_path / place))
        assert line.startswith(
            "Tested unequally: the ensemble of the committee of 4 (asa); one network (random). An ensemble"
        )
    fake(tmp_path / "alone", "exp", "random", 0, [0.5])
    assert "Tested" not in dict(settings(group_of(tmp_path / "alone")))
    fake(tmp_path / "glands", "exp", "random", 0, [0.5], **{"learner.committee.members": 4})
    assert dict(settings(group_of(tmp_path / "glands")))["Tested"] == "the ensemble of the committee of 4"
