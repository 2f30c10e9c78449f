"""Thousands of requests over 50 adapters and 8 slots from several threads, with loads, unloads, cancellations and
broken adapters in between: every answer is checked against the same adapter alone in stock PEFT."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from adapters import Adapter
from adapters.errors import AdapterError, BadAdapter, Cancelled, RepertoireError
from adapters.serving.request import Completion, Request
from adapters.serving.residency import Fetched
from adapters.serving.runtime import Runtime
from adapters.serving.sampling import Sampling
from tests.adapters.shelf import Shelf
from tests.clock import LIMIT

THREADS, ROUNDS, EACH = 6, 60, 8
PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5), (9,)]
BROKEN = ("corrupt", "huge", "half")


def options(number: int) -> tuple[str, dict[str, object]]:
    if number % 5 == 1:
        return "prefix", {"num_virtual_tokens": 1 + number % 7}
    if number % 5 == 2:
        return "lora", {"r": 1 + number % 4, "head": 2 + number % 3}
    if number % 5 == 3:
        return "prefix", {"num_virtual_tokens": 1 + number % 4, "head": 2}
    targets = ["q_proj", "v_proj"] if number % 2 else "all-linear"
    return "lora", {"r": 1 + number % 6, "target_modules": targets, "use_dora": number % 10 == 0}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("fifty"), {f"a{number}": options(number) for number in range(50)})


def broken(shelf: Shelf, name: str) -> Adapter:
    sound = shelf.adapters["a4"]
    if name == "corrupt":
        raise BadAdapter("its bytes do not match their hash")
    tensors = dict(sound.tensors)
    if name == "half":
        tensors.pop(min(tensors))
    else:
        tensors = {key: torch.full_like(tensor, 1e30) for key, tensor in tensors.items()}
    return Adapter(**{**vars(sound), "tensors": tensors})


def draw(shelf: Shelf, stream: random.Random) -> Request:
    name: str | None = stream.choice([*shelf.options, None])
    if stream.random() < 0.05:
        name = stream.choice(BROKEN)
    ids = stream.choice(PROMPTS)
    sampling = (
        None if shelf.has_head(name if name not in BROKEN else None) else Sampling(stream.randint(1, 8))
    )
    return Request(name, ids, sampling, client=stream.choice("xyz"), stream=stream.random() < 0.2)


def check(shelf: Shelf, request: Request, answer: object) -> None:
    if request.adapter in BROKEN:
        assert isinstance(answer, AdapterError), (request, answer)
    elif request.sampling is None:
        assert isinstance(answer, torch.Tensor), (request, answer)
        expected = shelf.logits(request.adapter, request.ids)
        assert torch.allclose(answer, expected, rtol=1e-3, atol=1e-4), request
    else:
        assert isinstance(answer, Completion), (request, answer)
        assert list(answer.ids) == shelf.greedy(
            request.adapter, request.ids, request.sampling.max_new_tokens
        ), request


def test_every_answer_is_right_whatever_else_goes_on(shelf: Shelf) -> None:
    for name in (
        *shelf.options,
        None,
    ):  # known before the threads start: PEFT's models are not theirs to share
        for ids in PROMPTS:
            if shelf.has_head(name):
                shelf.logits(name, ids)
            else:
                shelf.greedy(name, ids, 8)
    runtime = shelf.runtime(
        lambda key: Fetched(broken(shelf, key)) if key in BROKEN else shelf.fetch(key),
        slots=8,
        rows=12,
        host_bytes=60_000,
    )
    stop = threading.Event()

    def ask(seed: int) -> Counter[str]:
        stream, counts = random.Random(seed), Counter[str]()
        for _ in range(ROUNDS):
            requests = [draw(shelf, stream) for _ in range(EACH)]
            if stream.random() < 0.5:
                for request, answer in zip(requests, runtime.run(requests), strict=True):
                    check(shelf, request, answer)
                    counts["answered"] += 1
                continue
            tickets = runtime.submit(requests)
            for ticket in tickets[: stream.randint(0, 3)]:
                ticket.cancel()
            for request, ticket in zip(requests, tickets, strict=True):
                answer = ticket.answer()
                if isinstance(answer, Cancelled):
                    counts["cancelled"] += 1
                    continue
                check(shelf, request, answer)
                counts["answered"] += 1
                if request.stream and isinstance(answer, Completion):
                    assert "".join(ticket) == answer.text
        return counts

    def disturb() -> None:
        stream = random.Random(99)
        while not stop.is_set():
            name = stream.choice([*shelf.options, *BROKEN])
            act = stream.choice(
                [runtime.load, runtime.unload, runtime.unpin, lambda key: runtime.load(key, pin=True)]
            )
            try:
                act(name)
                if stream.random() < 0.5:
                    runtime.unpin(name)
                runtime.residency()
                runtime.state()
            except RepertoireError:
                assert name in BROKEN or all_pinned(runtime)
            for found in runtime.residency():
                if found.pinned and stream.random() < 0.5:
                    runtime.unpin(found.adapter)

    with ThreadPoolExecutor(THREADS + 1) as pool:
        disturbing = pool.submit(disturb)
        asking = [pool.submit(ask, seed) for seed in range(THREADS)]
        try:
            counts = sum((work.result(LIMIT) for work in asking), Counter[str]())
        finally:
            stop.set()
        disturbing.result(LIMIT)
    assert counts["answered"] + counts["cancelled"] == THREADS * ROUNDS * EACH
    assert counts["answered"] > 2000
    state = runtime.state()
    assert state["evicted_slots"] > 100 and state["evicted_host"] > 100 and state["failed"] > 10
    assert all(found.rows == 0 for found in runtime.residency()), "nothing is held by rows that are gone"
    assert state["waiting"] == state["writing"] == 0
    runtime.close()


def all_pinned(runtime: Runtime) -> bool:
    return sum(found.pinned for found in runtime.residency()) >= 7
