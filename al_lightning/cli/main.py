"""The program `al-lightning`: errors of a user are one line, and exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence

from al_lightning.cli import (
    bench,
    check,
    completion,
    embed,
    experiments,
    export,
    init,
    predict,
    report,
    resume,
    run,
    select,
    show,
)
from al_lightning.cli.arguments import Parser
from al_lightning.core.files import storage_error
from al_lightning.core.run_lock import RunInUse
from al_lightning.core.stopping import Leaving, Stopped, is_stopping, say, stoppable
from al_lightning.core.waiting import Waiting
from al_lightning.version import __version__

COMMANDS = (init, run, resume, report, show, experiments, embed, select, predict, export, check, bench, completion)
"""In the order of --help."""
REJECTED = 10
"""Rejected labels that are listed."""
LONGEST = 2000
"""Characters of an error."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0; 1 where `check` found an error in the data; 2 for a mistake; 3 where people have to label images first; 70 for a
    fault of ours; 74 for a storage that is full or broken; 75 where another process works on the run; 128 + the number
    of a signal that stopped it (130 for Ctrl-C, 143 for SIGTERM).
    """
    try:
        with stoppable():
            return _main(arguments)
    except Stopped as stopped:
        say(stopped)
        return stopped.code
    except KeyboardInterrupt:  # where SIGINT has a handler of the caller
        print("al-lightning: interrupted", file=sys.stderr)
        return 130


def program() -> int:
    """`main` for a process of its own: after a signal it ends soon, whatever a library does when Python exits."""
    leave = Leaving()
    code = main()
    if code > 128:
        leave.soon(code)
    return code


def _main(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    _find_modules_here()
    # Threads that spin while they wait slow a training tenfold where another process wants the cores. It must be
    # said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*number of training batches.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except Waiting as waiting:
        print(f"al-lightning: {waiting}")
        for name, reason in list(waiting.rejected.items())[:REJECTED]:
            print(f"  rejected: {name}: {reason}")
        if len(waiting.rejected) > REJECTED:
            print(f"  and {len(waiting.rejected) - REJECTED} more rejected")
        return 3
    except (ValueError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if options.traceback or is_stopping():
            raise
        print(f"al-lightning: {_line(error)}", file=sys.stderr)
        return 75 if isinstance(error, RunInUse) else 2
    except OSError as error:
        if options.traceback or is_stopping():
            raise
        return _failed(error)
    except Exception as error:
        if options.traceback or is_stopping():
            raise
        if (storage := storage_error(error)) is not None:
            return _failed(storage)
        print(
            f"al-lightning: unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]} "
            f"(the full log is in {_log(error)}; please report it)",
            file=sys.stderr,
        )
        return 70


def parser() -> argparse.ArgumentParser:
    """The argument parser of all commands."""
    top = argparse.ArgumentParser(prog="al-lightning", description="Active learning for dense prediction.")
    top.add_argument("--version", action="version", version=__version__)
    top.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return top


def _failed(error: OSError) -> int:
    """Say what the system could not do; returns 74 where the storage is full or broken, else 2."""
    where = f"{error.filename}: " if error.filename else ""
    print(f"al-lightning: {where}{error.strerror or error}", file=sys.stderr)
    return 2 if storage_error(error) is None else 74


def _line(error: Exception) -> str:
    """What an error says, on one line; the middle of one that repeats what a file holds is left out."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def _log(error: Exception) -> str:
    """Write what happened to a file of its own; its path, or why there is none."""
    try:
        return _write_log(error)
    except OSError as failed:
        return f"no file: {failed.strerror or failed}; --traceback shows it"


def _write_log(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="al-lightning-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(f"al-lightning {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
        file.writelines(traceback.format_exception(error))
    return file.name


def _find_modules_here() -> None:
    """Let `name: package.module:Name` in a config find a file in the current folder.

    `python -m al_lightning` looks there, the installed program does not: its sys.path begins with the folder of the
    program. As `uvicorn package.module:app` does; not where Python was asked for a safe path.
    """
    here = os.getcwd()
    if here not in sys.path and not sys.flags.safe_path:
        sys.path.insert(0, here)


__all__ = ["main", "parser", "program"]
