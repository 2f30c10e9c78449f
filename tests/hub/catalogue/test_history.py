"""What happened to a name, in one order, whatever the clocks say."""

import json

import pytest

from hub.catalogue import history
from hub.errors import HubError
from hub.hub import Hub
from hub.storage.layout import home, numbered
from tests.hub.tiny import NAME, lora


def told(hub: Hub, alias: str | None = None) -> list[str]:
    return [
        f"{entry.what} {entry.version or '-'}{f' {entry.alias}' if entry.alias else ''}"
        for entry in hub.history(NAME, alias)
    ]


def test_history_tells_publications_aliases_and_removals_in_one_order(hub: Hub) -> None:
    hub.publish(lora(0), NAME, message="first", publisher="ann")
    hub.set_alias(NAME, "production", 1)
    hub.set_alias(NAME, "staging", 1)
    hub.publish(lora(1), NAME)
    hub.set_alias(NAME, "production", 2, why="better", who="bob")
    hub.rollback(NAME)
    when = history.of(hub.store, NAME, [], ["production"])[-1].when
    tombstone = {"version": 2, "who": "cid", "when": when.replace("+00:00", "Z"), "why": "wrong client"}
    hub.storage.create({numbered(f"{home(NAME)}/.tombstones", 2): json.dumps(tombstone).encode()})
    hub.remove_alias(NAME, "production")
    assert told(hub) == [
        "published 1",
        "set 1 production",
        "set 1 staging",
        "published 2",
        "set 2 production",
        "rolled back 1 production",
        "removed 2",
        "removed - production",
    ]
    assert told(hub, "staging") == ["published 1", "set 1 staging", "published 2", "removed 2"]
    first, *_, moved = (entry for entry in hub.history(NAME) if entry.what in ("published", "set"))
    assert (first.who, first.why, first.number) == ("ann", "first", 1)
    assert (moved.who, moved.why, moved.number) == ("bob", "better", 2)


def test_each_log_keeps_its_own_order_whatever_the_clocks_say(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(["2026-03-01", "2026-01-01", "2026-02-01", "2026-02-15", "not a time", "2026-02-20"])
    monkeypatch.setattr("hub.catalogue.provenance.now", lambda: next(clock))
    hub.publish(lora(0), NAME)  # March, by a clock that is ahead
    hub.publish(lora(1), NAME)  # January
    for version in (1, 2, 1):  # February, February, never
        hub.set_alias(NAME, "production", version)
    hub.rollback(NAME)
    assert told(hub) == [
        "published 1",
        "published 2",
        "set 1 production",
        "set 2 production",
        "set 1 production",
        "rolled back 2 production",
    ]


def test_a_damaged_tombstone_is_said(hub: Hub) -> None:
    for seed in range(2):
        hub.publish(lora(seed), NAME)
    hub.storage.create({numbered(f"{home(NAME)}/.tombstones", 2): b'{"version": 2}'})
    with pytest.raises(HubError, match=r"tombstone .*000002\.json cannot be read"):
        hub.history(NAME)
