"""An adapter of a high rank has memory of its own while it is in a slot, and gives it back."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from adapters.errors import AdapterError
from adapters.serving.request import Completion, Request
from adapters.serving.runtime import Runtime
from adapters.serving.sampling import Sampling
from tests.adapters.shelf import Shelf, in_slots

IDS = (5, 9, 20, 33)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "small": ("lora", {"r": 2}),
    "labels": ("lora", {"r": 4, "head": 3}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "large": ("lora", {"r": 16}),
    "other": ("lora", {"r": 12, "target_modules": ["q_proj", "down_proj"]}),
    "third": ("lora", {"r": 9, "head": 3}),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), KINDS)


@pytest.fixture
def runtime(shelf: Shelf) -> Iterator[Runtime]:
    runtime = shelf.runtime(slots=6, shared_rank=8, large=2)
    yield runtime
    runtime.close()


def test_ranks_of_all_sizes_answer_in_one_batch_as_in_peft(runtime: Runtime, shelf: Shelf) -> None:
    keys = ["large", "small", "other", "prefix", None, "large", "labels"]
    answers = runtime.run([Request(key, IDS, None if key == "labels" else Sampling(8)) for key in keys])
    for key, answer in zip(keys[:-1], answers[:-1], strict=True):
        assert isinstance(answer, Completion)
        assert list(answer.ids) == shelf.greedy(key, IDS, 8)
    assert torch.allclose(answers[-1], shelf.logits("labels", IDS), rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


def test_a_high_rank_is_not_made_room_for_in_every_slot_and_its_memory_comes_back(runtime: Runtime) -> None:
    runtime.load("small")
    before, hooks = _numbers(runtime), _hooks(runtime)
    runtime.load("large")
    assert _shared(runtime) == before
    assert before < _numbers(runtime) <= before + 2 * 16 / 2 * before / 7 + 1
    runtime.unload("large")
    assert (_numbers(runtime), _hooks(runtime)) == (before, hooks)


def test_only_so_many_large_ones_are_in_slots_and_the_others_wait_their_turn(
    runtime: Runtime, shelf: Shelf
) -> None:
    for _ in range(2):
        for key in ("large", "other", "third"):
            (answer,) = runtime.run([Request(key, IDS, None if key == "third" else Sampling(4))])
            assert not isinstance(answer, Exception)
            assert sum(name in in_slots(runtime) for name in ("large", "other", "third")) <= 2
    runtime.load("large", pin=True)
    runtime.load("other", pin=True)
    (refused,) = runtime.run([Request("third", IDS)])
    assert isinstance(refused, AdapterError) and "as Limits.large allows, 2, are pinned" in str(refused)
    assert isinstance(runtime.run([Request("small", IDS, Sampling(2))])[0], Completion)


def test_one_that_is_larger_than_the_limit_is_refused_with_both_sizes(shelf: Shelf) -> None:
    runtime = shelf.runtime(slots=2, adapter_bytes=10_000)
    (refused,) = runtime.run([Request("large", IDS, Sampling(2))])
    assert isinstance(refused, AdapterError)
    assert "bytes on the device, and Limits.adapter_bytes is 10,000" in str(refused)
    runtime.close()


def _shared(runtime: Runtime) -> int:
    return runtime._slots._lora.buffer.numel()


def _numbers(runtime: Runtime) -> int:
    return _shared(runtime) + sum(own.stack.buffer.numel() for own in runtime._slots._large.values())


def _hooks(runtime: Runtime) -> int:
    return sum(len(layer._forward_hooks) for layer in runtime.base.linears.values())
