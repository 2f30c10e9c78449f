"""The made-up market: its formula, and the best that any model can reach on it."""

import itertools
import math
import random

import pytest

from adapters.starter import world
from adapters.starter.words import CATEGORIES, COLOURS, PEOPLE


def test_probability_is_the_formula_of_the_docstring() -> None:
    shoes = next(c for c in CATEGORIES if c.en == "trail shoes")
    material = shoes.materials[0]
    rng = random.Random(0)
    base = world.make_product(rng, category=shoes, brand="Norvik", material=material)
    product = world.Product(**{**vars(base), "discount": 25, "new": True})
    user = world.User("u1", (shoes,), 1.0, material, "Norvik", ("searched trail shoes",))
    taste = world.Taste(
        -1.0,
        match=2.0,
        related=9.0,
        discount=1.0,
        bargain=0.5,
        grade=0.4,
        novelty=0.3,
        material=0.2,
        brand=0.1,
    )
    logit = -1.0 + 2.0 + 1.0 * 0.5 + 0.5 * 0.5 + 0.4 * (material.grade - 1) + 0.3 + 0.2 + 0.1
    assert taste.probability(user, product) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-12)


def test_related_counts_only_where_the_category_itself_is_not_wanted() -> None:
    tent, pack = (next(c for c in CATEGORIES if c.en == name) for name in ("tent", "backpack"))
    user = world.User("u1", (tent,), 0.5, None, None, ())
    taste = world.Taste(0.0, match=3.0, related=1.0)
    rng = random.Random(0)
    assert taste.probability(user, world.make_product(rng, category=tent)) == pytest.approx(
        1 / (1 + math.exp(-3))
    )
    assert taste.probability(user, world.make_product(rng, category=pack)) == pytest.approx(
        1 / (1 + math.exp(-1))
    )


def test_best_auc_equals_the_sum_over_pairs() -> None:
    rng = random.Random(5)
    p = [round(rng.random(), 1) for _ in range(60)]  # one digit: many ties
    right = pairs = 0.0
    for (i, a), (j, b) in itertools.product(enumerate(p), enumerate(p)):
        if i != j:
            weight = a * (1 - b)
            right += weight * ((a > b) + (a == b) / 2)
            pairs += weight
    assert world.best_auc([{"probability": value} for value in p]) == pytest.approx(right / pairs, abs=1e-12)


def test_best_auc_needs_pairs() -> None:
    with pytest.raises(ValueError, match="give more rows"):
        world.best_auc([{"probability": 0.3}])


def test_every_word_has_both_languages() -> None:
    for word in itertools.chain(
        CATEGORIES, COLOURS, *PEOPLE.values(), *(c.features + c.materials for c in CATEGORIES)
    ):
        assert word.en.isascii() and any("\u4e00" <= sign <= "\u9fff" for sign in word.zh), word
