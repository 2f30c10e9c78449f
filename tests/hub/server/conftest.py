"""A hub of two clients with an adapter for each task, and servers of it at a port of this machine."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from adapters import Adapter, Base
from hub import Hub, Registry
from hub.server import Bounds, Keys, Scope, create_app, listen
from hub.server.connection import Connection
from recipes import Order, Recipe, train_many
from tests.adapters import models
from tests.clock import LIMIT

QUICK: dict[str, Any] = {
    "train.epochs": 3,
    "train.learning_rate": 0.01,
    "data.max_tokens": 64,
    "train.batch_size": 8,
}
TASKS = ("recommendation", "behavior", "ad-copy")
CLIENTS = {"acme": "spring", "globex": "launch"}


@dataclass(frozen=True)
class Served:
    """A server that runs. url: without a path."""

    url: str
    registry: Registry
    keys: Keys
    app: Any

    def http(self, key: str | None = None) -> httpx.Client:
        """A client of it."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=LIMIT)


@pytest.fixture(scope="session")
def base() -> Base:
    return models.base("llama")


@pytest.fixture(scope="session")
def market(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """Both clients publish the same three adapters, so that content alone tells nobody apart."""
    folder = tmp_path_factory.mktemp("market")
    draw = random.Random(0)
    clicks = "user,ad,clicked\n" + "".join(
        f"likes {want},{ad} sale {i},{int(want == ad)}\n"
        for i in range(80)
        for want, ad in [(draw.choice(["tea", "rum"]), draw.choice(["tea", "rum"]))]
    )
    moods = "text,label\n" + "".join(
        f"{mood} {i},{mood}\n" for i in range(60) for mood in [draw.choice(["glad", "mad"])]
    )
    copies = "product,copy\n" + "".join(f"mug {i},Buy mug 7!\n" for i in range(40))
    for name, text in (("clicks", clicks), ("moods", moods), ("copies", copies)):
        (folder / f"{name}.csv").write_text(text)
    made = train_many(
        [
            Order(Recipe.load("recommendation", **QUICK), folder / "clicks.csv"),
            Order(Recipe.load("behavior-prefix", **QUICK | {"head.pooling": "mean"}), folder / "moods.csv"),
            Order(
                Recipe.load("ad-copy", **QUICK | {"train.epochs": 8, "write.max_new_tokens": 12}),
                folder / "copies.csv",
            ),
        ],
        base,
    )
    hub = Hub(folder / "hub")
    for client, campaign in CLIENTS.items():
        for adapter in made:
            assert isinstance(adapter, Adapter)
            hub.publish(adapter, f"{client}/{campaign}/{adapter.task}")
    hub.set_alias("acme/spring/ad-copy", "production", 1, why="first")
    return hub


@contextmanager
def serving(hub: Hub, base: Base, keys: Keys, **options: Any) -> Iterator[Served]:
    """A server in a thread of this process."""
    registry = Registry(hub, base)
    app = create_app(registry, keys, **options)
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, http=Connection, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{port(listening)}", registry, keys, app)
    finally:
        server.should_exit = True
        thread.join(LIMIT)
        registry.close()


def port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def served(market: Hub, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Without keys."""
    with serving(market, base, Keys(tmp_path_factory.mktemp("keys") / "keys")) as found:
        yield found


@dataclass(frozen=True)
class Guarded:
    """A server with a key of each client, and one of everybody's."""

    served: Served
    acme: str
    globex: str
    admin: str


@pytest.fixture(scope="module")
def guarded(market: Hub, base: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    keys = Keys(tmp_path_factory.mktemp("keys") / "keys")
    secrets = {client: keys.new(client, Scope.operate)[1] for client in CLIENTS}
    admin = keys.new("ops", Scope.admin)[1]
    with serving(market, base, keys, bounds=Bounds(texts=50), adapter_calls=True) as found:
        yield Guarded(found, secrets["acme"], secrets["globex"], admin)
