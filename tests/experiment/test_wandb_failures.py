"""W&B is neither waited for nor told secrets, whatever its server or the config does."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import wandb
from experiment_runs import run

from al_lightning.experiment import wandb_logger
from al_lightning.experiment.wandb_logger import PatientWandbLogger, project_name, shortened

KEY = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for connection in taken:
            connection.close()


def test_names_that_wandb_refuses_are_replaced(caplog):
    assert project_name("a/b:c") == "a-b-c"
    assert "logging.wandb.project='a/b:c'" in caplog.text
    long = shortened("x" * 65, 64)
    assert len(long) == 64
    assert long != shortened("x" * 66, 64)
    assert shortened("x" * 64, 64) == "x" * 64


def test_a_run_whose_names_wandb_refuses_is_logged(tiny, write_config, caplog):
    tiny["logging"]["wandb"] = {"mode": "offline", "project": "group/polyps", "tags": ["t" * 100, ""]}
    folder = run(write_config(tiny))
    assert "could not start" not in caplog.text
    assert list(folder.path.glob("wandb/offline-run-*/*.wandb"))


def test_nothing_of_the_run_waits_for_a_server_that_does_not_answer(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(wandb_logger, "START", 2.0)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with silent_server() as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        wandb.teardown()  # it reads the environment once
        begin = time.monotonic()
        logger = PatientWandbLogger(
            tmp_path, "online", name="n", id="abcd1234", resume="allow", project="p", entity=None, group="g", tags=[]
        )
        for step in range(1000):
            logger.log_metrics({"x": step}, step)
        assert logger.experiment is not None
        assert time.monotonic() - begin < 1
        logger.close()
    assert sum("W&B" in record.message for record in caplog.records) == 1
    assert "the run logs offline" in caplog.text
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    monkeypatch.undo()
    wandb.teardown()


def test_the_key_is_in_no_file_of_a_run(tiny, write_config, tmp_path):
    """A whole process, because W&B reads its environment once."""
    tiny["logging"] |= {"wandb": {"mode": "offline"}, "csv": True, "tensorboard": True}
    path = write_config(tiny)
    script = "import sys; from al_lightning.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "run", str(path)],
        env={name: value for name, value in os.environ.items() if "WANDB_SERVICE" not in name} | {"WANDB_API_KEY": KEY},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    files = [file for file in Path(tiny["runs_dir"]).rglob("*") if file.is_file()]
    assert any("offline-run" in str(file) for file in files)
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []
    assert KEY.encode() not in done.stdout + done.stderr
