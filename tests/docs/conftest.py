"""A folder as the pages' readers have one: a few files of data, and a hub with some versions of three adapters."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters import Adapter, load_base, write
from adapters.starter import client_data
from hub import Hub
from recipes import Order, Recipe, train_many
from tests.clock import until

FEW = 24
"""Rows of each file: enough for three splits, and no more."""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, made once, also where several workers of pytest-xdist want it. Pages work in copies of it."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, done = root / "shop", root / "shop is made"
    try:
        folder.mkdir()
    except FileExistsError:
        until(done.exists)
        return folder
    try:
        _write_data(folder)
        _publish(folder)
    finally:
        done.touch()
    return folder


@pytest.fixture
def folder(shop: Path, tmp_path: Path) -> Path:
    """A copy for one page."""
    return shutil.copytree(shop, tmp_path / "shop")


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder, for a page that begins in one."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def _write_data(folder: Path) -> None:
    """Files as the pages name them, of the made-up market."""
    acme, globex = client_data("acme", 1, FEW), client_data("globex", 2, FEW)
    clicks = [
        {
            "user": row["user"],
            "ad": row["ad"],
            "clicked": row["clicked"],
            "city": ("Lyon", "Turin")[place % 2],
        }
        for place, row in enumerate(acme.recommendation)
    ]
    tickets = [{"message": row["text"], "intent": row["label"]} for row in acme.behavior]
    products = [{key: row[key] for key in ("name", "category", "price", "copy")} for row in globex.ad_copy]
    for name in ("clicks.csv", "acme/clicks.csv"):
        _write_csv(folder / name, clicks)
    _write_csv(
        folder / "log.csv",
        [{**row, "bought": ("No", "Yes")[int(row["clicked"])]} for row in clicks],
    )
    _write_csv(folder / "products.csv", products)
    _write_csv(folder / "october.csv", [{"text": t["message"], "label": t["intent"]} for t in tickets])
    for name in ("tickets.jsonl", "globex/tickets.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in tickets))
    (folder / "products.txt").write_text('{"name": "Kettle K2", "category": "kettle"}\n')
    ads = [
        f'Spring,"Shoes {number}, light","1,{number:03}",{number},{number / 10:.2f}%' for number in range(60)
    ]
    report = [
        "Ad report",
        "June 2026",
        "Campaign,Headline 1,Impr.,Clicks,CTR",
        *ads,
        "Total: Ads, --,63,63,1.00%",
    ]
    (folder / "report.csv").write_text("\n".join(report) + "\n")
    (folder / "words.txt").write_text("buy, purchase, get\nsend, ship\n")


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = [*rows]
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "clicked" or path.stem != "log"])
        writer.writeheader()
        writer.writerows({name: row[name] for name in writer.fieldnames} for row in rows)


def _publish(folder: Path) -> None:
    """Adapters of two steps each, in as many versions as the pages name."""
    short = {"train.max_steps": 2}
    writing = short | {"write.evaluated": 2, "write.max_new_tokens": 16}
    columns = {"data.columns.text": "message", "data.columns.label": "intent"}
    orders = {
        "acme/spring/recommendation": Order(Recipe.load("recommendation", **short), folder / "clicks.csv"),
        "acme/spring/behavior": Order(
            Recipe.load("behavior-prefix", **short, **columns), folder / "tickets.jsonl"
        ),
        "globex/launch/ad-copy": Order(
            Recipe.load("ad-copy", **writing, **{"data.features": "all"}), folder / "products.csv"
        ),
    }
    trained = dict(zip(orders, train_many([*orders.values()], load_base("starter")), strict=True))
    write(trained["acme/spring/recommendation"], folder / "my-adapter")
    hub = Hub(folder / "campaigns")
    for name, adapter in trained.items():
        assert isinstance(adapter, Adapter), adapter
        for version in range(4):
            # Another content for each version: the same adapter cannot stand in an ensemble twice.
            adapter.tensors = {key: value * (1 + version / 100) for key, value in adapter.tensors.items()}
            hub.publish(adapter, name)
        hub.set_alias(name, "production", 3, why="passed its gates")
