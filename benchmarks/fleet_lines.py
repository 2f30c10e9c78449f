"""A fleet as an operator starts it: two nodes and the command of docs/how-to/fleet.md, all on this machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import psutil

from adapters import Base
from hub import Hub, Registry
from hub.server import Keys, Scope, listen
from tests.hub.voices import voice

ROOT = Path(__file__).parents[1]
ADAPTERS = [f"acme/c{at}/behavior" for at in range(6)]
SILENCE, LONG = 120.0, 900.0
PARTS = {"Replica": 2, "Front": 2, "Counting": 1, "ProxyActor": 2}
BY_HAPROXY = PARTS | {"ProxyActor": 1, "HAProxyManager": 2, "HAProxy": 2}
"""With --haproxy: one proxy of Ray's stays, and an HAProxy may end beside its successor, so that there are more."""
NODE = ("--num-cpus", "1", "--object-store-memory", str(100 * 2**20), "--block")
ABOUT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "300",  # on a busy machine it is not ready in five
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": token_hex(32),
}
Answers = dict[str, dict[str, float]]
"""Fingerprint of a version -> its probabilities."""


class Fleet:
    """Two nodes and the command. running: what was started and not killed, by its name; wanted: how many processes of
    each kind there are in one that is whole."""

    def __init__(self, folder: Path, base: Base, haproxy: bool = False) -> None:
        self.folder = folder
        self.wanted = BY_HAPROXY if haproxy else PARTS
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._haproxies: set[psutil.Process] = set()  # one lives on when what looks after it dies
        self.hub = Hub(folder / "hub")
        for seed, name in enumerate(ADAPTERS):
            for version in (1, 2):
                self.hub.publish(voice(base, 10 * version + seed), name)
            self.hub.set_alias(name, "production", 1)
        self.registry = Registry(self.hub, base)
        _, self.key = Keys(Path(f"{folder / 'hub'}.keys")).new("acme", Scope.operate)
        with listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as other:
            self.port, port = (int(each.getsockname()[1]) for each in (one, other))
        self.url, address = f"http://127.0.0.1:{port}", f"127.0.0.1:{self.port}"
        ray = (str(Path(sys.executable).with_name("ray")), "start")
        head = ("--head", "--port", str(self.port), "--include-dashboard", "false")
        serve = f"serve --hub {folder / 'hub'} --ray {address} --replicas 2 --port {port}".split()
        serve += ["--haproxy"] if haproxy else []
        self.lines = {
            "head": (*ray, *head, "--temp-dir", str(folder / "ray"), *NODE),
            "second": (*ray, "--address", address, *NODE),
            "command": (sys.executable, "-c", "from hub.cli import main; main()", *serve),
        }

    @cached_property
    def right(self) -> dict[str, Answers]:
        """What each adapter may answer, as one registry does: by the fingerprint of each of its versions."""
        return {
            name: {
                self.hub.resolve(each).digest[:16]: dict(self.registry.analyze(each, "good")[0].probabilities)
                for each in (f"{name}@1", f"{name}@2")
            }
            for name in ADAPTERS
        }

    def http(self) -> httpx.Client:
        """A client with a key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SILENCE)

    def start(self) -> None:
        """What does not run; back when it answers as a whole. On a busy machine Ray gives a node up that is not there
        in half a minute: it is started again, as an operator would."""
        until(self._is_started)

    def kill(self, *names: str) -> None:
        """At once, with all that they started."""
        dead = [self.running.pop(name) for name in names if name in self.running]
        tops = [psutil.Process(each.pid) for each in dead if each.poll() is None]
        for each in [process for top in tops for process in (top, *top.children(recursive=True))]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        for one in dead:
            one.wait()

    def end(self) -> None:
        """The command by its signal, and both nodes."""
        if "command" in self.running:
            self.running["command"].terminate()
            with suppress(subprocess.TimeoutExpired):
                self.running["command"].wait(60)
        self.kill(*self.lines)
        for each in self._haproxies:
            with suppress(psutil.NoSuchProcess):
                each.kill()

    def have(self, version: str) -> int:
        """How many replicas have a version."""
        with self.http() as http:
            return sum(each["adapter"] == version for each in http.get("/v1/residency").json()["adapters"])

    def parts(self) -> dict[str, set[int]]:
        """Processes of each kind."""
        found: dict[str, set[int]] = {name: set() for name in self.wanted}
        for node in ("head", "second"):
            with suppress(psutil.NoSuchProcess, KeyError):
                for each in psutil.Process(self.running[node].pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        words = " ".join(each.cmdline())
                        for name in self.wanted:
                            begins = (f"ray::{name}", f"ray::ServeReplica:repertoire:{name}")
                            if words.startswith(begins) or (name == "HAProxy" and "/haproxy -db" in words):
                                found[name].add(each.pid)
                                self._haproxies |= {each} if name == "HAProxy" else set()
        return found

    def is_whole(self) -> bool:
        """Whether everything runs, and the replicas know of each other."""
        parts = self.parts()
        here = {name: min(len(each), 2) if name == "HAProxy" else len(each) for name, each in parts.items()}
        if here != self.wanted:
            return False
        try:
            with self.http() as http:
                told = http.get("/v1/residency").json()["replicas"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        return {int(each["node"].rpartition(":")[2]) for each in told} == parts["Replica"]

    def state(self) -> dict[str, Any]:
        """What a client finds there."""
        with self.http() as http:
            models = sorted(each["id"] for each in http.get("/v1/models").json()["data"])
            production = [
                http.post("/v1/analyze", json={"reference": f"{name}@production", "texts": ["good"]}).json()
                for name in ADAPTERS
            ]
        return {
            "models": models,
            "production": [each["system_fingerprint"] for each in production],
            "without a key": httpx.get(f"{self.url}/v1/models", timeout=SILENCE).status_code,
        }

    def _is_started(self) -> bool:
        for name, line in self.lines.items():
            if name not in self.running or self.running[name].poll() is not None:
                with (self.folder / name).open("ab") as told:
                    self.running[name] = subprocess.Popen(
                        line, stdout=told, stderr=told, cwd=ROOT, env=os.environ | ABOUT
                    )
            if name == "head" and not self._is_reached():
                return False
        return self.is_whole()

    def _is_reached(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def until(true: Callable[[], object]) -> None:
    """Wait for a state."""
    ends = time.monotonic() + LONG
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.2)
