"""`repertoire serve` as a process: what it says, how it drains, what a second signal does, and where it may listen."""

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import Hub
from hub.feedback import Feedback
from hub.feedback.tables import impressions, outcomes
from hub.server import Keys, running
from tests.clock import LIMIT, until
from tests.hub.conftest import Run
from tests.hub.feedback.made import stored

ROOT = Path(__file__).parents[3]


@contextmanager
def process(hub: Path, *options: str, log: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, on the starter, and where it answers. log: a file for its lines."""
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
    with (
        open(log, "w") if log else nullcontext(subprocess.PIPE) as errors,  # type: ignore[attr-defined]
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as server,
    ):
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
    for seed in (1, 2):
        hub.publish(voice(base, seed), "acme/spring/behavior")
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


def test_a_signal_among_many_requests_loses_none_that_was_begun(starter_hub: Path) -> None:
    """Each is answered in full, is told to ask again, or finds nobody at the door any more; none is cut off."""
    found: list[int | type[httpx.TransportError]] = []
    body = {"reference": "acme/spring/behavior", "texts": ["late again", "thanks"]}
    with process(starter_hub, "--drain", "60") as (server, url):

        def ask(_: int) -> None:
            with httpx.Client(base_url=url, timeout=LIMIT) as http:
                while not found or isinstance(found[-1], int):
                    try:
                        answer = http.post("/v1/analyze", json=body)
                        assert answer.status_code == 503 or len(answer.json()["analyses"]) == 2
                        found.append(answer.status_code)
                    except httpx.TransportError as error:  # the door is closed
                        found.append(type(error))

        with ThreadPoolExecutor(16) as threads:
            asking = [threads.submit(ask, number) for number in range(16)]
            until(lambda: found.count(200) > 50 or any(each.done() for each in asking))
            server.send_signal(signal.SIGTERM)
        for each in asking:
            each.result()
        assert server.wait(LIMIT) == 0 and server.stderr is not None
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]
    told = [each["status"] for each in lines if each.get("path") == "/v1/analyze"]
    assert set(told) <= {200, 503}
    assert told.count(200) == found.count(200) > 50
    assert told.count(503) == found.count(503)


def test_a_killed_server_leaves_a_whole_hub_and_nothing_acknowledged_is_lost(
    starter_hub: Path, tmp_path: Path
) -> None:
    """Killed while it answers, logs, takes feedback and moves an alias. The next one follows the aliases, though it can
    write no line of its own."""
    name, folder = "acme/spring/behavior", tmp_path / "hub"
    shutil.copytree(starter_hub, folder)
    Hub(folder).set_alias(name, "production", 1)
    seen, acknowledged, moves = [], [], [1]
    logged = {"reference": f"{name}@production", "texts": ["so late"], "log": True, "on_disk": True}
    with process(folder) as (server, url):

        def tell(_: int) -> None:
            with suppress(httpx.TransportError), httpx.Client(base_url=url, timeout=LIMIT) as http:
                while True:
                    id = http.post("/v1/analyze", json=logged).json()["impression"]
                    seen.append(id)
                    told = {"impression": id, "kind": "label", "text": "glad"}
                    assert http.post("/v1/feedback", json=told).json()["taken"] == 1
                    acknowledged.append(id)

        def move() -> None:
            with suppress(httpx.TransportError), httpx.Client(base_url=url, timeout=LIMIT) as http:
                while True:
                    to = 3 - moves[-1]
                    page = http.get(f"/page/move/{name}?alias=production&to={to}").text
                    form = dict(re.findall(r'name="(csrf|alias|to|expect)" value="([^"]*)"', page))
                    assert http.post(f"/page/move/{name}", data={**form, "why": "a test"}).status_code == 303
                    moves.append(to)

        with ThreadPoolExecutor(5) as threads:
            working = [*(threads.submit(tell, number) for number in range(4)), threads.submit(move)]
            until(lambda: len(acknowledged) > 20 < len(moves) * 4 or any(each.done() for each in working))
            server.kill()
        for each in working:
            each.result()
    hub = Hub(folder)
    assert hub.verify().findings == []
    meant = hub.resolve(f"{name}@production").number
    there = [each.version for each in hub.history(name, "production") if each.alias]
    assert there[: len(moves)] == moves and len(there) - len(moves) in (0, 1), "one may have been on its way"
    assert meant == there[-1]
    log = Feedback(hub)
    assert {each["id"] for each in stored(log, impressions)} >= set(seen)
    assert {each["impression"] for each in stored(log, outcomes)} >= set(acknowledged)
    log.close()
    # Its lines go to a disk that is full, which ends no request.
    with process(folder, log="/dev/full") as (_, url), httpx.Client(base_url=url, timeout=LIMIT) as http:

        def label(reference: str) -> Any:
            return http.post("/v1/analyze", json={"reference": reference, "texts": ["so late"]}).json()

        first, second = label(f"{name}@1"), label(f"{name}@2")
        assert first["analyses"] != second["analyses"]
        assert label(f"{name}@production") == (first, second)[meant - 1]
        hub.set_alias(name, "production", 3 - meant)
        until(lambda: label(f"{name}@production") == (first, second)[2 - meant])


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


def test_collecting_garbage_passes_over_what_was_loaded_before_it_serves() -> None:
    held = [[number] for number in range(1000)]
    try:
        running.settle()
        assert gc.get_freeze_count() > len(held)
        assert not any(each is held for each in gc.get_objects())
    finally:
        gc.unfreeze()
