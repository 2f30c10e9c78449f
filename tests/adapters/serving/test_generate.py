"""The running batch: rows of any adapters written together, as stock PEFT writes each alone."""

from pathlib import Path

import pytest
import torch
import transformers as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import Adapter, Base, Head, Lora
from adapters.errors import RequestError
from adapters.serving.generate import Batch, Writing, write
from adapters.serving.sampling import Sampling
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from tests.adapters import models
from tests.adapters.shelf import Shelf

PROMPTS = [(5, 9, 20, 33, 7), (8, 6), (40, 41, 42, 43, 44, 45, 46), (3, 4, 5)]
MIX = {
    "lora": ("lora", {"r": 2}),
    "prefix": ("prefix", {"num_virtual_tokens": 3}),
    "some layers": ("lora", {"r": 6, "use_rslora": True, "target_modules": ["down_proj", "o_proj", "fc2"]}),
    "long prefix": ("prefix", {"num_virtual_tokens": 7}),
    "dora": ("lora", {"r": 3, "use_dora": True, "lora_alpha": 6}),
}


def loaded(shelf: Shelf) -> tuple[Slots, dict[str | None, int | None]]:
    """All adapters of a shelf in slots of a fresh base, and the slot of each."""
    base = models.base(shelf.family, **shelf.changes)
    slots = Slots(base, len(shelf.options))
    place: dict[str | None, int | None] = {None: None}
    for slot, name in enumerate(shelf.options):
        slots.load(slot, shelf.adapters[name])
        place[name] = slot
    return slots, place


def written(slots: Slots, asked: list[Writing], rows: int = 32) -> list[list[int]]:
    with torch.inference_mode():
        write(slots.base, slots, asked, rows)
    return [text.written for text in asked]


@pytest.mark.parametrize("family", models.DECODERS)
def test_a_mixed_batch_writes_what_peft_writes_row_by_row(family: str, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, MIX, family)
    slots, place = loaded(shelf)
    asked = [(name, prompt) for name in place for prompt in PROMPTS]
    texts = [Writing(prompt, place[name], Sampling(10)) for name, prompt in asked]
    for (name, prompt), found in zip(asked, written(slots, texts), strict=True):
        assert found == shelf.greedy(name, prompt, 10), (name, prompt)


def test_a_window_of_attention_is_kept_to_in_prefixes_and_cache(tmp_path: Path) -> None:
    """Mistral with a window of 4: longer rows forget their beginning, as in transformers and PEFT."""
    mix = {name: MIX[name] for name in ("lora", "prefix")}
    shelf = Shelf(tmp_path, mix, "mistral", changes={"sliding_window": 4})
    free = Shelf(tmp_path / "free", {}, "mistral")
    slots, place = loaded(shelf)
    asked = [(name, prompt) for name in place for prompt in PROMPTS]
    texts = [Writing(prompt, place[name], Sampling(12)) for name, prompt in asked]
    for (name, prompt), found in zip(asked, written(slots, texts), strict=True):
        assert found == shelf.greedy(name, prompt, 12), (name, prompt)
    assert shelf.greedy(None, PROMPTS[2], 12) != free.greedy(None, PROMPTS[2], 12), "the window matters here"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("mix"), MIX)


JOIN = st.tuples(
    st.sampled_from([None, *MIX]),
    st.lists(st.integers(2, 250), min_size=1, max_size=9).map(tuple),
    st.integers(1, 9),
    st.integers(0, 6),  # steps before it joins
)


@settings(max_examples=40)
@given(joins=st.lists(JOIN, min_size=1, max_size=8), drop=st.integers(0, 7))
def test_rows_that_come_and_go_never_touch_each_other(
    shelf: Shelf, joins: list[tuple[str | None, tuple[int, ...], int, int]], drop: int
) -> None:
    """Rows join at any step and leave when they are done, or are dropped in the middle: each is written as if alone."""
    slots, place = loaded(shelf)
    batch = Batch(slots.base, slots, max_rows=8, max_positions=1000)
    waiting = [(at, Writing(ids, place[name], Sampling(new)), name) for name, ids, new, at in joins]
    dropped = None
    try:
        with torch.inference_mode():
            for step in range(40):
                joining = [text for at, text, _ in waiting if at == step]
                if joining:
                    batch.join(joining)
                if step == 3 and drop < len(batch.running):
                    dropped = batch.running[drop]
                    batch.drop(dropped)
                if batch.running:
                    batch.step()
        assert not batch.running
        for _, text, name in waiting:
            expected = shelf.greedy(name, text.prompt, text.sampling.max_new_tokens)
            if text is dropped:
                assert text.written == expected[: len(text.written)]
            else:
                assert text.written == expected
    finally:
        slots.close()


def test_several_samples_of_a_prompt_read_it_once(shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    read: list[int] = []
    slots.base.backbone.register_forward_pre_hook(
        lambda _, __, given: read.append(given["input_ids"].shape[0]), with_kwargs=True
    )
    for name in ("lora", "prefix"):
        how = [Sampling(6, temperature=1.0, seed=seed) for seed in range(4)]
        alone = [written(slots, [Writing(PROMPTS[0], place[name], each)])[0] for each in how]
        read.clear()
        together = written(slots, [Writing(PROMPTS[0], place[name], each) for each in how])
        assert together == alone and len({tuple(text) for text in together}) > 1
        assert read[0] == 1 and read[1] == 4, "one row is read, four are written"


def test_heads_and_texts_in_one_forward_with_any_padding(tmp_path: Path) -> None:
    """Prompts of very different lengths, so that padding on either side matters."""
    options = MIX | {
        "labels": ("lora", {"r": 4, "head": 3}),
        "classes": ("prefix", {"num_virtual_tokens": 4, "head": 2}),
    }
    shelf = Shelf(tmp_path, options)
    slots, place = loaded(shelf)
    asked = [("labels", PROMPTS[1]), ("classes", PROMPTS[2]), ("labels", PROMPTS[2]), ("classes", PROMPTS[3])]
    texts = [Writing(PROMPTS[0], place["long prefix"], Sampling(1)), Writing(PROMPTS[1], None, Sampling(1))]
    batch = Batch(slots.base, slots, 8, 1000)
    with torch.inference_mode():
        logits, ended = batch.join(texts, [(place[name], prompt) for name, prompt in asked])
    assert set(ended) == set(texts) and not batch.running
    assert texts[0].written == shelf.greedy("long prefix", PROMPTS[0], 1)
    assert texts[1].written == shelf.greedy(None, PROMPTS[1], 1)
    for (name, prompt), found in zip(asked, logits, strict=True):
        assert torch.allclose(found, shelf.logits(name, prompt), rtol=1e-4, atol=1e-5)


def test_the_cache_grows_and_shrinks_with_its_rows(shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    short = [Writing(PROMPTS[index % 4], place["lora"], Sampling(3)) for index in range(12)]
    long = Writing((5,) * 30, place["prefix"], Sampling(60))
    batch = Batch(slots.base, slots, max_rows=12, max_positions=200)
    assert batch.fits([batch.need(text) for text in short])
    assert not batch.fits([batch.need(text) for text in (*short, long)]), (
        "13 rows of 92 positions are too many"
    )
    with torch.inference_mode():
        batch.join([long])
        assert not batch.fits([batch.need(text) for text in short[:2]])
        while batch.running:
            batch.step()
        batch.join(short)
        while batch.running:
            batch.step()
    assert long.written == shelf.greedy("prefix", (5,) * 30, 60)
    for text in short:
        assert text.written == shelf.greedy("lora", text.prompt, 3)


def test_what_texts_took_of_memory_goes_with_the_last_of_them(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, {"lora": MIX["lora"]})
    slots, place = loaded(shelf)
    batch = Batch(slots.base, slots, max_rows=8, max_positions=1000)
    held = lambda: sum(layer.numel() for layer in batch._cache.memory)  # noqa: E731
    with torch.inference_mode():
        for _ in range(2):
            texts = [
                Writing(prompt, place["lora"], Sampling(6 + number)) for number, prompt in enumerate(PROMPTS)
            ]
            batch.join(texts)
            while batch.running:
                assert held() > 0
                batch.step()
            assert held() == 0
            assert texts[0].written == shelf.greedy("lora", PROMPTS[0], 6)
        left = Writing(PROMPTS[0], place["lora"], Sampling(50))
        batch.join([left])
        batch.drop(left)
    assert held() == 0


@pytest.mark.parametrize("penalty", [1.3, 0.7])
def test_a_repetition_penalty_is_that_of_transformers(penalty: float, shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    texts = [Writing(prompt, place["lora"], Sampling(15, repetition_penalty=penalty)) for prompt in PROMPTS]
    texts.append(Writing(PROMPTS[0], place["lora"], Sampling(15)))
    found = written(slots, texts)
    for prompt, text in zip(PROMPTS, found, strict=False):
        assert text == shelf.greedy("lora", prompt, 15, repetition_penalty=penalty)
    assert found[0] != found[-1], "each row has its own"


def test_a_stop_string_ends_its_own_row_and_is_not_part_of_the_text(shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    (plain,) = (Writing(PROMPTS[0], place["lora"], Sampling(30, temperature=1.0, seed=2)),)
    written(slots, [plain])
    stop = plain.text[6:8]
    assert stop.strip() == stop and len(stop) == 2, "this seed writes something to stop at"
    pieces: list[str] = []
    stopped = Writing(
        PROMPTS[0], place["lora"], Sampling(30, temperature=1.0, seed=2, stop=(stop, "never")), pieces.append
    )
    other = Writing(PROMPTS[0], place["lora"], Sampling(30, temperature=1.0, seed=2))
    written(slots, [stopped, other])
    assert stopped.finish == "stop" and other.finish == plain.finish
    assert stopped.text == plain.text[: plain.text.index(stop)].strip()
    assert "".join(pieces) == stopped.text
    assert other.text == plain.text


def test_every_end_token_of_the_model_ends_a_text_also_as_its_first_token(shelf: Shelf) -> None:
    slots, place = loaded(shelf)
    (first,), other = shelf.greedy(None, PROMPTS[0], 1), shelf.greedy("lora", PROMPTS[1], 4)
    assert first not in other
    slots.base.model.generation_config.eos_token_id = [1, first]
    ending, going = Writing(PROMPTS[0], None, Sampling(5)), Writing(PROMPTS[1], place["lora"], Sampling(4))
    written(slots, [ending, going])
    assert (ending.written, ending.text, ending.finish) == ([], "", "end")
    assert going.written == other


def test_nothing_is_left_of_a_row_that_failed_while_another_ended(shelf: Shelf) -> None:
    """The failed row moves into the place of the one that ended, and leaves in the same step."""
    slots, place = loaded(shelf)
    lora = shelf.adapters["lora"]
    huge = {name: torch.full_like(tensor, 1e30) for name, tensor in lora.tensors.items()}
    assert place["dora"] is not None and place["lora"] is not None and place["dora"] > place["lora"]
    slots.load(place["dora"], Adapter(**{**vars(lora), "tensors": huge}))
    batch = Batch(slots.base, slots, max_rows=8, max_positions=1000)
    with torch.inference_mode():
        ends = Writing(PROMPTS[0], place["lora"], Sampling(1))
        fails = Writing((5,) * 30, place["dora"], Sampling(9))
        stays = Writing((5,) * 40, None, Sampling(20))
        # Makes the room, and keeps it.
        batch.join([stays, *(Writing((5,) * 40, None, Sampling(1, seed=seed)) for seed in range(4))])
        batch.join([ends, fails])
        assert (ends.finish, fails.finish) == ("length", "failed")
        after = [Writing(prompt, place["lora"], Sampling(5)) for prompt in PROMPTS]
        batch.join(after)
        while batch.running:
            batch.step()
    assert stays.written == shelf.greedy(None, stays.prompt, 20)
    for text in after:
        assert text.written == shelf.greedy("lora", text.prompt, 5)


def test_options_out_of_range_are_all_named() -> None:
    with pytest.raises(
        RequestError, match=r"temperature is -1 .*; expected 0 .*; top_p is 2 .*; expected a number"
    ):
        Sampling(temperature=-1, top_p=2)


@pytest.mark.parametrize(
    ("poolings", "tokens"), [(["first", "pooler"], 1), (["first", "mean"], 7), (["pooler", "last"], 7)]
)
def test_an_encoders_last_layer_looks_at_other_tokens_only_where_a_head_does(
    poolings: list[str], tokens: int
) -> None:
    base = models.base("bert")
    slots, seen = Slots(base, 2), []
    for slot, pooling in enumerate(poolings):
        slots.load(slot, models.made_here("bert", "lora", 3, pooling))
    heads = [(0, PROMPTS[0]), (1, PROMPTS[2]), (1, PROMPTS[1])]
    handle = base.backbone.encoder.layer[-1].intermediate.register_forward_hook(  # type: ignore[union-attr, index]
        lambda _, inputs, __: seen.append(inputs[0].shape[1])
    )
    with torch.inference_mode():
        found, _ = Batch(base, slots, 4, 1000).read([], heads)
        handle.remove()
        assert seen == [tokens]
        for (slot, ids), logits in zip(heads, found, strict=True):
            hidden = forward(base, slots, pad(base, [ids]), RowSlots((slot,)))
            expected = slots.head(slot)(hidden.states, hidden.mask, hidden.pooler)[0]
            assert torch.allclose(logits, expected, atol=1e-5)


def test_an_encoder_of_another_kind_reads_every_token() -> None:
    torch.manual_seed(0)
    config = tf.DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    base = Base(tf.DistilBertModel(config).eval(), models.tokenizer(), id="tiny/distilbert")
    slots, head = Slots(base, 1), Head(("a", "b"), "first")
    tensors = {
        "base_model.model.classifier.weight": torch.randn(2, 32),
        "base_model.model.classifier.bias": torch.zeros(2),
    }
    for path in (path for path in base.linears if path.endswith("q_lin")):
        tensors[f"base_model.model.{path}.lora_A.weight"] = torch.randn(1, 32)
        tensors[f"base_model.model.{path}.lora_B.weight"] = torch.randn(32, 1)
    slots.load(0, Adapter(Lora(1, 1.0, ("q_lin",)), head, tensors, base.identity, "behavior"))
    with torch.inference_mode():
        (logits,), _ = Batch(base, slots, 4, 1000).read([], [(0, PROMPTS[0])])
    assert logits.shape == (2,)
