"""Texts as tokens: as long as they are, and without a word on standard error about it."""

import logging

import pytest

from recipes.examples import Example
from recipes.learn.encode import count_tokens, encode
from recipes.recipe import Recipe
from tests.adapters import models


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
