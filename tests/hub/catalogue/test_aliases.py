"""Aliases: a log that only grows. Where they point, how they go back, and two operators who act at once."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from hub.catalogue import aliases
from hub.errors import BadName, Damaged, Moved, NotInHub
from hub.hub import Hub
from hub.storage.layout import home, numbered
from tests.hub.tiny import NAME, lora


@pytest.fixture
def four(hub: Hub) -> Hub:
    """A hub with four versions."""
    for seed in range(4):
        hub.publish(lora(seed), NAME, message=f"seed {seed}")
    return hub


def point(hub: Hub, *versions: int | None, alias: str = "production") -> None:
    """Set an alias to one version after another; None removes it."""
    for version in versions:
        if version is None:
            hub.remove_alias(NAME, alias)
        else:
            hub.set_alias(NAME, alias, version)


def test_an_event_says_who_when_and_why(four: Hub) -> None:
    four.set_alias(NAME, "production", 2, why="passed its gates", who="ann")
    (event,) = aliases.history(four.store, NAME, "production").values()
    assert (event.version, event.who, event.why, event.back_to) == (2, "ann", "passed its gates", None)
    stored = json.loads(four.storage.read(numbered(f"{home(NAME)}/.events/production", 1)))
    assert stored == event.model_dump()


@pytest.mark.parametrize(
    ("moves", "back"),
    [
        ((1, 2, 3), [2, 1]),
        ((1, 2, 2), [1]),
        ((1, 2, 1), [2, 1]),
        ((1, None, 2), [1]),
        ((1, 2, None), [2, 1]),
        ((3,), []),
        ((2, None), [2]),
    ],
)
def test_rollbacks_in_a_row_go_back_step_by_step(
    four: Hub, moves: tuple[int | None, ...], back: list[int]
) -> None:
    point(four, *moves)
    assert [four.rollback(NAME).number for _ in back] == back
    with pytest.raises(NotInHub, match="meant no other version before"):
        four.rollback(NAME)
    assert four.aliases(NAME)["production"] == (back or moves)[-1]


def test_what_is_set_after_a_rollback_goes_back_to_what_was_rolled_back_to(four: Hub) -> None:
    point(four, 1, 2, 3)
    four.rollback(NAME)
    point(four, 4)
    assert [four.rollback(NAME).number, four.rollback(NAME).number] == [2, 1]


def test_a_rollback_to_a_version_that_the_alias_meant(four: Hub) -> None:
    point(four, 1, 2, 3)
    assert four.rollback(NAME, to=1).number == 1
    assert four.rollback(NAME, to=3).number == 3, "forward again"
    assert four.rollback(NAME).number == 2, "as if it had never gone back"
    with pytest.raises(NotInHub, match="never meant version 4; `repertoire alias set`"):
        four.rollback(NAME, to=4)
    with pytest.raises(NotInHub, match="no version 9"):
        four.rollback(NAME, to=9)


def test_a_rollback_passes_over_what_cannot_be_had(four: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    point(four, 1, 2, 3)
    record = Path(four.address) / numbered(f"{home(NAME)}/.records", 2)
    record.chmod(0o644)
    record.write_bytes(b"{")
    assert four.rollback(NAME).number == 1


def test_a_removed_alias_means_nothing_and_its_log_stays(four: Hub) -> None:
    point(four, 1, 2, None)
    assert four.aliases(NAME) == {"latest": 4}
    with pytest.raises(NotInHub, match=r"no alias 'production'; it has latest and versions 1 to 4"):
        four.resolve(f"{NAME}@production")
    with pytest.raises(NotInHub, match="no alias 'production' to remove"):
        four.remove_alias(NAME, "production")
    assert [event.version for event in aliases.history(four.store, NAME, "production").values()] == [
        1,
        2,
        None,
    ]


def test_names_that_mean_something_else_are_no_aliases(four: Hub) -> None:
    for call in (four.rollback, four.remove_alias, four.history):
        with pytest.raises(BadName):
            call(NAME, "latest")
        with pytest.raises(NotInHub):
            call(NAME, "staging")
    with pytest.raises(NotInHub, match=f"did you mean {NAME}"):
        four.rollback("acme/spring/recomendation")


def test_an_alias_that_moved_meanwhile_is_refused(four: Hub) -> None:
    four.set_alias(NAME, "production", 1, expect=0)
    four.set_alias(NAME, "production", 2, expect=1, who="bob", why="better")
    for act in (
        lambda: four.set_alias(NAME, "production", 3, expect=1),
        lambda: four.remove_alias(NAME, "production", expect=1),
        lambda: four.rollback(NAME, expect=1),
        lambda: four.set_alias(NAME, "production", 3, expect=0),
    ):
        with pytest.raises(
            Moved, match=r"means version 2 now, not .*: bob moved it at .*: better\. Nothing was changed"
        ):
            act()
    with pytest.raises(Moved, match="'staging' was never set"):
        four.set_alias(NAME, "staging", 3, expect=1)
    assert four.rollback(NAME, expect=2).number == 1
    four.remove_alias(NAME, "production", expect=1)
    four.set_alias(NAME, "production", 4, expect=0)


def test_a_rollback_that_somebody_overtakes_changes_nothing(
    four: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(four, 1, 2, 3)
    create, overtaken = four.storage.create, []

    def slow(*files: Any, **then: Any) -> set[str]:
        if not overtaken:
            overtaken.append(True)
            Hub(four.address).rollback(NAME, who="bob")
        return create(*files, **then)

    monkeypatch.setattr(four.storage, "create", slow)
    with pytest.raises(Moved, match="means version 2 now, not version 3: bob moved it"):
        four.rollback(NAME)
    assert four.aliases(NAME)["production"] == 2, "one step back, not two"


def swap(path: str, version: int, won: str) -> None:
    hub = Hub(path)
    for turn in range(5):
        try:
            hub.set_alias(NAME, f"turn-{turn}", version, expect=0, who=str(version))
        except Moved:
            continue
        with open(won, "a") as file:
            file.write(f"{turn} {version}\n")


def test_of_many_processes_that_expect_the_same_exactly_one_wins(four: Hub, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    won = tmp_path / "won"
    workers = [fork.Process(target=swap, args=(four.address, 1 + n % 4, str(won))) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    winners = dict(line.split() for line in won.read_text().splitlines())
    assert len(won.read_text().splitlines()) == len(winners) == 5, "one for each turn"
    for turn, version in winners.items():
        events = aliases.history(four.store, NAME, f"turn-{turn}")
        assert [(event.version, event.who) for event in events.values()] == [(int(version), version)]


def test_a_damaged_event_is_said_and_the_alias_can_be_set_again(four: Hub) -> None:
    point(four, 1, 2)
    event = Path(four.address) / numbered(f"{home(NAME)}/.events/production", 2)
    event.chmod(0o644)
    for damaged in (b"{", b'{"alias": "production", "version": 0, "who": "", "when": "", "why": ""}'):
        event.write_bytes(damaged)
        with pytest.raises(Damaged, match=r"production/000002\.json cannot be read .*set the alias again"):
            four.resolve(f"{NAME}@production")
    four.set_alias(NAME, "production", 3)
    assert four.resolve(f"{NAME}@production").number == 3


def test_an_event_that_a_later_release_wrote_is_read(four: Hub) -> None:
    later = {"alias": "production", "version": 2, "who": "x", "when": "y", "why": "z", "ticket": 7}
    four.storage.create({numbered(f"{home(NAME)}/.events/production", 1): json.dumps(later).encode()})
    assert four.resolve(f"{NAME}@production").number == 2
