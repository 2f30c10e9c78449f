"""`repertoire serve` as a process: what it says, how it drains, what a second signal does, and where it may listen."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import Hub
from hub.server import Keys
from tests.clock import LIMIT
from tests.hub.conftest import Run

ROOT = Path(__file__).parents[3]


@contextmanager
def process(hub: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, on the starter, and where it answers."""
    command = [
        sys.executable,
        "-c",
        "from hub.cli import main; main()",
        "serve",
        "--hub",
        str(hub),
        "--port",
        "0",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        watchdog = threading.Timer(LIMIT, server.kill)
        watchdog.start()
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"http://\S+?:\d+", line)
            assert found, (line, server.communicate())
            yield server, found[0]
        finally:
            watchdog.cancel()
            server.kill()


@pytest.fixture(scope="module")
def starter_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One adapter that writes at its base's pace, on the starter: what is slow enough to be interrupted."""
    from adapters import load_base
    from recipes import Recipe, train
    from tests.hub.voices import voice

    folder = tmp_path_factory.mktemp("starter")
    base = load_base("starter", "nf4")
    hub = Hub(folder / "hub")
    hub.publish(voice(base, 1), "acme/spring/behavior")
    (folder / "copies.csv").write_text(
        "product,copy\n" + "".join(f"mug {i},Buy mug {i}!\n" for i in range(30))
    )
    recipe = Recipe.load(
        "ad-copy", **{"train.epochs": 1, "data.repeats": "keep", "write.max_new_tokens": 400}
    )
    hub.publish(train(recipe, folder / "copies.csv", base), "acme/spring/ad-copy")
    return folder / "hub"


def test_a_signal_drains_and_nothing_accepted_is_lost(starter_hub: Path) -> None:
    with process(starter_hub, "--drain", "60") as (server, url):
        answers: list[Any] = []

        def ask() -> None:
            body = {
                "model": "acme/spring/ad-copy",
                "prompt": "mug",
                "n": 8,
                "temperature": 2.0,
                "max_tokens": 300,
            }
            answers.append(httpx.post(f"{url}/v1/completions", json=body, timeout=LIMIT))

        with httpx.Client(base_url=url, timeout=LIMIT) as http:
            ready = http.get("/ready").json()
            assert ready["ready"] and ready["base"] == "starter"
            asking = threading.Thread(target=ask)
            asking.start()
            while not http.get("/v1/residency").json()["writing"]:
                pass
            server.send_signal(signal.SIGTERM)
            while (refused := http.get("/ready")).status_code == 200:
                pass
            assert refused.json()["draining"] and http.get("/health").status_code == 200
            late = http.post("/v1/classify", json={"model": "acme/spring/behavior", "input": "a"})
            assert late.status_code == 503 and int(late.headers["retry-after"]) >= 1
        asking.join()
        assert answers[0].status_code == 200 and len(answers[0].json()["choices"]) == 8
        assert server.wait(LIMIT) == 0
        assert server.stderr is not None
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]
        assert [each["status"] for each in lines if each["call"] == "write"] == [200]


def test_what_is_not_done_in_time_is_told_and_a_second_signal_ends_at_once(starter_hub: Path) -> None:
    body = {"model": "acme/spring/ad-copy", "prompt": "mug", "n": 32, "temperature": 2.0, "max_tokens": 400}
    with process(starter_hub, "--drain", "0") as (server, url):
        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/completions", json=body, timeout=LIMIT))
        )
        asking.start()
        with httpx.Client(base_url=url, timeout=LIMIT) as http:
            while not http.get("/v1/residency").json()["writing"]:
                pass
        server.send_signal(signal.SIGINT)
        asking.join()
        assert answers[0].status_code in (200, 503)
        assert server.wait(LIMIT) == 0
    with (
        process(starter_hub, "--drain", "3600") as (server, url),
        httpx.Client(base_url=url, timeout=LIMIT) as http,
        http.stream("POST", "/v1/completions", json={**body, "stream": True}) as stream,
    ):
        next(stream.iter_lines())
        server.send_signal(signal.SIGTERM)
        while http.get("/ready").status_code == 200:
            pass
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT) == 128 + signal.SIGTERM


def test_beyond_this_machine_only_with_a_key(run: Run, market: Hub, tmp_path: Path) -> None:
    code, _, error = run("serve", "--hub", "nothing", "--host", "0.0.0.0")
    assert code == 2 and "keys new" in error and "--insecure" in error
    code, _, error = run("serve", "--hub", "nothing")
    assert code == 3 and "nothing" in error


def test_keys_on_the_command_line(run: Run) -> None:
    code, out, _ = run(
        "keys", "new", "acme", "--scope", "operate", "--expires", "90d", "--also", "globex/launch"
    )
    assert code == 0
    secret, *_ = out.splitlines()
    found = Keys(Path("campaigns.keys")).find(secret)
    assert found is not None and found.scope.name == "operate" and found.shared == ("globex/launch",)
    code, out, _ = run("keys", "ls", "--json")
    (listed,) = json.loads(out)
    assert listed["id"] == found.id and listed["counts"] and secret not in out
    assert run("keys", "revoke", found.id)[0] == 0
    assert "revoked" in run("keys", "ls")[1]
    for wrong in (("new", "../up"), ("new", "acme", "--expires", "soon"), ("revoke", "nothing")):
        assert run("keys", *wrong)[0] == 2
    assert run("keys", "ls", "--hub", "s3://bucket/hub")[0] == 2
