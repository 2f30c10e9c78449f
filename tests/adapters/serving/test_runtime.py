"""Requests in, answers out: generation and heads in one batch, failures, cancellation, deadlines, fairness."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Adapter
from adapters.errors import AdapterError, BadAdapter, Busy, Cancelled, DeadlineExceeded, RequestError
from adapters.serving.request import Completion, Request
from adapters.serving.residency import Fetched
from adapters.serving.runtime import Runtime
from adapters.serving.sampling import Sampling
from tests.adapters import models
from tests.adapters.shelf import Shelf, in_slots, whereabouts
from tests.adapters.slots.test_forward_pass import off
from tests.clock import LIMIT, Clock, until

PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45), (3, 4, 5)]
LONG = Sampling(100)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(
        tmp_path_factory.mktemp("shelf"),
        {
            "w0": ("lora", {"r": 2}),
            "w1": ("prefix", {"num_virtual_tokens": 3}),
            "w2": ("lora", {"r": 6, "target_modules": ["q_proj", "down_proj"]}),
            "w3": ("prefix", {"num_virtual_tokens": 6}),
            "labels": ("lora", {"r": 4, "head": 3}),
            "more": ("prefix", {"num_virtual_tokens": 2, "head": 5}),
        },
    )


@pytest.fixture
def runtime(shelf: Shelf) -> Iterator[Runtime]:
    runtime = shelf.runtime(slots=6)
    yield runtime
    runtime.close()


class Paced:
    """A runtime that writes only as many tokens as it is let."""

    def __init__(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tokens, real = threading.Semaphore(0), runtime._batch.step

        def step() -> Any:
            assert self._tokens.acquire(timeout=LIMIT)
            return real()

        monkeypatch.setattr(runtime._batch, "step", step)

    def let(self, tokens: int = 10_000) -> None:
        self._tokens.release(tokens)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of requests and their deadlines."""
    clock = Clock()
    monkeypatch.setattr("adapters.serving.admission.monotonic", clock)
    return clock


def leaves(runtime: Runtime, name: str) -> bool:
    """Whether somebody waits for the last row of an adapter, to unload it."""
    return runtime._residency._in_slots[name].leaving


def text(answer: object) -> list[int]:
    assert isinstance(answer, Completion), answer
    return list(answer.ids)


def test_mixed_greedy_generation_equals_peft_token_for_token(runtime: Runtime, shelf: Shelf) -> None:
    keys = ["w0", "w1", "w2", "w3", None]
    requests = [Request(key, prompt, Sampling(12)) for key in keys for prompt in PROMPTS]
    for request, answer in zip(requests, runtime.run(requests), strict=True):
        assert text(answer) == shelf.greedy(request.adapter, request.ids, 12)


def test_heads_of_different_widths_and_texts_share_a_batch(runtime: Runtime, shelf: Shelf) -> None:
    mixed = [
        Request("labels", PROMPTS[0]),
        Request("w1", PROMPTS[1], Sampling(6)),
        Request("more", PROMPTS[2]),
        Request("labels", PROMPTS[3]),
        Request(None, PROMPTS[3], Sampling(6)),
    ]
    for name in ("labels", "more", "w1"):
        runtime.load(name)
    answers = runtime.run(mixed)
    for request, answer in zip(mixed, answers, strict=True):
        if request.sampling is None:
            assert isinstance(answer, torch.Tensor)
            expected = shelf.logits(request.adapter, request.ids)
            assert torch.allclose(answer, expected, rtol=1e-4, atol=1e-5)
        else:
            assert text(answer) == shelf.greedy(request.adapter, request.ids, 6)
    assert runtime.counters.prefill.count == 1, "five rows of like length are read in one forward"


def test_an_encoder_answers_heads_of_several_adapters(tmp_path: Path) -> None:
    shelf = Shelf(
        tmp_path,
        {"a": ("lora", {"r": 3, "head": 2}), "b": ("prefix", {"num_virtual_tokens": 4, "head": 4})},
        family="bert",
    )
    runtime = shelf.runtime()
    requests = [Request(name, prompt) for prompt in PROMPTS for name in ("a", "b")]
    requests.append(Request("a", PROMPTS[0], Sampling(3)))
    *answers, refused = runtime.run(requests)
    for request, answer in zip(requests, answers, strict=False):
        assert isinstance(answer, torch.Tensor)
        assert torch.allclose(answer, shelf.logits(request.adapter, request.ids), rtol=1e-4, atol=1e-5)
    assert isinstance(refused, RequestError)
    runtime.close()


def test_an_adapter_of_many_requests_stays_while_others_come_once_each(shelf: Shelf) -> None:
    runtime = shelf.runtime(slots=2)
    for name in ("w0", "w0", "w0", "w1", "w2", "w3"):
        runtime.run([Request(name, PROMPTS[0], Sampling(2))])
    assert in_slots(runtime) == ["w0", "w3"]


def test_host_memory_keeps_adapters_of_many_requests(shelf: Shelf) -> None:
    fetched: list[str] = []

    def fetch(key: str) -> Fetched:
        fetched.append(key)
        return shelf.fetch(key)

    roomy = shelf.runtime()
    roomy.run([Request(name, PROMPTS[0], Sampling(2)) for name in ("w0", "w1", "w2", "w3")])
    size = {found.adapter: found.size for found in roomy.residency()}
    runtime = shelf.runtime(fetch, slots=1, host_bytes=size.pop("w0") + max(size.values()))
    for name in ("w0", "w0", "w0", "w1", "w2", "w3", "w0"):
        runtime.run([Request(name, PROMPTS[0], Sampling(2))])
    assert fetched == ["w0", "w1", "w2", "w3"]


def test_more_adapters_than_slots_and_the_rarest_leaves(shelf: Shelf) -> None:
    fetched: list[str] = []

    def fetch(key: str) -> Fetched:
        fetched.append(key)
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch, slots=2)
    names = ["w0", "w1", "w2", "w3"]
    answers = runtime.run([Request(name, PROMPTS[0], Sampling(5)) for name in names])
    assert [text(answer) for answer in answers] == [shelf.greedy(name, PROMPTS[0], 5) for name in names]
    assert len(in_slots(runtime)) == 2
    for name in ("w2", "w3", "w2", "w0"):
        runtime.run([Request(name, PROMPTS[0], Sampling(2))])
    assert in_slots(runtime) == ["w2", "w0"]
    assert sorted(fetched) == names, "an adapter that left its slot stayed in host memory"
    tiers = {found.adapter: found.tier for found in runtime.residency()}
    assert tiers == {"w1": "host", "w3": "host", "w2": "slot", "w0": "slot"}


def test_host_memory_is_bounded_and_what_left_it_is_fetched_again(shelf: Shelf) -> None:
    fetched: list[str] = []

    def fetch(key: str) -> Fetched:
        fetched.append(key)
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch, slots=1, host_bytes=1)
    for name in ("w0", "w2", "w0"):
        assert text(runtime.run([Request(name, PROMPTS[0], Sampling(5))])[0]) == shelf.greedy(
            name, PROMPTS[0], 5
        )
    assert fetched == ["w0", "w2", "w0"]
    assert [found.adapter for found in runtime.residency()] == ["w0"]
    assert runtime.state()["evicted_host"] == 2


def test_one_bad_adapter_fails_only_its_own_requests(shelf: Shelf) -> None:
    def fetch(key: str) -> Fetched:
        if key == "broken":
            raise BadAdapter("broken on purpose")
        if key == "bug":
            raise OSError("the disk is gone")
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch)
    asked = ("broken", "w0", "bug", "labels", "w1")
    bad, good, bug, wrong, fine = runtime.run([Request(key, PROMPTS[0], Sampling(4)) for key in asked])
    assert isinstance(bad, BadAdapter) and "broken on purpose" in str(bad)
    assert isinstance(bug, AdapterError) and "the disk is gone" in str(bug)
    assert isinstance(wrong, RequestError) and "ask it for labels" in str(wrong)
    assert text(good) == shelf.greedy("w0", PROMPTS[0], 4)
    assert text(fine) == shelf.greedy("w1", PROMPTS[0], 4)
    assert runtime.state()["failed"] == 2


def test_an_adapter_that_was_repaired_is_loaded_again(shelf: Shelf) -> None:
    broken = {"w0"}

    def fetch(key: str) -> Fetched:
        if key in broken:
            raise BadAdapter("not yet")
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch)
    assert isinstance(runtime.run([Request("w0", PROMPTS[0], Sampling(3))])[0], BadAdapter)
    broken.clear()
    assert text(runtime.run([Request("w0", PROMPTS[0], Sampling(3))])[0]) == shelf.greedy("w0", PROMPTS[0], 3)


@pytest.mark.parametrize("fault", ["missing layer", "wrong shape", "other base", "overflow"])
def test_an_adapter_that_does_not_fit_never_answers(fault: str, shelf: Shelf) -> None:
    """Also when its slot held another adapter before, and neighbours in its batch are not touched."""
    sound = shelf.adapters["w2"]
    tensors = dict(sound.tensors)
    first = next(name for name in sorted(tensors) if "lora_A" in name)
    if fault == "missing layer":
        del tensors[first], tensors[first.replace("lora_A", "lora_B")]
    elif fault == "wrong shape":
        tensors[first] = torch.ones(6, 31)
    elif fault == "overflow":
        tensors = {name: torch.full_like(tensor, 1e30) for name, tensor in tensors.items()}
    bad = Adapter(**{**vars(sound), "tensors": tensors})
    if fault == "other base":
        bad.base = models.base("qwen2").identity

    runtime = shelf.runtime(lambda key: Fetched(bad) if key == "bad" else shelf.fetch(key), slots=2)
    expected = shelf.greedy("w0", PROMPTS[0], 9)
    assert text(runtime.run([Request("w0", PROMPTS[0], Sampling(9))])[0]) == expected
    for _ in range(2):
        wrong, right = runtime.run([Request("bad", PROMPTS[0], LONG), Request("w0", PROMPTS[0], Sampling(9))])
        assert isinstance(wrong, AdapterError), "an error, never the base's answer"
        assert text(right) == expected
    places = [Request("w0", prompt, Sampling(9)) for prompt in PROMPTS]
    for request, answer in zip(places, runtime.run(places), strict=True):
        assert text(answer) == shelf.greedy("w0", request.ids, 9), (
            "what a failed row left behind reached another"
        )


def test_numbers_that_are_not_finite_in_a_head_are_an_error(shelf: Shelf) -> None:
    sound = shelf.adapters["labels"]
    huge = {name: torch.full_like(tensor, 1e30) for name, tensor in sound.tensors.items()}
    bad = Adapter(**{**vars(sound), "tensors": huge})
    runtime = shelf.runtime(lambda key: Fetched(bad) if key == "bad" else shelf.fetch(key))
    wrong, right, written = runtime.run(
        [
            Request("bad", PROMPTS[0]),
            Request("labels", PROMPTS[0]),
            Request("w0", PROMPTS[0], Sampling(20)),
        ]
    )
    assert isinstance(wrong, AdapterError) and "not finite" in str(wrong)
    assert isinstance(right, torch.Tensor)
    assert torch.allclose(right, shelf.logits("labels", PROMPTS[0]), rtol=1e-4, atol=1e-5)
    assert text(written) == shelf.greedy("w0", PROMPTS[0], 20)


def test_requests_that_can_never_be_answered_say_why(runtime: Runtime) -> None:
    room = runtime.base.max_positions
    asked = {
        "the text is empty": Request("w0", (), Sampling(4)),
        "not within the base's 0 to 299": Request("w0", (5, 300), Sampling(4)),
        "not within": Request("w0", (-1,), Sampling(4)),
        f"3 prefix + {room} prompt + 4 new": Request("w1", (5,) * room, Sampling(4)),
        "has no labels": Request("w0", (5,)),
        "the base has no labels": Request(None, (5,)),
    }
    for expected, answer in zip(asked, runtime.run(list(asked.values())), strict=True):
        assert isinstance(answer, RequestError) and expected in str(answer)
    for wrong in ({"temperature": -1}, {"top_p": 0}, {"max_new_tokens": 0}, {"stop": ("",)}, {"top_k": -1}):
        with pytest.raises(RequestError, match=rf"{next(iter(wrong))}(\[0\])? is"):
            Sampling(**wrong)  # type: ignore[arg-type]


def test_a_text_that_no_cache_could_hold_is_refused(shelf: Shelf) -> None:
    runtime = shelf.runtime(positions=40)
    small, large = runtime.run(
        [Request("w0", PROMPTS[0], Sampling(30)), Request("w0", PROMPTS[0], Sampling(60))]
    )
    assert text(small) == shelf.greedy("w0", PROMPTS[0], 30)
    assert isinstance(large, RequestError) and "raise Limits.positions" in str(large)


def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(runtime: Runtime) -> None:
    how = Sampling(10, temperature=1.0, top_p=0.9, seed=3)
    lone = runtime.run([Request("w0", PROMPTS[0], how)])[0]
    crowd = runtime.run(
        [Request(f"w{i}", p, Sampling(10, 1.0, seed=i)) for i, p in enumerate(PROMPTS)]
        + [Request("w0", PROMPTS[0], how)]
    )
    assert crowd[-1] == lone
    assert lone != runtime.run([Request("w0", PROMPTS[0], Sampling(10, 1.0, 0.9, seed=4))])[0]


def test_a_long_text_holds_nobody_up(shelf: Shelf) -> None:
    """With two places, nine short texts pass through one of them while a long one is written in the other."""
    runtime = shelf.runtime(rows=2)
    order: list[str] = []
    asked = [Request("w0", PROMPTS[0], Sampling(60))]
    asked += [Request("w1", PROMPTS[index % 4], Sampling(4)) for index in range(9)]
    with runtime.base.lock:  # nothing is written before all are looked after
        tickets = runtime.submit(asked)
        for number, ticket in enumerate(tickets):
            ticket.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
    for request, ticket in zip(asked, tickets, strict=True):
        assert text(ticket.answer()) == shelf.greedy(
            request.adapter, request.ids, request.sampling.max_new_tokens
        )  # type: ignore[union-attr]
    assert order[-1] == 0, "the long text ended last"
    assert runtime.state()["step"]["count"] < 60 + 9, "the short ones took no steps of their own"


def test_streamed_pieces_are_the_text(runtime: Runtime) -> None:
    request = Request("w0", PROMPTS[0], Sampling(40, temperature=1.0), stream=True)
    (ticket,) = runtime.submit([request])
    pieces = list(ticket)
    answer = ticket.result()
    assert isinstance(answer, Completion)
    assert len(pieces) > 3
    assert "".join(pieces) == answer.text


def test_cancelled_requests_end_at_once_and_leave_their_place(
    runtime: Runtime, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced = Paced(runtime, monkeypatch)
    (endless,) = runtime.submit([Request("w0", PROMPTS[0], LONG, stream=True)])
    paced.let(20)
    next(iter(endless))
    assert endless.cancel()
    paced.let()
    with pytest.raises(Cancelled):
        endless.result(LIMIT)
    assert runtime.state()["step"]["count"] <= 21, "it ends before the next step"
    assert not endless.cancel()
    assert text(runtime.run([Request("w0", PROMPTS[1], Sampling(5))])[0]) == shelf.greedy("w0", PROMPTS[1], 5)
    held = whereabouts(runtime, "w0")
    assert held is not None and held.rows == 0
    assert runtime.state()["cancelled"] == 1


def test_a_waiting_request_can_be_cancelled(shelf: Shelf) -> None:
    runtime = shelf.runtime(rows=1)
    with runtime.base.lock:
        running, waiting = runtime.submit([Request("w0", PROMPTS[0], LONG), Request("w1", PROMPTS[0], LONG)])
        waiting.cancel()
    with pytest.raises(Cancelled):
        waiting.result(LIMIT)
    assert text(running.answer()) == shelf.greedy("w0", PROMPTS[0], 100)


def test_a_deadline_ends_waiting_and_running_requests(
    shelf: Shelf, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def fetch(key: str) -> Fetched:
        if key == "w1":
            assert gate.wait(LIMIT)
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch)
    (stuck,) = runtime.submit([Request("w1", PROMPTS[0], Sampling(4), deadline=0.05)])
    clock.move(0.05)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.05 s"):
        stuck.result(LIMIT)
    gate.set()
    runtime.load("w0")
    clock.tick = 1.0
    (slow,) = runtime.submit([Request("w0", PROMPTS[0], LONG, deadline=50, stream=True)])
    with pytest.raises(DeadlineExceeded):
        assert list(slow) == [], "it takes more than 50 looks at the clock"
    assert runtime.state()["tokens"] == 0 < runtime.state()["step"]["count"] < 50
    clock.tick = 0.0
    assert text(runtime.run([Request("w0", PROMPTS[0], Sampling(4), deadline=60)])[0])
    assert runtime.state()["expired"] == 2


def test_a_full_queue_refuses_clearly_and_only_the_client_that_filled_it(shelf: Shelf) -> None:
    gate = threading.Event()

    def fetch(key: str) -> Fetched:
        assert gate.wait(LIMIT)
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch, waiting=3)
    busy = Request("w0", PROMPTS[0], Sampling(2), client="busy")
    tickets = runtime.submit([busy] * 3)
    with pytest.raises(Busy, match="3 requests of busy wait already and 1 more come, at most 3"):
        runtime.submit([busy])
    tickets += runtime.submit([Request("w0", PROMPTS[0], Sampling(2), client="other")])
    gate.set()
    assert len(runtime.run([busy] * 10)) == 10, "run waits for room instead"
    assert all(text(ticket.answer()) for ticket in tickets)
    assert runtime.state()["refused"] == 1


def test_who_waits_for_room_gets_it_when_what_waited_before_is_too_late(shelf: Shelf, clock: Clock) -> None:
    gate = threading.Event()

    def fetch(key: str) -> Fetched:
        assert key != "w0" or gate.wait(LIMIT)
        return shelf.fetch(key)

    runtime = shelf.runtime(fetch, waiting=3)
    late = runtime.submit([Request("w0", PROMPTS[0], Sampling(2), deadline=0.01)] * 3)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(runtime.run, [Request("w2", PROMPTS[0], Sampling(2))])
        until(lambda: len(runtime._changed._waiters) == 2)  # type: ignore[attr-defined]
        clock.move(1.0)
        try:
            assert text(asked.result(LIMIT)[0])
        finally:
            gate.set()
    assert all(isinstance(ticket.answer(), DeadlineExceeded) for ticket in late)


def test_a_busy_client_does_not_starve_others(shelf: Shelf, clock: Clock) -> None:
    runtime = shelf.runtime(rows=2)
    order: list[str] = []
    asked = [Request("w0", PROMPTS[0], Sampling(6), client="busy")] * 40
    asked += [Request("w2", PROMPTS[1], Sampling(6), client="small")] * 2
    with runtime.base.lock:
        tickets = runtime.submit(asked)
        for ticket in tickets:
            ticket.add_done_callback(lambda _, client=ticket.request.client: order.append(client))  # type: ignore[misc]
    for ticket in tickets:
        ticket.result(LIMIT)
    assert max(place for place, client in enumerate(order) if client == "small") < 8


def test_an_adapter_without_a_free_slot_is_passed_but_not_for_ever(shelf: Shelf) -> None:
    """One slot, one client that keeps it in use: the other adapter gets its turn."""
    runtime = shelf.runtime(slots=1, rows=4)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            runtime.run([Request("w0", PROMPTS[0], Sampling(8), client="busy")] * 4)

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(keep_busy) for _ in range(2)]
        try:
            until(lambda: runtime.state()["answered"] >= 8)
            (other,) = runtime.submit([Request("w2", PROMPTS[0], Sampling(4), client="other")])
            assert text(other.result(LIMIT)) == shelf.greedy("w2", PROMPTS[0], 4)
        finally:
            stop.set()
        for worker in workers:
            worker.result()


def test_load_pin_and_unload_while_texts_are_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = shelf.runtime(slots=2)
    runtime.load("w0", pin=True)
    assert whereabouts(runtime, "w0").pinned  # type: ignore[union-attr]
    for name in ("w1", "w2", "w3"):
        runtime.run([Request(name, PROMPTS[0], Sampling(2))])
    assert in_slots(runtime) == ["w0", "w3"], "a pinned adapter stays"
    paced = Paced(runtime, monkeypatch)
    (running,) = runtime.submit([Request("w3", PROMPTS[0], Sampling(80))])
    until(lambda: runtime.state()["writing"])
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(runtime.unload, "w3")
        until(lambda: leaves(runtime, "w3"))
        assert not unloading.done(), "unload waits for the last row"
        paced.let()
        unloading.result(LIMIT)
    assert text(running.answer()) == shelf.greedy("w3", PROMPTS[0], 80)
    assert whereabouts(runtime, "w3") is None
    runtime.load("w1", pin=True)
    with pytest.raises(AdapterError, match="all 2 slots hold pinned adapters"):
        runtime.load("w2")
    refused = runtime.run([Request("w2", PROMPTS[0], Sampling(2))])[0]
    assert isinstance(refused, AdapterError)
    runtime.unpin("w1")
    assert text(runtime.run([Request("w2", PROMPTS[0], Sampling(2))])[0]) == shelf.greedy("w2", PROMPTS[0], 2)
    with pytest.raises(AdapterError):
        runtime.load("nobody")


def test_requests_during_an_unload_wait_and_load_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = shelf.runtime()
    paced = Paced(runtime, monkeypatch)
    (running,) = runtime.submit([Request("w0", PROMPTS[0], Sampling(60))])
    until(lambda: runtime.state()["writing"])
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(runtime.unload, "w0")
        until(lambda: leaves(runtime, "w0"))
        (late,) = runtime.submit([Request("w0", PROMPTS[1], Sampling(5))])
        paced.let()
        unloading.result(LIMIT)
    assert text(late.result(LIMIT)) == shelf.greedy("w0", PROMPTS[1], 5)
    assert text(running.answer()) == shelf.greedy("w0", PROMPTS[0], 60)
    assert runtime.state()["misses"] == 2, "it was brought into a slot again"


def test_the_base_stays_unchanged_and_close_ends_everything(shelf: Shelf) -> None:
    ids = torch.tensor([PROMPTS[0]])
    expected = shelf.model(None)(input_ids=ids).logits
    runtime = shelf.runtime()
    runtime.run([Request(name, PROMPTS[0], Sampling(3)) for name in ("w0", "w1", "w2", "w3")])
    assert torch.equal(runtime.base.model(input_ids=ids).logits, expected)
    with ThreadPoolExecutor(1) as pool:
        with runtime.base.lock:
            tickets = runtime.submit([Request("w0", PROMPTS[0], LONG)] * 200)
            closing = pool.submit(runtime.close)
            until(lambda: runtime._closed)
        closing.result(LIMIT)
    assert all(isinstance(ticket.answer(), Cancelled) for ticket in tickets)
    assert isinstance(runtime.run([Request("w0", PROMPTS[0], LONG)])[0], Cancelled)
    with pytest.raises(Cancelled):
        runtime.load("w0")
    assert torch.equal(runtime.base.model(input_ids=ids).logits, expected)
    assert not any(module._forward_hooks for module in runtime.base.model.modules())


def test_state_counts_what_happened(runtime: Runtime) -> None:
    runtime.run([Request(name, PROMPTS[0], Sampling(3)) for name in ("w0", "w1", "w0")])
    runtime.run([Request("w0", PROMPTS[0], Sampling(3))])
    state = runtime.state()
    assert (state["hits"], state["misses"], state["fetched"], state["answered"]) == (2, 2, 2, 4)
    assert state["waiting"] == state["writing"] == 0
    assert state["copy"]["count"] == state["read"]["count"] == state["verify"]["count"] == 2
    assert state["step"]["mean"] > 0 and state["queue"]["count"] == 4
    edges, counts = zip(*state["queue"]["buckets"], strict=True)
    assert list(edges) == sorted(edges) and list(counts) == sorted(counts) and counts[-1] == 4


def test_prompts_and_rows_that_share_first_tokens_are_answered_as_peft_answers_them(tmp_path: Path) -> None:
    """Texts and heads, LoRA and Prefix; a second round begins with what the first one read."""
    shelf = Shelf(
        tmp_path,
        {
            "lora": ("lora", {"r": 2}),
            "prefix": ("prefix", {"num_virtual_tokens": 3}),
            "head": ("lora", {"r": 4, "head": 2}),
            "prefix head": ("prefix", {"num_virtual_tokens": 2, "head": 3}),
        },
    )
    template, user = tuple(range(20, 60)), tuple(range(100, 150))
    runtime = shelf.runtime()
    # Loaded before, so that all rows of a round come in one turn.
    runtime.run([Request(name, (1, 2), Sampling(max_new_tokens=1)) for name in ("lora", "prefix")])
    runtime.run([Request(name, (1, 2)) for name in ("head", "prefix head")])
    for turn in range(2):
        rows = [
            Request(name, (*template, 61 + turn, 70 + own), Sampling(max_new_tokens=5))
            for name in ("lora", "prefix", None)
            for own in range(3)
        ]
        rows += [
            Request(name, (*user, 200 + turn, *range(210, 210 + ad)))
            for ad in (1, 3)
            for name in ("head", "prefix head")
        ]
        for row, answer in zip(rows, runtime.run(rows), strict=True):
            if row.sampling is None:
                assert off(answer, shelf.logits(row.adapter, row.ids)) <= 1e-4
            else:
                assert list(answer.ids) == shelf.greedy(row.adapter, row.ids, 5)
    stems = runtime.state()["stems"]
    assert stems["shared"] >= 3 * 2 * 40 and stems["hits"] >= 9 + 4
    assert 0 < stems["size"] <= runtime.limits.stem_bytes
    for name in ("lora", "prefix", "head", "prefix head"):
        runtime.unload(name)
    assert runtime.state()["stems"]["kept"] == 1  # the base's own
    runtime.close()
