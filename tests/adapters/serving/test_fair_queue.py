"""Fair queuing: shares by weight, no starvation, nothing saved up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.serving import fair_queue
from adapters.serving.fair_queue import FairQueue


def serve(queue: FairQueue[str], count: int) -> list[str]:
    served = []
    for _ in range(count):
        item = next(iter(queue))
        queue.take(item)
        served.append(item)
    return served


def clients(served: list[str]) -> Counter[str]:
    return Counter(item.split()[0] for item in served)


def test_a_thousand_requests_of_one_client_do_not_delay_another() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(1000):
        queue.push(f"busy {number}", "busy", 10, now=0.0)
    served = serve(queue, 5)
    queue.push("small 0", "small", 10, now=0.0)
    assert "small 0" in serve(queue, 2)
    assert served == [f"busy {number}" for number in range(5)], "one client's requests stay in order"


def test_weights_are_shares_of_the_work_not_of_the_requests() -> None:
    queue: FairQueue[str] = FairQueue({"big": 3.0})
    for number in range(400):
        queue.push(f"big {number}", "big", 20, now=0.0)
        queue.push(f"one {number}", "one", 10, now=0.0)
    work = {
        client: count * {"big": 20, "one": 10}[client] for client, count in clients(serve(queue, 200)).items()
    }
    assert work["big"] / work["one"] == pytest.approx(3, rel=0.1)


def test_a_client_that_was_idle_saves_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(100):
        queue.push(f"early {number}", "early", 10, now=0.0)
    serve(queue, 50)
    for number in range(100):
        queue.push(f"late {number}", "late", 10, now=0.0)
    assert clients(serve(queue, 40))["late"] == pytest.approx(20, abs=1)


def test_waiting_brings_a_request_forward() -> None:
    """A request of 100 units that has waited 3 s passes one that came just now, with 50 units a second; not without."""
    for aging, first in ((50.0, "heavy 1"), (0.0, "light 0")):
        queue: FairQueue[str] = FairQueue(aging=aging)
        queue.push("heavy 0", "heavy", 100, now=0.0)
        queue.push("heavy 1", "heavy", 100, now=0.0)
        queue.push("other 0", "other", 100, now=0.0)
        assert serve(queue, 1) == ["heavy 0"]
        queue.push("light 0", "light", 100, now=3.0)
        assert next(item for item in queue if item != "other 0") == first


def test_who_gives_up_does_not_pay() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("other 0", "other", 10, now=0.0)
    for number in range(50):
        queue.push(f"gone {number}", "gone", 10, now=0.0)
    for number in range(50):
        queue.drop(f"gone {number}")
    queue.push("other 1", "other", 10, now=0.0)
    queue.push("gone again", "gone", 10, now=0.0)
    assert serve(queue, 3).index("gone again") < 2
    assert len(queue) == 0 and queue.count("gone") == 0


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="those of a are not"):
        FairQueue({"a": 0.0})


@given(
    pushes=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 3)), min_size=1, max_size=40
    )
)
def test_everything_is_served_once_and_each_client_in_its_own_order(
    pushes: list[tuple[str, int, int]],
) -> None:
    queue: FairQueue[str] = FairQueue({"a": 2.0}, aging=7.0)
    served: list[str] = []
    pushed: list[str] = []
    for number, (client, cost, rounds) in enumerate(pushes):
        pushed.append(f"{client} {number}")
        queue.push(pushed[-1], client, cost, now=float(number))
        served += serve(queue, min(rounds, len(queue)))
    served += serve(queue, len(queue))
    assert sorted(served) == sorted(pushed)
    for client in "abc":
        assert [item for item in served if item[0] == client] == [
            item for item in pushed if item[0] == client
        ]


@pytest.mark.parametrize("weights", [{}, {f"client{number}": 1e-3 for number in range(0, 100_000, 2)}])
def test_clients_who_come_and_go_are_forgotten(weights: dict[str, float]) -> None:
    """Somebody always waits, so that the queue is never empty; some clients may have had far more than others."""
    queue: FairQueue[str] = FairQueue(weights)
    queue.push("always 0", "always", 1e12, now=0.0)
    queue.push("always 1", "always", 1e12, now=0.0)
    for number in range(30_000):
        queue.push(f"client{number} 0", f"client{number}", 10, now=0.0)
        queue.take(f"client{number} 0")
        assert len(queue._finish) <= 2 * (2 + fair_queue._MOST_KNOWN)
    queue.drop("always 0")
    queue.drop("always 1")
    assert not queue._finish, "an empty queue remembers nobody"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20), st.booleans()), max_size=200))
def test_forgetting_whom_virtual_time_has_passed_changes_no_order(steps: list[tuple[int, int, bool]]) -> None:
    orders = []
    for forgets in (True, False):
        queue: FairQueue[str] = FairQueue()
        queue.push("first", "first", 1, now=0.0)
        served = []
        for step, (client, cost, serves) in enumerate(steps):
            queue.push(str(step), f"client {client}", cost, now=0.0)
            if forgets:
                queue._forget()
            if serves:
                served += serve(queue, 1)
        orders.append(served + serve(queue, len(queue)))
    assert orders[0] == orders[1]
