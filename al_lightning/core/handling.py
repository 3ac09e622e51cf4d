"""The handlers of signals that stop a run, and the thread that watches them. `core/stopping.py` uses them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Protocol

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
GRACE = 8.0
"""Seconds from the first signal to the end of the process at the latest. `docker stop` kills after 10, SLURM after
30."""
SECOND = 1.0
"""Seconds after the first signal from which another one ends at once. Launchers, terminals and schedulers may send
several for one wish."""
RANKS = 1.0
"""Seconds that other ranks on this machine have to end after the first one."""
POLL = 0.25
"""Seconds between looks at whether the main thread is on its way out."""


class Stopped(BaseException):
    """A signal asked the process to stop.

    No Exception, so that nothing on the way takes it for a failure that can be handled; and no KeyboardInterrupt, which
    Lightning answers by leaving the program with exit code 1.
    """

    def __init__(self, signum: int, advice: str = "") -> None:
        super().__init__(signum, advice)
        self.signum = signum
        self.advice = advice
        """What to do next, for the user; empty where nothing is known."""

    @property
    def code(self) -> int:
        """The exit code: 128 + the signal's number, as of a shell."""
        return 128 + self.signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}" + (f"; {self.advice}" if self.advice else "")


class Launcher(Protocol):
    """What has started other ranks as processes: the launchers of Lightning."""

    def kill(self, signum: Any) -> None: ...


class Handling:
    """The handlers of one block, and the thread that watches them."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.holds = 0
        self.launchers: list[Launcher] = []
        self.advise: Callable[[], str] = lambda: ""
        self.speaks, self.said = True, False
        self._raised: weakref.ref[Stopped] | None = None
        self.previous: dict[int, Any] = {}
        self._nudges = 0
        self._told = False
        self._over = False
        self._late: int | None = None
        self._lock = threading.Lock()

    def install(self) -> None:
        self._theirs, self._ours = socket.socketpair()
        self._theirs.setblocking(False)
        self._fd = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for signum in SIGNALS:
            before = signal.getsignal(signum)
            if before is signal.SIG_DFL or before is signal.default_int_handler:
                self.previous[signum] = before
                signal.signal(signum, self.handle)
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def restore(self) -> None:
        if self.first is not None:
            self._end_ranks(self.first)
        with self._lock:  # from here on the thread sends no signal
            self._over = True
        for signum, before in self.previous.items():
            if signal.getsignal(signum) == self.handle:
                signal.signal(signum, before)
        signal.set_wakeup_fd(self._fd, warn_on_full_buffer=False)
        sys.unraisablehook = self._hook
        self._theirs.send(b"\0")  # which ends the thread; a forked process may keep the other end open
        self._theirs.close()
        if self._late is not None and self.first is None:
            signal.raise_signal(self._late)

    def reassert(self) -> None:
        for signum in self.previous:
            signal.signal(signum, self.handle)

    def handle(self, signum: int, frame: FrameType | None) -> None:
        if self._over:
            self._late = signum
            return
        if self.first is None:
            self.first = signum
        if not self.holds and not self.in_flight():
            self.throw()

    def stopped(self) -> Stopped:
        assert self.first is not None
        return Stopped(self.first, self.advise())

    def say(self, stopped: Stopped) -> None:
        """Print the one line about a stop, unless it was said or another rank says it."""
        if self.speaks and not self.said:
            self.said = True
            # The terminal may be gone (SIGHUP).
            with contextlib.suppress(OSError):
                os.write(2, f"al-lightning: {stopped}\n".encode(errors="backslashreplace"))

    def throw(self) -> NoReturn:
        stopped = self.stopped()
        self._raised = weakref.ref(stopped)
        try:
            raise stopped
        finally:
            del stopped  # this frame is in its traceback: the cycle would keep it alive where it is swallowed

    def in_flight(self) -> bool:
        """Whether the exception is on its way; False where a `__del__` or a bare `except` has swallowed it."""
        return self._raised is not None and self._raised() is not None

    def _unraisable(self, found: Any) -> None:
        """After a signal, `__del__` of what was half made may fail; before, nothing of this is ours."""
        if self.first is None:
            self._hook(found)

    def _watch(self) -> None:
        """Read the signals as they come, also while the main thread is in C code."""
        begin: float | None = None
        signum = 0
        self._ours.settimeout(None)
        while True:
            try:
                received = self._ours.recv(16)
            except TimeoutError:
                received = None
            except OSError:
                return
            now = time.monotonic()
            if self._over:
                self._ours.close()
                return
            if received:
                if self._fd != -1:
                    with contextlib.suppress(OSError):
                        os.write(self._fd, received)
                for number in received:
                    if number not in self.previous:
                        continue
                    if self._nudges:
                        self._nudges -= 1
                    elif begin is None:
                        begin, signum = now, number
                        self._ours.settimeout(POLL)
                        self._tell_once(number)
                    elif now - begin >= SECOND:
                        self._end(signum)
            if begin is not None:
                if now - begin >= GRACE:
                    self._end(signum)
                if not received and not self.holds and not self.in_flight():
                    self._nudge(signum)

    def _nudge(self, signum: int) -> None:
        """Send the signal to the main thread, which has not begun to stop or has swallowed the exception."""
        with self._lock:
            if not self._over:
                self._nudges += 1
                signal.pthread_kill(threading.main_thread().ident or 0, signum)

    def _tell(self, signum: int) -> None:
        """Pass the signal on to the ranks that this process has started."""
        for launcher in self.launchers:
            with contextlib.suppress(Exception):
                launcher.kill(signum)

    def _tell_once(self, signum: int) -> None:
        with self._lock:
            if not self._told:
                self._told = True
                self._tell(signum)

    def _end_ranks(self, signum: int) -> None:
        """Wait for the ranks that this process has started, and kill those that do not end."""
        self._tell_once(signum)
        end = time.monotonic() + RANKS
        for launcher in self.launchers:
            for process in getattr(launcher, "procs", ()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, end - time.monotonic()))
        if hasattr(signal, "SIGKILL"):
            self._tell(signal.SIGKILL)

    def _end(self, signum: int) -> NoReturn:
        self.say(Stopped(signum, self.advise()))
        if hasattr(signal, "SIGKILL"):
            self._tell(signal.SIGKILL)
        for child in multiprocessing.active_children():
            with contextlib.suppress(Exception):
                child.kill()
        os._exit(128 + signum)
