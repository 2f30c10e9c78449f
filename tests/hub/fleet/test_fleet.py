"""A fleet on a real Ray cluster of two nodes answers as one server does, and goes on when parts of it are killed."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import count

import httpx
import openai
import pytest

from adapters import load_base
from hub import Registry
from tests.clock import LIMIT, until
from tests.hub.fleet.fleets import ADAPTERS, COPY, LONG, Fleet, running, traffic
from tests.hub.fleet.nodes import Nodes, processes
from tests.hub.voices import voice

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def fleet(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """As `running` has it, with Ray's own proxy."""
    with running(nodes, tmp_path_factory.mktemp("fleet")) as found:
        yield found


def everywhere(http: httpx.Client) -> set[str]:
    """The adapters that any replica has."""
    return {each["adapter"] for each in http.get("/v1/residency").json()["adapters"]}


def writes(http: httpx.Client) -> dict[int, int]:
    """Process of each replica -> texts that it writes."""
    told = http.get("/v1/residency").json()["replicas"]
    return {int(each["node"].rpartition(":")[2]): each["writing"] for each in told}


def test_it_answers_as_one_server_does_and_shows_its_replicas(fleet: Fleet) -> None:
    registry = Registry(fleet.hub, load_base(str(fleet.base), "none"))
    try:
        with fleet.http() as http:
            for name in (*ADAPTERS, *ADAPTERS):
                (own,) = registry.analyze(name, "good")
                (told,) = http.post("/v1/analyze", json={"reference": name, "texts": ["good"]}).json()[
                    "analyses"
                ]
                assert told["label"] == own.label
                assert told["probabilities"] == pytest.approx(own.probabilities)
            until(lambda: len(http.get("/v1/residency").json()["replicas"]) == 2)
            until(lambda: {f"{name}@1" for name in ADAPTERS} == everywhere(http))
            shown = http.get("/v1/residency").json()
            assert shown["slots"] == 32
            page = http.get("/page/load").text
            assert all(each["id"] in page for each in shown["replicas"])
            assert (
                http.post("/v1/analyze", json={"reference": "acme/no/behavior", "texts": []}).status_code
                == 404
            )
        with httpx.Client(base_url=fleet.url, timeout=LIMIT) as http:
            assert http.get("/v1/residency").status_code == 401
    finally:
        registry.close()


def test_an_alias_that_moves_is_followed_by_each_replica_and_answers_say_their_version(fleet: Fleet) -> None:
    base = load_base(str(fleet.base), "none")
    name = "acme/moves/behavior"
    for seed in (100, 101):
        fleet.hub.publish(voice(base, seed), name)
    fleet.hub.set_alias(name, "production", 1, why="first")
    registry = Registry(fleet.hub, base, follow=False)
    try:
        right = {
            fleet.hub.resolve(each).digest[:16]: registry.analyze(each, "good")[0].probabilities
            for each in (f"{name}@1", f"{name}@2")
        }
    finally:
        registry.close()
    first, second = right
    mine = {"call": "analyze", "reference": f"{name}@production", "texts": ["good"]}

    def say(near: str) -> str:
        """The version by which the replica answers that has an adapter: a batch goes where its first one is."""
        entries = [{"call": "analyze", "reference": near, "texts": ["good"]}, mine]
        _, told = http.post("/v1/batch", json={"requests": entries}).json()["answers"]
        (analysis,), version = told["answer"]["analyses"], told["answer"]["system_fingerprint"]
        assert analysis["probabilities"] == pytest.approx(right[version], abs=1e-5)
        return str(version)

    def places() -> dict[str, str]:
        """Replica -> an adapter that it has."""
        return {each["replica"]: each["adapter"] for each in http.get("/v1/residency").json()["adapters"]}

    def have(version: int) -> bool:
        told = http.get("/v1/residency").json()["adapters"]
        return len({each["replica"] for each in told if each["adapter"] == f"{name}@{version}"}) == 2

    asked = count()

    def both_have_one() -> bool:
        """Asks for one adapter more each time: which replica has it follows from its version."""
        number = next(asked)
        near = f"acme/near{number}/behavior@1"
        fleet.hub.publish(voice(base, 200 + number), near.removesuffix("@1"))
        entry = {"call": "analyze", "reference": near, "texts": ["good"]}
        http.post("/v1/batch", json={"requests": [entry]})
        return len(places()) == 2

    with fleet.http() as http:
        until(both_have_one)
        near = [*places().values()]
        until(lambda: [say(each) for each in near] == [first, first] and have(1))
        fleet.hub.set_alias(name, "production", 2, why="second")
        said = []
        until(lambda: said.append([say(each) for each in near]) or said[-1] == [second, second])
        for each in zip(*said, strict=True):
            assert list(each) == sorted(each, key=[first, second].index)


def test_a_stream_comes_in_pieces_and_is_what_one_server_writes(fleet: Fleet) -> None:
    registry = Registry(fleet.hub, load_base(str(fleet.base), "none"))
    try:
        (own,) = registry.write(COPY, "mug 7", temperature=0.0, max_new_tokens=40)
    finally:
        registry.close()
    asked = LONG | {"max_tokens": 40}
    client = openai.OpenAI(base_url=f"{fleet.url}/v1", api_key=fleet.key, timeout=LIMIT, max_retries=0)
    pieces = [each.choices[0].text for each in client.completions.create(**asked)]
    assert "".join(pieces).strip() == own
    assert len(pieces) > 10
    with fleet.http() as http, http.stream("POST", "/v1/completions", json=asked) as answer:
        *lines, last = filter(None, answer.iter_lines())
    assert last == "data: [DONE]"
    told = [json.loads(each.removeprefix("data: ")) for each in lines]
    assert [each["choices"][0]["text"] for each in told] == pieces
    assert {each["system_fingerprint"] for each in told} == {fleet.hub.resolve(COPY).digest[:16]}


def test_a_stream_comes_while_it_is_written_and_ends_in_its_replica_when_the_client_goes(
    fleet: Fleet,
) -> None:
    with fleet.http() as http:
        with http.stream("POST", "/v1/completions", json=LONG) as answer:
            lines = answer.iter_lines()  # it is held: an iterator that goes takes the connection with it
            next(lines)
            until(lambda: 1 in writes(http).values())
        until(lambda: not any(writes(http).values()))
        told = http.get("/v1/residency").json()
        assert all(not each["rows"] for each in told["adapters"])


def test_the_death_of_a_replica_changes_nothing_but_latency_and_a_stream_says_that_it_ends(
    fleet: Fleet,
) -> None:
    with traffic(fleet) as found, fleet.http() as http:
        with http.stream("POST", "/v1/completions", json=LONG) as answer:
            lines = filter(None, answer.iter_lines())
            next(lines)
            busy: list[int] = []
            until(lambda: busy.extend(each for each, count in writes(http).items() if count) or busy)
            os.kill(busy[0], signal.SIGKILL)
            *_, last = lines
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "replica_lost"
    assert Counter(found) == {(200, ""): len(found)}


def test_the_death_of_the_counts_changes_nothing_and_limits_still_hold(fleet: Fleet) -> None:
    def sent(count: int) -> int:
        with fleet.http(fleet.limited) as http:
            body = {"reference": ADAPTERS[0], "texts": ["good"]}
            return sum(http.post("/v1/analyze", json=body).status_code == 200 for _ in range(count))

    assert sent(15) == 15
    with traffic(fleet) as found:
        (victim,) = processes("ServeReplica:repertoire:Counting")
        victim.send_signal(signal.SIGKILL)
        more = sent(60)
    assert Counter(found) == {(200, ""): len(found)}
    assert more < 60  # at most what is left, a share of each replica, and what a minute brings


def test_the_death_of_a_node_leaves_nobody_without_an_answer(fleet: Fleet) -> None:
    with traffic(fleet) as found:
        fleet.nodes.kill_second()
    told = Counter(status for status, _ in found)
    assert set(told) <= {200, 500, 503}, told  # an ingress that was there is told of by Ray's proxy
    assert found[-1][0] == 200
