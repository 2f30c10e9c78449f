"""How likely texts are to several adapters: each as it would be alone."""

import numpy as np

from adapters.slots import Slots
from recipes import Recipe
from recipes.examples import Example
from recipes.learn import text_losses
from recipes.learn.encode import encode
from recipes.learn.frame import PromptFrame
from recipes.learn.predict import copy_losses
from tests.adapters import models


def test_each_adapter_says_what_it_says_alone_by_token() -> None:
    base = models.base("llama")
    adapters = [models.made_here("llama", kind) for kind in ("lora", "prefix")]
    recipe = Recipe.load("ad-copy")
    examples = [
        Example("tea", 1, copy="Buy tea!"),
        Example("a quiet kettle", 2, copy="So quiet. Yours today."),
    ]
    found = text_losses(base, adapters, recipe, examples)
    rows = encode(base, recipe, examples)
    for adapter, losses in zip(adapters, found, strict=True):
        slots = Slots(base, 1)
        slots.load(0, adapter)
        alone = copy_losses(base, slots, 0, rows)
        assert np.allclose(losses, [nats / tokens for nats, tokens in alone], rtol=1e-4)
    assert not np.allclose(found[0], found[1])


def test_each_adapter_is_asked_in_the_words_that_it_was_trained_in() -> None:
    base, frame = models.base("llama"), PromptFrame("On Monday: ", " Go.", False)
    plain, framed = (models.made_here("llama", "lora") for _ in range(2))
    framed.info["frame"] = frame.to_info()
    recipe, examples = Recipe.load("ad-copy"), [Example("tea", 1, copy="Buy tea!")]
    found = text_losses(base, [plain, framed], recipe, examples)
    slots = Slots(base, 1)
    slots.load(0, framed)
    [(nats, tokens)] = copy_losses(base, slots, 0, encode(base, recipe, examples, frame))
    assert np.allclose(found[1], nats / tokens, rtol=1e-4) and not np.allclose(found[0], found[1])


def test_nothing_stays_on_the_base() -> None:
    base = models.base("llama")

    def hooks() -> int:
        return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in base.model.modules())

    before = hooks()
    text_losses(
        base,
        [models.made_here("llama", "lora")],
        Recipe.load("ad-copy"),
        [Example("tea", 1, copy="Buy tea!")],
    )
    assert hooks() == before
