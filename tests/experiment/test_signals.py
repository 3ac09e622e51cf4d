"""A signal ends a run within a batch in every phase, with the exit code of its number, and the run goes on."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from pathlib import Path
from typing import Any

import foreground
import pytest
import slow_parts
from experiment_runs import QUIET, without_times

from al_lightning import experiment
from al_lightning.cli import main
from al_lightning.config import load
from al_lightning.core import handling, stopping
from al_lightning.core.run_folder import RunFolder

PHASES = (
    "load",
    "decode",
    "probe",
    "overlap",
    "fit-training_step",
    "fit-validation_step",
    "validate-validation_step",
    "test-test_step",
    "predict-predict_step",
    "pseudo",
    "select",
    "swallowed",
    "report",
)
SOON = 5.0
"""Seconds: one file of the phases "decode" and "overlap" takes 2, the other batches 0.02."""


@pytest.fixture(autouse=True)
def default_handlers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As in the foreground. The way out alone is tested here, not the end by force."""
    monkeypatch.setattr(handling, "GRACE", 50.0)
    before = foreground.restore()
    slow_parts.clear()
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)
    slow_parts.clear()


@pytest.fixture
def slow(tiny: dict[str, Any]) -> dict[str, Any]:
    """A config whose parts are those of `slow_parts`."""
    tiny["dataset"]["name"] = "slow_parts:data"
    tiny["learner"] = {"name": "slow_parts:learner"}
    tiny["strategy"] = {"name": "slow_parts:strategy"}
    tiny["budget"]["stages"] = 2
    return tiny


def handlers() -> list[Any]:
    return [signal.getsignal(signum) for signum in stopping.SIGNALS]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def stop(config: Path, phase: str, signum: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float]:
    """Exit code of a run that gets the signal in this phase, and the seconds until it ended."""
    monkeypatch.setenv("AL_SLOW", f"{phase}:{int(signum)}")
    before = handlers()
    code = main(["run", str(config)])
    ended = time.monotonic()
    assert slow_parts.begun, f"the run never came to {phase}"
    seconds = ended - slow_parts.begun[0]
    assert handlers() == before
    slow_parts.clear()
    return code, seconds


def table() -> list[Any]:
    """Every phase with SIGTERM, and the others of the signals with some of them."""
    some = {signal.SIGINT: PHASES[::2], signal.SIGUSR1: PHASES[3::5], signal.SIGHUP: PHASES[4::6]}
    pairs = [(phase, signal.SIGTERM) for phase in PHASES]
    pairs += [(phase, signum) for signum, phases in some.items() for phase in phases]
    return [pytest.param(phase, signum, id=f"{phase}-{signum.name}") for phase, signum in pairs]


@pytest.fixture(scope="module")
def unstopped() -> dict[str, Any]:
    """Rows of the run that nothing stops, once for all tests."""
    return {}


@pytest.mark.parametrize(("phase", "signum"), table())
def test_a_signal_in_a_phase_ends_the_run_and_it_goes_on(
    phase, signum, slow, write_config, monkeypatch, capfd, unstopped
):
    path = write_config(slow)
    if "rows" not in unstopped:
        unstopped["rows"] = without_times(experiment.run(load([path], ["name=whole"]), QUIET).rows())
    capfd.readouterr()
    code, seconds = stop(path, phase, signum, monkeypatch)
    assert code == 128 + signum
    assert seconds < SOON
    folder = experiment.run_folder(experiment.complete(load([path])))
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("al-lightning: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"al-lightning: stopped by {signum.name}")
    left = files(folder.path) if folder.path.exists() else set()
    assert not [name for name in left if name.endswith(".tmp")]
    if phase in ("load", "decode", "probe", "overlap"):
        assert left == set()
        assert main(["run", str(path)]) == 0
    else:
        command = lines[0].split("go on with: ")[1]
        assert shlex.split(command) == ["al-lightning", "resume", str(folder.path)]
        assert main(shlex.split(command)[1:]) == 0
    assert without_times(folder.rows()) == unstopped["rows"]
    assert folder.report.is_file()
    assert not [name for name in files(folder.path) if name.endswith(".tmp")]


def test_other_commands_end_too(slow, write_config, monkeypatch, capfd, tmp_path):
    path = write_config(slow)
    monkeypatch.setenv("AL_SLOW", f"load:{int(signal.SIGINT)}")
    assert main(["check", str(path)]) == 130
    folder = experiment.run(load([path]), QUIET)
    slow_parts.clear()
    monkeypatch.setenv("AL_SLOW", f"load:{int(signal.SIGTERM)}")
    assert main(["report", str(folder.path), "-o", str(tmp_path / "report.html")]) == 143
    assert list(tmp_path.glob("*report*")) == []
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    assert "al-lightning: stopped by SIGINT\n" in errors


def test_in_the_second_learner_of_a_committee(slow, write_config, monkeypatch):
    slow["learner"]["committee"] = {"members": 2}
    path = write_config(slow)
    whole = without_times(experiment.run(load([path], ["name=whole"]), QUIET).rows())
    code, seconds = stop(path, "fit-1", signal.SIGTERM, monkeypatch)
    assert (code, seconds < SOON) == (143, True)
    assert main(["run", str(path)]) == 0
    assert without_times(experiment.run_folder(experiment.complete(load([path]))).rows()) == whole


def test_in_the_trainer_of_vaal(slow, write_config, monkeypatch):
    slow["strategy"]["name"] = "slow_parts:vaal"
    path = write_config(slow)
    whole = without_times(experiment.run(load([path], ["name=whole"]), QUIET).rows())
    code, seconds = stop(path, "vaal", signal.SIGINT, monkeypatch)
    assert (code, seconds < SOON) == (130, True)
    assert main(["run", str(path)]) == 0
    assert without_times(experiment.run_folder(experiment.complete(load([path]))).rows()) == whole


@pytest.mark.parametrize(
    ("signum", "expected"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["INT", "TERM"]
)
def test_a_library_raises_what_python_users_know_and_leaves_no_handler(
    signum, expected, slow, write_config, monkeypatch
):
    monkeypatch.setenv("AL_SLOW", f"fit-training_step:{int(signum)}")
    before, hook, wakeup = handlers(), __import__("sys").unraisablehook, signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    path = write_config(slow)
    with pytest.raises(expected) as raised:
        experiment.run(load([path]), QUIET)
    if expected is SystemExit:
        assert raised.value.code == 143
    else:
        assert "al-lightning resume" in str(raised.value)
    assert handlers() == before
    assert __import__("sys").unraisablehook is hook
    assert signal.set_wakeup_fd(-1) == wakeup
    slow_parts.clear()
    time.sleep(0.1)
    assert "signals" not in [thread.name for thread in threading.enumerate()]
    assert len(experiment.run(load([path]), QUIET).rows()) == 2


def test_another_thread_installs_nothing(slow, write_config):
    seen: list[Any] = []
    before = handlers()

    def work() -> None:
        config = load([write_config(slow)])
        experiment.run(config, QUIET)
        seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_handlers_of_the_program_around_stay_its_own():
    def theirs(signum: int, frame: Any) -> None: ...

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with stopping.stoppable():
            assert signal.getsignal(signal.SIGTERM) is theirs
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_ignored_signal_stays_ignored():
    """As SIGINT in a job that a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_write_is_finished_before_the_signal_is_raised():
    done = []

    def work() -> None:
        with stopping.stoppable():
            with stopping.held():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.05)
                done.append("written")
            done.append("never")

    with pytest.raises(stopping.Stopped):
        work()
    assert done == ["written"]


def test_rows_are_whole_where_a_signal_comes_while_one_is_written(slow, write_config, monkeypatch):
    original = RunFolder.append_row

    def slow_write(self: RunFolder, row: Any) -> None:
        slow_parts.begun.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        original(self, row)

    monkeypatch.setattr(RunFolder, "append_row", slow_write)
    path = write_config(slow)
    assert main(["run", str(path)]) == 143
    folder = experiment.run_folder(experiment.complete(load([path])))
    assert len(folder.rows()) == 1
