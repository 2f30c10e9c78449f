"""A refresh beside a server: what /ready and the log tell of it, that it goes on where it is killed, and that it never
outlives the server."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from hub import Hub
from hub.server import Plan, Refresher
from hub.server.refresher import _rounds
from tests.clock import LIMIT, until
from tests.hub.conftest import Run
from tests.hub.server.test_running import ROOT, process
from tests.hub.tiny import lora

NAMES = ("acme/spring/recommendation", "globex/launch/recommendation")


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    """A file of two campaigns, of which one is in production."""
    hub = Hub(tmp_path / "hub")
    for name in NAMES:
        hub.publish(lora(), name)
    hub.set_alias(NAMES[0], "production", 1)
    file = tmp_path / "campaigns.yaml"
    file.write_text(f"campaigns: [{{name: {NAMES[0]}}}, {{name: {NAMES[1]}}}]\n")
    return file


def test_it_is_told_goes_on_and_ends_with_the_server(campaigns: Path, tmp_path: Path) -> None:
    with process(tmp_path / "hub", "--refresh", str(campaigns), "--every", "1d") as (server, url):
        assert server.stderr is not None
        lines: list[str] = []
        reading = threading.Thread(target=lambda: lines.extend(server.stderr or ()))
        reading.start()
        with httpx.Client(base_url=url, timeout=LIMIT) as http:

            def after(rounds: int) -> dict[str, Any]:
                """How it stands after so many rounds."""
                found: list[dict[str, Any]] = []

                def looked() -> bool:
                    sleep(0.2)
                    found.append(http.get("/ready").json()["refresh"])
                    return bool(found[-1]["rounds"] == rounds)

                until(looked)
                return found[-1]

            first = after(1)
            assert first["state"] == "waits" and first["trouble"] == ""
            assert {name: each["happened"] for name, each in first["campaigns"].items()} == dict(
                zip(NAMES, ("waits", "failed"), strict=True)
            )
            assert "0 new rows" in first["campaigns"][NAMES[0]]["why"]
            assert "no production" in first["campaigns"][NAMES[1]]["why"]
            assert (tmp_path / "refresh" / "refresh.md").is_file()
            campaigns.write_text("campaigns: []\n")
            os.kill(first["process"], signal.SIGKILL)
            second = after(2)
            assert second["process"] != first["process"] and "campaigns.yaml" in second["trouble"]
            assert http.get("/health").status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT) == 0
        assert not is_there(second["process"])
        reading.join()
        said = [json.loads(line) for line in lines if line[:1] == "{"]
        told = [each["message"] for each in said if each.get("logger") == "repertoire.refresh"]
        assert told[:2] == [f"{NAMES[0]}: waits", f"{NAMES[1]}: failed"]
        assert "it ended by itself (-9)" in told[2] and told[3] == "no campaign was refreshed"


def test_it_never_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    plan = f"Plan('hub', 'starter', 'nf4', Path('none.yaml'), Path({str(tmp_path)!r}), 60.0)"
    code = (
        "import time; from pathlib import Path; from hub.server import Plan, Refresher\n"
        f"made = Refresher({plan}); made.start()\n"
        "while made.now.process is None: time.sleep(0.01)\n"
        "print(made.now.process, flush=True); time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        server.kill()
        until(lambda: not is_there(child))


def test_where_no_process_can_be_had_it_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    class Spawn:
        def Pipe(self, duplex: bool) -> Any:
            tries.append(duplex)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("hub.server.refresher._SPAWN", Spawn())
    monkeypatch.setattr("hub.server.refresher._PAUSES", (0.001, 0.002))
    made = Refresher(Plan("hub", "starter", "nf4", Path("none.yaml"), tmp_path, 60.0))
    made.start()
    until(lambda: len(tries) > 3)
    made.close()
    assert made.now.state == "ended" and made.now.process is None
    told = [each.getMessage() for each in caplog.records if each.name == "repertoire.refresh"]
    assert all(os.strerror(errno.EMFILE) in each for each in told)
    assert [each.rpartition(" in ")[2] for each in told[:3]] == ["0.001 s", "0.002 s", "0.002 s"]


def test_who_trains_is_whom_the_plan_names(
    campaigns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    class Refreshes:
        def __init__(self, *arguments: Any) -> None:
            given.extend(arguments)

        def run(self, _: Any) -> list[Any]:
            return []

    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    monkeypatch.setattr("adapters.load_base", lambda *_: None)
    monkeypatch.setattr("hub.feedback.refreshing.Refresh", Refreshes)
    monkeypatch.setattr("os.nice", lambda _: 0)

    def trains(*_: Any, **__: Any) -> list[Any]:
        return []

    plan = Plan(str(tmp_path / "hub"), "starter", "nf4", campaigns, tmp_path, 1.0, None, trains)
    rounds = _rounds(plan)
    assert (next(rounds), next(rounds)) == (None, [])
    assert trains in given


def is_there(process: int) -> bool:
    """Whether a process runs, and is no more than a number that nobody has asked for."""
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_file_that_is_none_is_told_before_anything_is_loaded(run: Run, campaigns: Path) -> None:
    campaigns.write_text("campaigns: [{name: acme}]\n")
    code, _, error = run("serve", "--hub", "hub", "--refresh", str(campaigns))
    assert code != 0 and "acme" in error
    code, _, error = run("serve", "--hub", "hub", "--refresh", str(campaigns), "--every", "soon")
    assert code != 0
