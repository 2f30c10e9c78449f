"""One thread runs all requests: what goes wrong there goes wrong for those concerned, and the thread goes on."""

import gc
import logging
import os
import signal
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.errors import InternalError, RequestError
from adapters.serving.request import Completion, Request
from adapters.serving.runtime import Runtime
from adapters.serving.sampling import Sampling
from tests.adapters import models
from tests.adapters.shelf import Shelf
from tests.clock import LIMIT, until

IDS = (5, 9, 20)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "a": ("lora", {"r": 2}),
        "b": ("prefix", {"num_virtual_tokens": 2}),
        "labels": ("lora", {"r": 2, "head": 3}),
    }
    return Shelf(tmp_path_factory.mktemp("shelf"), kinds)


@pytest.fixture
def runtime(shelf: Shelf) -> Iterator[Runtime]:
    runtime = shelf.runtime(slots=2)
    yield runtime
    runtime.close()


def once(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> None:
    """Have a method raise what nobody expects, the first time that it is called."""
    real = getattr(target, name)

    def fails(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(target, name, real)
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(target, name, fails)


@pytest.mark.parametrize("deadline", [1e10, 1e308])
def test_a_deadline_in_an_age_is_no_reason_to_stop(deadline: float, runtime: Runtime) -> None:
    # Its adapter is loaded first, which the thread waits for until the next deadline.
    (answer,) = runtime.run([Request("a", IDS, Sampling(2), deadline=deadline)])
    assert isinstance(answer, Completion)
    assert isinstance(runtime.run([Request("b", IDS, Sampling(2))])[0], Completion)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("_queue", "given_up"),
        ("_queue", "end"),
        ("_queue", "admit"),
        ("_residency", "copy_in"),
        (None, "_finish_loads"),
        (None, "_deliver"),
        ("_batch", "step"),
    ],
)
def test_a_mistake_ends_what_took_part_in_its_turn_and_the_next_requests_are_answered(
    part: str | None, name: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    once(monkeypatch, getattr(runtime, part) if part else runtime, name)
    with caplog.at_level(logging.ERROR):
        first = runtime.run([Request("a", IDS, Sampling(3)), Request("labels", IDS)])
    lost = [answer for answer in first if isinstance(answer, Exception)]
    assert lost or name == "_deliver"
    if name != "step":  # which has an error of its own
        assert all(isinstance(error, InternalError) for error in lost)
        assert "ZeroDivisionError" in caplog.text
    again = runtime.run(
        [Request("a", IDS, Sampling(3)), Request("labels", IDS), Request("b", IDS, Sampling(3))]
    )
    assert [type(answer) for answer in again] == [Completion, torch.Tensor, Completion]
    assert all(resident.rows == 0 for resident in runtime.residency()), "no row holds a slot for ever"


def test_a_mistake_over_a_load_is_its_own(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    once(monkeypatch, runtime._residency, "copy_in")
    with pytest.raises(InternalError):
        runtime.load("a", pin=True)
    runtime.load("a")
    assert isinstance(runtime.run([Request("a", IDS, Sampling(2))])[0], Completion)


def test_answered_requests_are_not_kept_for_their_deadline(runtime: Runtime) -> None:
    def ask(count: int) -> list[weakref.ref[Any]]:
        tickets = runtime.submit([Request("labels", IDS, deadline=1e6) for _ in range(count)])
        for ticket in tickets:
            assert isinstance(ticket.result(LIMIT), torch.Tensor)
        return [weakref.ref(ticket) for ticket in tickets]

    old = ask(300)
    ask(1)
    until(lambda: _gone(*old))


def test_a_dropped_runtime_leaves_the_base_as_it_found_it(shelf: Shelf) -> None:
    base = models.base("llama")
    before = _hooks(base)
    for _ in range(3):
        dropped = Runtime(base, shelf.runtime(slots=1)._residency._fetch)
        assert isinstance(dropped.run([Request("a", IDS, Sampling(2))])[0], Completion)
        weights = weakref.ref(dropped._slots._lora)
        del dropped
        until(partial(_gone, weights))  # its thread may be about to end its last turn
    Runtime(base, shelf.runtime(slots=1)._residency._fetch).close()
    assert _hooks(base) == before


def _gone(*things: "weakref.ref[Any]") -> bool:
    gc.collect()
    return all(thing() is None for thing in things)


def _hooks(base: Any) -> int:
    return sum(len(layer._forward_hooks) for layer in base.linears.values())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_told_and_the_parent_goes_on(runtime: Runtime, tmp_path: Path) -> None:
    told = tmp_path / "told"
    assert isinstance(runtime.run([Request("a", IDS, Sampling(2))])[0], Completion)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs is a failure
        try:
            runtime.submit([Request("a", IDS, Sampling(2))])
        except RequestError as error:
            told.write_text(str(error))
        runtime.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert "make the registry in each process" in told.read_text()
    assert isinstance(runtime.run([Request("a", IDS, Sampling(2))])[0], Completion)
