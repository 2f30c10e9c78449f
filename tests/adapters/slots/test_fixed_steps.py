"""Steps at fixed shapes: what the usual ones give, from buffers that are filled in place, and safe to capture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kernels import dispatch
from adapters.serving.generate import Batch, Writing
from adapters.serving.sampling import Sampling
from adapters.slots import slots as slots_module
from adapters.slots.cache import KeyValueCache
from adapters.slots.fixed_steps import FixedSteps, fixed_steps, rounded
from adapters.slots.forward_pass import extend
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models
from tests.adapters.shelf import Shelf
from tests.adapters.slots.capture_safe import NotCaptureSafe, once, watched

PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5)]
MIX = {
    "lora": ("lora", {"r": 2}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "some layers": ("lora", {"r": 6, "use_rslora": True, "target_modules": ["down_proj", "o_proj", "fc2"]}),
    "dora": ("lora", {"r": 3, "use_dora": True, "lora_alpha": 6}),
}
Run = Callable[[], torch.Tensor]


def loaded(shelf: Shelf, shared_rank: int | None = None) -> tuple[Slots, dict[str | None, int | None]]:
    base = models.base(shelf.family, **shelf.changes)
    base.lm_logits(torch.zeros(1, base.width))  # on a CPU alone, its head is looked at once
    slots = Slots(base, len(shelf.options), shared_rank=shared_rank)
    place: dict[str | None, int | None] = {None: None}
    for slot, name in enumerate(shelf.options):
        slots.load(slot, shelf.adapters[name])
        place[name] = slot
    return slots, place


def fixed_batch(slots: Slots, capture: Callable[[Run], Run] = watched) -> Batch:
    batch = Batch(slots.base, slots, max_rows=8, max_positions=1000)
    batch.fixed = FixedSteps(slots.base, slots, capture)
    return batch


def write_all(batch: Batch, joins: list[tuple[int, Writing]]) -> None:
    """Each joins at its step, where there is room, or as soon as there is."""
    waiting, at = list(joins), 0
    with torch.inference_mode():
        while waiting or batch.running:
            ready = [text for step, text in waiting if step <= at][: batch.max_rows - len(batch.running)]
            waiting = [each for each in waiting if each[1] not in ready]
            if ready:
                batch.join(ready)
            if batch.running:
                batch.step()
            at += 1


@pytest.mark.parametrize("family", models.DECODERS)
def test_rows_that_come_and_go_are_written_as_peft_writes_them(family: str, tmp_path: Path) -> None:
    """Every step under watch, in every family: nothing is read back, and no step does what another did not."""
    shelf = Shelf(tmp_path, MIX, family)
    slots, place = loaded(shelf)
    asked = [(name, prompt) for prompt in PROMPTS for name in place]
    texts = [Writing(prompt, place[name], Sampling(4 + at % 5)) for at, (name, prompt) in enumerate(asked)]
    captured: list[Run] = []

    def capture(run: Run) -> Run:
        captured.append(run)
        return watched(run)

    write_all(fixed_batch(slots, capture), [(at // 2, text) for at, text in enumerate(texts)])
    assert 1 < len(captured) < len(texts)
    for (name, prompt), text in zip(asked, texts, strict=True):
        assert text.written == shelf.greedy(name, prompt, text.sampling.max_new_tokens), (name, prompt)


def test_a_window_of_attention_is_kept_to(tmp_path: Path) -> None:
    mix = {name: MIX[name] for name in ("lora", "prefix")}
    shelf = Shelf(tmp_path, mix, "mistral", changes={"sliding_window": 4})
    slots, place = loaded(shelf)
    texts = {
        (name, prompt): Writing(prompt, place[name], Sampling(9)) for name in place for prompt in PROMPTS
    }
    write_all(fixed_batch(slots), [(0, text) for text in texts.values()])
    for (name, prompt), text in texts.items():
        assert text.written == shelf.greedy(name, prompt, 9), (name, prompt)


@pytest.mark.parametrize("family", models.DECODERS)
def test_a_step_asks_for_no_number(family: str) -> None:
    """On torch's device without numbers, which nothing can be read from or moved off: the step needs none."""
    base = models.base(family)
    base.model.to("meta")
    slots = Slots(base, 2)
    for slot, method in enumerate(("lora", "prefix")):
        slots.load(slot, models.made_here(family, method))
    fixed, cache = (
        FixedSteps(base, slots, lambda run: run),
        KeyValueCache(base.attention, base.device, base.dtype),
    )
    cache.resize(4, 64, 0)
    with torch.inference_mode():
        found = fixed.logits(cache, [5, 6, 7], [9, 0, 30], RowSlots((0, 1, None)))
    assert found is not None and found.is_meta and found.shape == (3, base.vocabulary)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("mix"), MIX)


ROWS = st.lists(st.tuples(st.sampled_from([None, *MIX]), st.integers(0, 90)), min_size=1, max_size=6)


def both(slots: Slots, fixed: FixedSteps, cache: KeyValueCache, rows: list[Any]) -> tuple[Any, torch.Tensor]:
    """Logits of the fixed and of the usual step, of the same tokens behind the same past."""
    own, starts = RowSlots(tuple(slot for slot, _ in rows)), [start for _, start in rows]
    tokens = [(7 * at + start) % 290 + 2 for at, start in enumerate(starts)]
    with torch.inference_mode():
        found = fixed.logits(cache, tokens, starts, own)
        found = None if found is None else found.clone()
        states = extend(slots.base, slots, cache, 0, starts, torch.tensor(tokens)[:, None], own)
        return found, slots.base.lm_logits(states[:, -1])


def noise(slots: Slots, rows: int = 8, width: int = 128) -> KeyValueCache:
    """A cache with numbers everywhere: also where nobody may look."""
    cache = KeyValueCache(slots.base.attention, slots.base.device, slots.base.dtype)
    cache.resize(rows, width, 0)
    for at, stored in enumerate(cache.memory):
        stored.copy_(torch.randn(stored.shape, generator=torch.Generator().manual_seed(at)))
    return cache


@settings(max_examples=20)
@given(steps=st.lists(ROWS, min_size=1, max_size=4))
def test_one_captured_step_gives_for_any_rows_what_the_usual_one_gives(
    shelf: Shelf, steps: list[list[tuple[str | None, int]]]
) -> None:
    slots, place = loaded(shelf)
    fixed, cache = FixedSteps(slots.base, slots, watched), noise(slots)
    try:
        for rows in steps:
            found, expected = both(slots, fixed, cache, [(place[name], start) for name, start in rows])
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    finally:
        slots.close()


def test_captures_hold_for_an_adapter_that_takes_anothers_place_and_go_when_memory_moves(
    shelf: Shelf,
) -> None:
    slots, place = loaded(shelf)
    captured: list[Run] = []

    def capture(run: Run) -> Run:
        captured.append(run)
        return watched(run)

    fixed, cache = FixedSteps(slots.base, slots, capture), noise(slots)
    rows = [(place["lora"], 5), (None, 40)]

    def agree() -> int:
        found, expected = both(slots, fixed, cache, rows)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
        return len(captured)

    assert [agree(), agree()] == [1, 1]
    slots.load(place["lora"], shelf.adapters["some layers"])
    assert agree() == 1
    wider = models.made_here("llama", "lora")
    slots.load(place["lora"], wider)
    assert agree() == 1, "rank 3 has room already"
    cache.resize(8, 192, 8)
    assert agree() == 2
    larger = models.peft_adapter(models.model("llama"), shelf.folder / "larger", "lora", r=9)
    slots.load(place["lora"], larger)
    assert agree() == 3, "low-rank terms have moved to make room for rank 9"


def test_an_adapter_with_memory_of_its_own_takes_the_usual_step(shelf: Shelf) -> None:
    slots, place = loaded(shelf, shared_rank=4)
    fixed, cache = FixedSteps(slots.base, slots, watched), noise(slots)
    assert both(slots, fixed, cache, [(place["some layers"], 4)])[0] is None
    found, expected = both(slots, fixed, cache, [(place["lora"], 4)])
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_texts_are_written_all_the_same_where_nothing_can_be_captured(shelf: Shelf) -> None:
    tried = []

    def capture(run: Run) -> Run:
        tried.append(run)
        raise RuntimeError("operation not permitted when stream is capturing")

    slots, place = loaded(shelf)
    texts = [Writing(prompt, place["lora"], Sampling(6)) for prompt in PROMPTS]
    write_all(fixed_batch(slots, capture), [(0, text) for text in texts])
    assert [text.written for text in texts] == [shelf.greedy("lora", prompt, 6) for prompt in PROMPTS]
    assert len(tried) == 1


def test_a_cpu_takes_the_usual_steps() -> None:
    base = models.base()
    assert fixed_steps(base, Slots(base, 1)) is None


def test_the_cuda_kernels_in_a_fixed_step(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole step whose low-rank terms Triton's interpreter computes, told its slots by the buffer alone."""
    pytest.importorskip("triton", reason="Triton is not installed")
    from adapters.kernels import triton_grouped

    if torch.cuda.is_available():
        pytest.skip("Triton compiles here, and these tensors lie on the CPU")
    calls: list[Any] = []

    def add(output: Any, x: Any, weights: Any, bias: Any, rows: Any) -> Any:
        if rows.tiles is None:
            return dispatch.add(output, x, weights, bias, rows)
        calls.append(rows.tiles)
        return triton_grouped.add(output, x, weights, bias, rows)

    monkeypatch.setattr(slots_module, "add", add)
    slots, place = loaded(shelf)
    fixed, cache = FixedSteps(slots.base, slots, lambda run: run), noise(slots)
    for names in (["dora", None, "lora"], ["lora", "some layers", "prefix"]):
        found, expected = both(slots, fixed, cache, [(place[name], 9) for name in names])
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert len({id(tiles) for tiles in calls}) == 1


@pytest.mark.parametrize(
    "unsafe",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
        lambda x: 1 if (x > 0).any() else 0,
        lambda x: int(x.max()),
    ],
)
def test_the_watch_refuses_what_a_graph_cannot_hold(unsafe: Callable[[torch.Tensor], Any]) -> None:
    x = torch.tensor([1.0, -1.0, 2.0])
    with pytest.raises(NotCaptureSafe):
        once(lambda: unsafe(x))


def test_the_usual_step_is_none_that_could_be_captured(shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    cache, rows = noise(slots), RowSlots((place["lora"], None))
    ids = torch.tensor([[5], [6]])
    with torch.inference_mode(), pytest.raises(NotCaptureSafe):
        once(lambda: extend(slots.base, slots, cache, 0, [3, 9], ids, rows))


def test_the_watch_refuses_memory_that_a_step_takes_by_what_it_is_told() -> None:
    sizes = iter([3, 3, 3, 3, 4])
    replay = watched(lambda: torch.zeros(next(sizes)))
    replay()
    with pytest.raises(NotCaptureSafe):
        replay()


def test_shapes_are_rounded_up_to_few() -> None:
    assert [rounded(n) for n in (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33)] == [
        1,
        2,
        3,
        4,
        6,
        8,
        12,
        16,
        24,
        32,
        48,
    ]
    assert all(n <= rounded(n) <= 1.5 * n for n in range(1, 5000))
