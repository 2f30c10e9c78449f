"""Blocks of shell commands, run by bash; `repertoire` in them is answered by this process.

A command of its own would import torch each time, for seconds. So the `repertoire` that bash finds sends its arguments
here, through a socket, and prints what comes back. Trainings stop after two steps.
"""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from hub.cli import main

_SENDER = """#!{python} -IS
import json, os, socket, sys
given = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
asked = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ), "given": given}}
with socket.socket(socket.AF_UNIX) as to:
    to.connect(os.environ["ANSWERED_AT"])
    to.sendall(json.dumps(asked).encode())
    to.shutdown(socket.SHUT_WR)
    answer = json.loads(b"".join(iter(lambda: to.recv(65536), b"")))
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""


class Shell:
    """Runs blocks in one folder. tools: an empty folder, for the `repertoire` that bash finds."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self._printed = tools / "printed"
        sender = tools / "repertoire"
        sender.write_text(_SENDER.format(python=sys.executable))
        sender.chmod(0o755)
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {**os.environ, "PATH": path, "REPERTOIRE_KEY_PASSWORD": "asked for at a terminal"}

    def run(self, text: str) -> str:
        """Run a block; what it printed. Raises AssertionError where a command of it fails."""
        # A socket's path may have about a hundred characters; the folders of tests are longer.
        with TemporaryDirectory(prefix="docs") as short, self._printed.open("w+") as printed:
            address = str(Path(short, "socket"))
            with socket.socket(socket.AF_UNIX) as answering:
                answering.bind(address)
                answering.listen()
                answering.settimeout(0.05)
                process = subprocess.Popen(
                    ["bash", "-euo", "pipefail", "-c", text],
                    cwd=self.folder,
                    env=self._environment | {"ANSWERED_AT": address},
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                )
                while process.poll() is None:
                    with suppress(TimeoutError):
                        _answer(answering.accept()[0])
            printed.seek(0)
            told = printed.read()
        assert process.returncode == 0, f"exit code {process.returncode}\n{told}"
        return told


def _answer(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(None)
        asked = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
        connection.sendall(json.dumps(repertoire(**asked)).encode())


def repertoire(
    arguments: list[str], folder: str, environment: Mapping[str, str], given: str
) -> dict[str, Any]:
    """One command line, as a process of its own would see it: exit code, standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as here,
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        here.chdir(folder)
        here.setattr(sys, "stdin", io.StringIO(given))
        for name, value in environment.items():
            here.setenv(name, value)
        main([*arguments, *_shorter(arguments)])
    return {"code": left.value.code, "out": out.getvalue(), "err": err.getvalue()}


def _shorter(arguments: Sequence[str]) -> list[str]:
    """Further arguments, with which a training ends soon. A file of jobs takes none."""
    trains = arguments[0] in ("train", "tune") and not arguments[1].startswith("jobs")
    return ["--set", "train.max_steps=2"] if trains else []
