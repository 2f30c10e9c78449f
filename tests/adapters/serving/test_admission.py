"""Which waiting requests run next: in fair order while there is room, passed by those that find some, not for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters import Base, RequestError
from adapters.serving import admission
from adapters.serving.admission import Admission
from adapters.serving.counters import Counters
from adapters.serving.fair_queue import FairQueue
from adapters.serving.request import Request, Ticket
from adapters.serving.sampling import Sampling
from adapters.serving.turn import Turn
from adapters.slots.packed import Packed
from tests.adapters import models


@dataclass
class Shelves:
    """Adapters that are all in host memory; `free` of them find a slot."""

    base: Base
    free: set[str]
    slots: int = 1
    wanted: list[frozenset[str]] = field(default_factory=list)

    def find(self, key: str) -> Packed:
        return Packed(models.made_here("llama", "lora"))

    def acquire(self, key: str) -> int | None:
        return 0 if key in self.free else None

    def want(self, keys: frozenset[str]) -> None:
        self.wanted.append(keys)

    def failures(self) -> dict[str, Any]:
        return {}

    def shut_out(self, key: str) -> bool:
        return False


@dataclass
class Rows:
    """Room for so many texts."""

    rows: int
    max_positions: int = 1000

    def fits(self, texts: Sequence[int]) -> bool:
        return len(texts) <= self.rows


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def queue(base: Base, rows: int, free: set[str]) -> tuple[Admission, Shelves]:
    shelves = Shelves(base, free)
    return Admission(base, shelves, Rows(rows), FairQueue(), Counters()), shelves  # type: ignore[arg-type]


def admitted(waiting: Admission, tokens: int) -> list[Ticket]:
    turn = Turn()
    waiting.admit(tokens, turn)
    return turn.admitted


def ask(waiting: Admission, adapter: str | None, client: str = "") -> Ticket:
    ticket = Ticket(Request(adapter, (5, 6), Sampling(4), client=client), lambda ticket: None)
    waiting.push(ticket)
    return ticket


def test_no_more_texts_are_admitted_than_find_room(base: Base) -> None:
    waiting, _ = queue(base, 2, set())
    tickets = [ask(waiting, None) for _ in range(3)]
    assert admitted(waiting, 4096) == tickets[:2]
    assert list(waiting.waiting) == tickets[2:]


def test_reading_is_bounded_but_one_request_is_read_at_least(base: Base) -> None:
    waiting, _ = queue(base, 9, set())
    tickets = [ask(waiting, None) for _ in range(3)]
    assert admitted(waiting, 1) == tickets[:1]
    assert admitted(waiting, 3) == tickets[1:]


def test_first_tokens_that_rows_share_are_read_once_and_count_once(base: Base) -> None:
    waiting, _ = queue(base, 9, set())
    user = tuple(range(3, 43))
    tickets = [
        Ticket(Request(None, (*user, 50 + own), Sampling(max_new_tokens=1)), lambda _: None)
        for own in range(6)
    ]
    for ticket in tickets:
        waiting.push(ticket)
    assert admitted(waiting, 44) == tickets[:4]


def test_a_request_without_a_slot_is_passed_so_often_and_then_holds_the_others_up(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_OVERTAKES", 2)
    waiting, shelves = queue(base, 9, {"held"})
    blocked = ask(waiting, "blocked")
    passing = [ask(waiting, "held") for _ in range(4)]
    assert admitted(waiting, 4096) == passing[:2]
    assert shelves.wanted[-1] == {"blocked"}, "what it needs is fetched meanwhile"
    assert admitted(waiting, 4096) == []
    shelves.free.add("blocked")
    assert admitted(waiting, 4096) == [blocked, *passing[2:]]


def test_what_can_never_be_answered_is_refused_where_it_comes_in(base: Base) -> None:
    waiting, _ = queue(base, 9, set())
    with pytest.raises(RequestError, match="the text is empty"):
        waiting.push(Ticket(Request(None, ()), lambda ticket: None))
    with pytest.raises(RequestError, match="a token id is not within"):
        waiting.push(Ticket(Request(None, (999,)), lambda ticket: None))
    labels = Ticket(Request(None, (5,)), lambda ticket: None)
    waiting.push(labels)
    turn = Turn()
    waiting.admit(4096, turn)
    [(ticket, error)] = turn.ended
    assert not turn.admitted and not turn.loads
    assert ticket is labels and "the base has no labels to predict" in str(error)
