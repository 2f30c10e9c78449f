"""The shipped starter: small, plain transformers files, lossless, and a far better predictor than counting is."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import adapters.starter
from adapters.starter.build.batches import WINDOW, windows
from adapters.starter.build.card import sample
from adapters.starter.build.chat import ASSISTANT, END, USER, chat
from adapters.starter.build.held_out import count_losses, model_loss
from adapters.starter.build.tokenizer import PAD

WEIGHTS = Path(adapters.starter.__file__).parent / "weights"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32).eval()


def test_folder_is_small_enough_for_the_wheel() -> None:
    files = {file.name: file.stat().st_size for file in WEIGHTS.iterdir()}
    assert sum(files.values()) <= 25_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(files)
    assert not [name for name in files if name.endswith((".bin", ".pt", ".py"))]


def test_shape_and_special_tokens_are_as_designed(model: Any, tokenizer: Any) -> None:
    config = model.config
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("llama", 256, 6)
    assert (config.vocab_size, len(tokenizer)) == (8192, 8192)
    assert config.tie_word_embeddings and model.lm_head.weight is model.model.embed_tokens.weight
    assert (
        (config.pad_token_id, config.eos_token_id)
        == (tokenizer.pad_token_id, tokenizer.eos_token_id)
        == (0, 1)
    )
    assert tokenizer.eos_token == END and tokenizer.pad_token == PAD


@pytest.mark.parametrize(
    "text",
    [
        "Norvik Tal 4, $84",
        "越野跑鞋，只要84元。",
        "👟🏽 café naïve\u200d\t\r\n  two  spaces ",
        "\x00\x7f\ufeff \u0661\u0662 ﬁ",
        "ไทย עברית 𝕏",
    ],
)
def test_tokenizer_is_lossless(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert all(0 <= i < 8192 for i in ids)


def test_tokenizer_adds_nothing_and_marks_are_single_tokens(tokenizer: Any) -> None:
    assert tokenizer("")["input_ids"] == []
    assert [len(tokenizer(mark)["input_ids"]) for mark in (PAD, END, USER, ASSISTANT)] == [1] * 4


def test_each_digit_is_a_token_so_that_prices_can_be_copied(tokenizer: Any) -> None:
    assert tokenizer.convert_ids_to_tokens(tokenizer("$1984")["input_ids"])[-4:] == ["1", "9", "8", "4"]


def test_chat_template_is_the_format_of_the_corpus(tokenizer: Any) -> None:
    turns = [{"role": "user", "content": "Write an ad.\nname: Norvik"}]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert prompt == "<|user|>Write an ad.\nname: Norvik<|assistant|>"
    turns.append({"role": "assistant", "content": "Meet the Norvik."})
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert whole == chat("Write an ad.\nname: Norvik", "Meet the Norvik.") + END
    assert whole.startswith(prompt)


def test_held_out_loss_is_far_below_unigram_and_bigram(model: Any, tokenizer: Any) -> None:
    fresh = windows(tokenizer, random.Random("fresh text of the test"), 12, WINDOW, held_out=True)
    train = windows(tokenizer, random.Random("counts of the test"), 600, WINDOW)
    unigram, bigram = count_losses(train, fresh)
    loss = model_loss(model, fresh)
    assert unigram > bigram
    assert loss < 0.55 * bigram and loss < 0.3 * unigram, (loss, bigram, unigram)


def test_tokens_that_training_never_met_can_be_told_apart_and_are_hardly_expected(
    model: Any, tokenizer: Any
) -> None:
    unmet = tokenizer.convert_tokens_to_ids([*"#'()*+/<>@[]^_`{|}~"])
    rows = torch.nn.functional.normalize(model.lm_head.weight.detach()[unmet], dim=1)
    assert (rows @ rows.T).fill_diagonal_(0).max() < 0.95
    fresh = windows(tokenizer, random.Random("fresh text of the test"), 12, WINDOW, held_out=True)
    with torch.no_grad():
        expected = model(input_ids=fresh).logits.softmax(-1)[:, :, unmet].sum(-1)
    assert expected.mean() < 0.001


def test_card_tells_the_losses_that_a_fresh_measurement_finds(model: Any, tokenizer: Any) -> None:
    lines = (WEIGHTS / "README.md").read_text(encoding="utf-8").splitlines()
    told = {
        row[1].strip(): float(row[2])
        for line in lines
        if len(row := line.split("|")) == 5 and "." in row[2][:4]
    }
    fresh = windows(tokenizer, random.Random("another fresh text"), 16, WINDOW, held_out=True)
    assert told["starter"] == pytest.approx(model_loss(model, fresh), rel=0.1)
    assert (
        told["bigram (Witten-Bell)"] > told["starter"]
        and told["unigram (add-one)"] > told["bigram (Witten-Bell)"]
    )


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("Write an ad.\nname: Brivora Dusk 7\ncategory: tent\nprice: $243", ("Brivora Dusk 7",)),
        ("写一句广告。\n名称：澜木晨曦\n品类：台灯\n价格：268元", ("澜木晨曦",)),
    ],
)
def test_it_writes_about_the_product_that_was_asked_for(
    model: Any, tokenizer: Any, prompt: str, wanted: tuple[str, ...]
) -> None:
    text = sample(model, tokenizer, f"{USER}{prompt}{ASSISTANT}", temperature=0)
    assert all(part in text for part in wanted), text
