"""A fleet of two replicas of a tiny base on a real cluster, and clients that ask it all the time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from adapters import Adapter, Base, load_base
from hub import Hub
from hub.server import Keys, Scope, listen
from tests.adapters import models
from tests.clock import LIMIT, until
from tests.hub.fleet.nodes import Nodes
from tests.hub.voices import voice

ADAPTERS = [f"acme/c{i}/behavior" for i in range(6)]
COPY = "acme/spring/ad-copy"
LONG = {"model": COPY, "prompt": "mug 7", "temperature": 0, "max_tokens": 1500, "stream": True}
"""A text that does not end by itself."""


@dataclass(frozen=True)
class Fleet:
    """One that runs. url: without a path; key: of an operator; limited: of a client that may send 20 a minute."""

    url: str
    hub: Hub
    base: Path
    nodes: Nodes
    key: str
    limited: str

    def http(self, key: str = "") -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"authorization": f"Bearer {key or self.key}"}, timeout=LIMIT
        )


@contextmanager
def running(nodes: Nodes, folder: Path, **serve_options: Any) -> Iterator[Fleet]:
    """Two nodes of one processor each, so that each has a replica; the proxy is on the first."""
    from ray import serve

    from hub.fleet import Setting
    from hub.fleet import fleet as built

    models.saved("llama", folder / "base")
    base = load_base(str(folder / "base"), "none")
    hub = Hub(folder / "hub")
    for seed, name in enumerate(ADAPTERS, 1):
        hub.publish(voice(base, seed), name)
    hub.publish(writing(base), COPY)
    keys = Keys(Path(f"{folder / 'hub'}.keys"))
    _, key = keys.new("acme", Scope.operate)
    _, limited = keys.new("acme", requests=20)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    assert nodes.second is not None
    try:
        serve.start(
            proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port}, **serve_options
        )
        setting = Setting(
            hub=str(folder / "hub"), base=str(folder / "base"), quantization="none", seconds=LIMIT
        )
        serve.run(built(setting), name="repertoire")
        yield Fleet(f"http://127.0.0.1:{port}", hub, folder / "base", nodes, key, limited)
    finally:
        serve.shutdown()


def writing(base: Base) -> Adapter:
    """An adapter that writes, greedily the same few words for ever."""
    made = voice(base, 7)
    tensors = {name: each for name, each in made.tensors.items() if "lora" in name}
    return replace(made, head=None, tensors=tensors, task="ad-copy")


@contextmanager
def traffic(fleet: Fleet, clients: int = 4) -> Iterator[list[tuple[int, str]]]:
    """Requests all the time. Gives what became of them: status and code of the error, or 0 where nothing came."""
    found: list[tuple[int, str]] = []
    ended = threading.Event()

    def ask(at: int) -> None:
        with fleet.http() as http:
            while not ended.is_set():
                at += 1
                body = {"reference": ADAPTERS[at % len(ADAPTERS)], "texts": ["good"]}
                try:
                    answer = http.post("/v1/analyze", json=body)
                    code = "" if answer.status_code == 200 else answer.text
                    found.append((answer.status_code, code))
                except httpx.HTTPError as error:
                    found.append((0, repr(error)))

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(clients)]
    for each in threads:
        each.start()
    try:
        until(lambda: len(found) > 20)
        yield found
        so_far = len(found)
        until(lambda: len(found) > so_far + 40)
    finally:
        ended.set()
        for each in threads:
            each.join(LIMIT)
