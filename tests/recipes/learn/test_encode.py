"""Texts as tokens: where one over the limit is cut, so that rows of one user still begin alike, and without a word on
standard error about long ones."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import Base
from recipes import Recipe
from recipes.answer.voice import Reading, Voice
from recipes.examples import Example
from recipes.learn.encode import count_tokens, encode, encode_texts
from tests.adapters import models

BASE, ENCODER = models.base("llama"), models.base("bert")
USER = "User: searched trail shoes; bought socks, a lamp and two chairs; read about tents\nAd: "


def recipe(**options: int) -> Recipe:
    return Recipe.load("recommendation", **{f"data.{name}": value for name, value in options.items()})


def cut_to_the_token(base: Base, texts: list[str], limit: int) -> list[tuple[int, ...]]:
    return [tuple(base.tokenizer(text)["input_ids"][-limit:]) for text in texts]


@given(st.text(max_size=120), st.integers(8, 64), st.integers(1, 40))
def test_a_cut_takes_whole_steps_and_no_more_of_them_than_needed(text: str, limit: int, cut_by: int) -> None:
    whole, step = BASE.tokenizer(text)["input_ids"], max(1, min(cut_by, limit // 4))
    (ids,) = encode_texts(BASE, recipe(max_tokens=limit, cut_by=cut_by), [text])
    lost = len(whole) - len(ids)
    assert list(ids) == whole[lost:]
    assert lost % step == 0 and (lost == 0 or limit - step < len(ids) <= limit)
    assert lost == 0 or len(whole) > limit


def test_rows_of_one_user_begin_alike_whatever_their_ads() -> None:
    """In one way, or in two where their lengths lie on both sides of a step; cut to the token, each in its own."""
    ads = ("A quiet kettle", "Trail shoes", "Free delivery", "Tents, lamps", "Two chairs and a lamp", "Socks")
    texts = [USER + ad for ad in ads]
    rows = encode_texts(BASE, recipe(max_tokens=80), texts)
    assert all(60 < len(row) <= 80 for row in rows)
    assert len({row[:40] for row in rows}) <= 2
    exact = encode_texts(BASE, recipe(max_tokens=80, cut_by=1), texts)
    assert exact == cut_to_the_token(BASE, texts, 80)
    assert len({row[:40] for row in exact}) == len(ads)


def test_an_encoder_and_texts_cut_at_their_end_are_cut_to_the_token() -> None:
    texts = [USER + "A quiet kettle", USER]
    assert encode_texts(ENCODER, recipe(max_tokens=60), texts) == cut_to_the_token(ENCODER, texts, 60)
    behavior = Recipe.load("behavior", **{"data.max_tokens": 60})
    whole = [tuple(BASE.tokenizer(text)["input_ids"][:60]) for text in texts]
    assert encode_texts(BASE, behavior, texts) == whole


@pytest.mark.parametrize("said", [True, False], ids=["says how", "of before"])
def test_an_adapter_reads_as_it_has_learned_to(said: bool) -> None:
    """One that does not say how it was cut learned from texts that were cut to the token."""
    made = models.made_here("llama", "lora", labels=2)
    told = recipe(max_tokens=64).to_dict()
    if not said:
        del told["data"]["cut_by"]
    made.info["recipe"], made.task = told, "recommendation"
    voice, readings = Voice.of(made), [Reading({}, USER + ad) for ad in ("A quiet kettle", "Shoes", "")]
    rows = voice.tokens(BASE, readings)
    exact = cut_to_the_token(BASE, [reading.text for reading in readings], 64)
    assert (rows == exact) is not said
    whole = [len(BASE.tokenizer(reading.text)["input_ids"]) for reading in readings]
    assert voice.cuts(BASE, readings, rows) == [a - len(row) for a, row in zip(whole, rows, strict=True)]


@pytest.mark.parametrize("task", ["behavior", "ad-copy"])
def test_a_long_text_is_tokenized_without_a_warning(task: str, caplog: pytest.LogCaptureFixture) -> None:
    base = models.base("llama")
    base.tokenizer.model_max_length = 16
    base.tokenizer.deprecation_warnings.clear()
    example = Example(text="so late again " * 40, line=1, label=0, copy="late " * 40, weight=1.0)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        assert sum(count_tokens(base, Recipe.load(task), example)) > 100
        encode(base, Recipe.load(task), [example])
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.text == ""
