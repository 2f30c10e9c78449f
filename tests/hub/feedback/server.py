"""A PostgreSQL of this test run's own, in a temporary folder, where one is installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

import psycopg

_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),)


def missing() -> str:
    """Why there can be no server here; empty where there can."""
    if _program("initdb") is None:
        return "PostgreSQL's initdb is not installed"
    return (
        "" if os.geteuid() != 0 or _other() is not None else "there is no other user to run it as than root"
    )


class Postgres:
    """A server that listens on a socket in its folder only. It is trusted, and its disk is not synced."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, _other())
        data = self.folder / "data"
        self._call("initdb", "-D", data, "-A", "trust", "-U", "loop", "-E", "UTF8", "--no-sync", "--locale=C")
        self.start()

    def start(self) -> None:
        """From the folder, as it was left."""
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
        self._call(
            "pg_ctl", "-D", self.folder / "data", "-w", "-o", options, "-l", self.folder / "log", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """fast: as an operator would; immediate: as a power cut."""
        self._call("pg_ctl", "-D", self.folder / "data", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        """End it, and erase its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> str:
        """The URL of a new, empty schema, which is as good as a database and made at once."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(host=str(self.folder), user="loop", dbname="postgres", autocommit=True) as admin:
            admin.execute(f"CREATE SCHEMA {name}".encode())
        return f"postgresql+psycopg://loop@/postgres?host={self.folder}&options=-csearch_path%3D{name}"

    def _call(self, program: str, *arguments: object) -> None:
        who: dict[str, Any] = {"user": _other()} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(_program(program)), *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            text=True,
            **who,
        )
        assert done.returncode == 0, done.stderr


def _program(name: str) -> Path | None:
    found = next((place / name for place in _PLACES if (place / name).exists()), None)
    known = shutil.which(name)
    return found or (Path(known) if known else None)


def _other() -> str | None:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)
