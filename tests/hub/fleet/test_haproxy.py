"""A fleet behind HAProxy: it answers as behind Ray's own proxy, and where an ingress dies nobody waits."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from hub.fleet.haproxy import controller_options
from tests.clock import LIMIT, until
from tests.hub.fleet.fleets import ADAPTERS, LONG, Fleet, running, traffic
from tests.hub.fleet.nodes import Nodes, processes

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def fleet(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    options = controller_options(LIMIT)
    # Nobody balances the load in front of it, who would have to be told half a minute before an ingress goes.
    options["runtime_env"]["env_vars"]["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"] = "0"
    with running(nodes, tmp_path_factory.mktemp("haproxy"), controller_options=options) as found:
        yield found


def test_haproxy_hands_requests_on_and_keys_are_asked_for(fleet: Fleet) -> None:
    assert processes("/haproxy -db")
    with fleet.http() as http:
        answer = http.post("/v1/analyze", json={"reference": ADAPTERS[0], "texts": ["good"]})
        assert answer.json()["analyses"][0]["label"]
        with http.stream("POST", "/v1/completions", json=LONG | {"max_tokens": 40}) as streamed:
            *lines, last = filter(None, streamed.iter_lines())
    assert last == "data: [DONE]"
    assert len([json.loads(each.removeprefix("data: ")) for each in lines]) > 10
    assert httpx.get(f"{fleet.url}/v1/models", timeout=LIMIT).status_code == 401


def test_what_an_ingress_had_when_it_died_is_known_to_be_lost_and_others_answer(fleet: Fleet) -> None:
    def fronts() -> set[int]:
        return {each.pid for each in processes("ServeReplica:repertoire:Front")}

    with traffic(fleet) as found:
        victim = max(fronts())
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(fronts() - {victim}) == 2)
    told = Counter(status for status, _ in found)
    assert set(told) <= {200, 0, 500, 503}, found  # 0: HAProxy closes a connection that had answers before
    assert not any("Timeout" in each for _, each in found)
    assert found[-1][0] == 200
