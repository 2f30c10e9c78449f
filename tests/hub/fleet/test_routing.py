"""Which replica a request goes to: what must hold whatever the replicas have and do."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hub.fleet import Seat, ranked
from hub.fleet.routing import EASY, SPARE

ADAPTERS = [f"acme/c{i}/behavior" for i in range(6)]
SEATS = st.lists(
    st.builds(
        Seat,
        st.uuids().map(str),
        st.integers(0, 100),
        st.frozensets(st.sampled_from(ADAPTERS)),
        st.frozensets(st.sampled_from(ADAPTERS)),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda seat: seat.id,
)


def bound(seats: list[Seat]) -> float:
    return max(EASY, SPARE * (sum(each.busy for each in seats) + 1) / len(seats))


@given(st.sampled_from(["", *ADAPTERS]), SEATS, st.randoms())
def test_every_replica_stands_in_the_order_once_whatever_order_they_come_in(
    adapter: str, seats: list[Seat], random: object
) -> None:
    order = ranked(adapter, seats)
    assert sorted(order) == sorted(each.id for each in seats)
    assert ranked(adapter, seats[::-1]) == order


@given(st.sampled_from(ADAPTERS), SEATS)
def test_the_first_is_never_overloaded_and_nearer_ones_come_before_farther_ones(
    adapter: str, seats: list[Seat]
) -> None:
    by_id = {each.id: each for each in seats}
    first = by_id[ranked(adapter, seats)[0]]
    assert first.busy < bound(seats)
    free = [each for each in seats if each.busy < bound(seats)]
    if any(adapter in each.slots for each in free):
        assert adapter in first.slots
    elif any(adapter in each.host for each in free):
        assert adapter in first.host


@given(SEATS)
def test_what_names_no_adapter_goes_to_the_least_busy(seats: list[Seat]) -> None:
    by_id = {each.id: each for each in seats}
    order = [by_id[id].busy for id in ranked("", seats)]
    assert order == sorted(order)


@given(st.lists(st.uuids().map(str), min_size=2, max_size=12, unique=True), st.integers(0, 11))
def test_a_replica_that_goes_moves_only_its_own_adapters(ids: list[str], gone: int) -> None:
    left = [id for at, id in enumerate(ids) if at != gone % len(ids)]
    for adapter in (f"a/b/{i}" for i in range(50)):
        before, after = (ranked(adapter, [Seat(id) for id in some])[0] for some in (ids, left))
        assert after == before or before not in left


def test_adapters_that_nobody_has_are_spread_evenly() -> None:
    seats = [Seat(f"replica-{i}") for i in range(8)]
    counts = Counter(ranked(f"a/b/{i}", seats)[0] for i in range(8000))
    assert max(abs(count - 1000) for count in counts.values()) < 5 * math.sqrt(1000)


def test_versions_and_aliases_of_a_name_that_nobody_has_meet_on_one_replica() -> None:
    seats = [Seat(f"replica-{i}") for i in range(8)]
    for i in range(20):
        told = {ranked(f"a/b/{i}{end}", seats)[0] for end in ("", "@production", "@3")}
        assert len(told) == 1


def test_adapters_that_nobody_has_fill_the_host_memory_of_all_alike() -> None:
    host: dict[str, set[str]] = {f"replica-{i}": set() for i in range(8)}
    for i in range(800):
        first = ranked(f"a/b/{i}", [Seat(id, host=held) for id, held in host.items()])[0]
        host[first].add(f"a/b/{i}")
    assert max(map(len, host.values())) - min(map(len, host.values())) <= 10


def test_a_hot_adapter_goes_on_to_a_second_replica_and_a_cold_one_stays() -> None:
    hot, cold = "acme/hot/behavior", "acme/cold/behavior"
    seats = {f"r{i}": Seat(f"r{i}") for i in range(4)}
    used: Counter[str] = Counter()
    for _ in range(40):  # beside each other: none has ended yet
        first = ranked(hot, list(seats.values()))[0]
        held = seats[first]
        seats[first] = Seat(first, held.busy + 1, {*held.slots, hot})
        used[first] += 1
    assert len(used) == 4
    assert max(used.values()) <= math.ceil(SPARE * 40 / 4)
    alone = {ranked(cold, [Seat(f"r{i}", busy) for i in range(4)])[0] for busy in range(EASY)}
    assert len(alone) == 1
