"""What stands around a prompt: as the base's template says in training, and the same ever after."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters import Adapter, Base
from adapters.errors import BadAdapter, BaseError
from recipes import Recipe
from recipes.answer.voice import Reading, Voice
from recipes.examples import Example
from recipes.learn.encode import encode, encode_prompt
from recipes.learn.frame import PromptFrame
from recipes.learn.initial_weights import start
from tests.adapters import models

RECIPE = Recipe.load("ad-copy")
CHAT = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<me>{% endif %}"
)
DAY = "It is the {day}. " + CHAT
PRODUCT = "name: Kettle {K2}\nprice: $89"


@contextmanager
def templated(template: str | None) -> Iterator[Base]:
    base = models.base("llama")
    before, base.tokenizer.chat_template = base.tokenizer.chat_template, template
    try:
        yield base
    finally:
        base.tokenizer.chat_template = before


def asked(adapter: Adapter, base: Base) -> tuple[int, ...]:
    adapter.info["recipe"] = RECIPE.to_dict()
    voice = Voice.of(adapter)
    (ids,) = voice.tokens(base, [Reading({}, PRODUCT)])
    assert voice.cuts(base, [Reading({}, PRODUCT)], [ids]) == [0]
    return ids


@pytest.mark.parametrize("template", [None, CHAT], ids=["no template", "a template"])
def test_a_prompt_is_what_the_template_makes_of_it_and_what_was_trained(template: str | None) -> None:
    with templated(template) as base:
        made = start(RECIPE, base, ())
        (row,) = encode(base, RECIPE, [Example(PRODUCT, 1, copy="Tea!")], PromptFrame.from_info(made.info))
        assert asked(made, base) == row.ids == encode_prompt(base, RECIPE, PRODUCT)


def test_an_adapter_is_asked_as_it_was_trained_when_the_template_changes() -> None:
    with templated(DAY.replace("{day}", "first")) as base:
        made = start(RECIPE, base, ())
        ids = asked(made, base)
    for template in (DAY.replace("{day}", "second"), None):
        with templated(template) as base:
            assert asked(made, base) == ids
            assert encode_prompt(base, RECIPE, PRODUCT) != ids


def test_an_adapter_that_does_not_say_is_asked_as_the_template_is_now() -> None:
    made = models.made_here("llama", "lora")
    assert "frame" not in made.info
    for template in (None, CHAT, DAY):
        with templated(template) as base:
            assert asked(made, base) == encode_prompt(base, RECIPE, PRODUCT)


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('a system turn first') }}",
        "{{ messages[7].content }}",
        "Hello.",
        CHAT + CHAT,
        "{% if",
        "a" * 20_001 + CHAT,
    ],
)
def test_a_template_that_cannot_hold_a_prompt_is_a_problem_of_the_base(template: str) -> None:
    with templated(template) as base, pytest.raises(BaseError, match="chat template"):
        start(RECIPE, base, ())


@pytest.mark.parametrize(
    "said",
    [
        "user: ",
        {"before": "a"},
        {"before": None, "after": "", "special": True},
        {"before": "", "after": "", "special": 1},
        {"before": "a" * 50_000, "after": "", "special": True},
    ],
)
def test_what_no_turn_can_be_is_a_bad_adapter(said: object) -> None:
    made = models.made_here("llama", "lora")
    made.info |= {"recipe": RECIPE.to_dict(), "frame": said}
    with pytest.raises(BadAdapter, match="train the adapter again"):
        Voice.of(made)
