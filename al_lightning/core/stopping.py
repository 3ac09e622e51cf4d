"""Signals that stop a run: SIGINT, SIGTERM, SIGUSR1 (SLURM's warning before a time limit) and SIGHUP.

The first one raises `Stopped` in the main thread, so that files are closed, loggers flushed and worker processes ended
on the way out. A thread sees to it that the process ends even where Python gets no control: after `GRACE` seconds, or
at once with a second signal. Ending without the way out loses nothing that is finished, because a run can be killed at
any moment.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from al_lightning.core.handling import GRACE, SIGNALS, Handling, Launcher, Stopped


@contextmanager
def stoppable() -> Iterator[None]:
    """Signals that come in this block leave it as `Stopped`.

    Handlers replace only the default ones: a signal that is ignored (SIGINT of a background job, SIGHUP under nohup)
    stays ignored, and that of a program around this one stays its own. They are restored at the end. Nothing changes
    inside another such block, or in another thread than the main one.

    Raises:
        Stopped: after a signal, also where it led to another exception (a rank that has lost its peers).
    """
    global _active, _last
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handling = _active = _last = Handling()
    try:
        handling.install()
        yield
    except BaseException as error:
        if handling.first is None:
            raise
        # What the frames hold, such as the workers of loaders, ends here and not some time later.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, Stopped):
            raise
        raise handling.stopped() from error
    finally:
        _active = None
        handling.restore()


@contextmanager
def interruptible() -> Iterator[None]:
    """`stoppable` for a caller who knows nothing of `Stopped`, such as a notebook.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: after another signal; its code is 128 + the signal's number.
    """
    inner = _active is not None
    try:
        with stoppable():
            yield
    except Stopped as stopped:
        if inner:
            raise
        if stopped.signum == signal.SIGINT:
            raise KeyboardInterrupt(stopped.advice) from None
        say(stopped)
        raise SystemExit(stopped.code) from None


@contextmanager
def held() -> Iterator[None]:
    """A block that a signal does not interrupt: it is raised at the end. For writes of a moment."""
    handling = _active
    if handling is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handling.holds += 1
    try:
        yield
    finally:
        handling.holds -= 1
        if handling.first is not None and not handling.holds and not handling.in_flight():
            handling.throw()


def advise(folder: Path, begun: Callable[[], bool], speaks: bool) -> None:
    """Say in `Stopped` how a run goes on.

    Args:
        folder: of the run.
        begun: whether the folder holds a run yet.
        speaks: False for a rank that is to say nothing.
    """
    if _active is not None:
        _active.speaks = speaks
        _active.advise = lambda: (
            f"go on with: al-lightning resume {shlex.quote(str(folder))}"
            if begun()
            else "the run had not begun; start it again"
        )


def is_stopping() -> bool:
    """Whether a signal has come, so that an error may be its consequence."""
    return _active is not None and _active.first is not None


def add_ranks(launcher: Launcher | None) -> None:
    """Tell the ranks that a launcher of Lightning starts about a signal too, and end them with this process."""
    if _active is not None and launcher is not None and launcher not in _active.launchers:
        _active.launchers.append(launcher)


def reassert() -> None:
    """Install the handlers again where a library has put its own before them.

    Lightning's for SIGTERM starts a collective inside the handler, which other ranks may never join.
    """
    if _active is not None and threading.current_thread() is threading.main_thread():
        _active.reassert()


def say(stopped: Stopped) -> None:
    """Print the one line about a stop, unless it was said or another rank says it."""
    if _last is not None:
        _last.say(stopped)


class Leaving:
    """How a stopped process leaves Python: made first, so that it comes last of all that is to be done at exit.

    What follows the exit functions frees process groups, which takes up to ten seconds for one that has lost its peers.
    """

    def __init__(self) -> None:
        self._code: int | None = None
        atexit.register(self._leave)

    def soon(self, code: int) -> None:
        """Have the process end with this exit code, in a few seconds also where an exit function does not return."""
        self._code = code
        timer = threading.Timer(GRACE / 2, os._exit, [code])
        timer.daemon = True
        timer.start()

    def _leave(self) -> None:
        if self._code is not None:
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(self._code)


def _in_child() -> None:
    """A forked process, such as the worker of a loader, leaves it to its parent to end it."""
    global _active
    if _active is not None:
        signal.set_wakeup_fd(-1)
        for signum in _active.previous:
            signal.signal(signum, signal.SIG_DFL if signum == signal.SIGTERM else signal.SIG_IGN)
        _active = None


_active: Handling | None = None
_last: Handling | None = None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

__all__ = [
    "SIGNALS",
    "Leaving",
    "Stopped",
    "add_ranks",
    "advise",
    "held",
    "interruptible",
    "is_stopping",
    "reassert",
    "say",
    "stoppable",
]
