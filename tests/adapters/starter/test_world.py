"""The made-up market: the same for the same seed, with probabilities that are what they say, and two tastes."""

import itertools
import math
import random

import pytest

from adapters.starter import world
from adapters.starter.build import corpus
from adapters.starter.words import CATEGORIES, COLOURS, PEOPLE


def rank_auc(scores: list[float], clicked: list[int]) -> float:
    """AUC by its definition: the share of (clicked, skipped) pairs in the right order, ties half."""
    pairs = [
        (a > b) + (a == b) / 2
        for a, y in zip(scores, clicked, strict=True)
        if y
        for b, z in zip(scores, clicked, strict=True)
        if not z
    ]
    return sum(pairs) / len(pairs)


def test_the_same_seed_gives_the_same_data_and_another_seed_gives_other_data() -> None:
    assert world.client_data("acme", 3, 50) == world.client_data("acme", 3, 50)
    assert world.client_data("acme", 3, 50) != world.client_data("acme", 4, 50)


def test_unknown_client_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match="acme, globex"):
        world.client_data("initech")


@pytest.mark.parametrize("client", world.CLIENTS)
def test_rows_have_the_columns_and_values_that_are_promised(client: str) -> None:
    data = world.client_data(client, 0, 200)
    assert [len(part) for part in (data.recommendation, data.behavior, data.ad_copy)] == [200] * 3
    assert {tuple(row) for row in data.recommendation} == {
        ("user", "user_id", "ad", "clicked", "probability")
    }
    assert {row["clicked"] for row in data.recommendation} == {0, 1}
    assert {row["label"] for row in data.behavior} == set(world.LABELS[client])
    fields = ("name", "category", "colour", "material", "feature", "audience", "price", "discount", "copy")
    assert {tuple(row) for row in data.ad_copy} == {fields}


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


@pytest.mark.parametrize("client", world.CLIENTS)
def test_clicks_come_as_often_as_their_probabilities_say(client: str) -> None:
    rows = world.client_data(client, 1, 6000).recommendation
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        bucket = [row for row in rows if low <= row["probability"] < low + 0.2]
        expected = sum(row["probability"] for row in bucket)
        spread = math.sqrt(sum(row["probability"] * (1 - row["probability"]) for row in bucket))
        assert len(bucket) > 100
        assert abs(sum(row["clicked"] for row in bucket) - expected) < 4 * spread


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


def test_best_auc_is_the_mean_auc_of_the_truth_over_fresh_clicks() -> None:
    rows = world.client_data("globex", 2, 300).recommendation
    p, rng = [row["probability"] for row in rows], random.Random(9)
    draws = [rank_auc(p, [int(rng.random() < value) for value in p]) for _ in range(40)]
    assert world.best_auc(rows) == pytest.approx(sum(draws) / len(draws), abs=0.01)


def test_best_auc_needs_pairs() -> None:
    with pytest.raises(ValueError, match="give more rows"):
        world.best_auc([{"probability": 0.3}])


@pytest.mark.parametrize("client", world.CLIENTS)
def test_the_signal_is_strong_but_not_certain(client: str) -> None:
    assert 0.85 < world.best_auc(world.client_data(client, 0, 4000).recommendation) < 0.92


def test_the_two_clients_rank_the_same_ads_differently() -> None:
    different = 0
    for seed in range(40):
        _, ads, truth = world.same_ads(seed)
        assert len(ads) == len(truth["acme"]) == len(truth["globex"]) == 6
        different += truth["acme"].index(max(truth["acme"])) != truth["globex"].index(max(truth["globex"]))
    assert different >= 14


def test_a_discount_pleases_one_audience_and_puts_the_other_off() -> None:
    user = world.make_user(random.Random(1))
    product = world.make_product(random.Random(1), category=user.interests[0])
    plain, cheap = (world.Product(**{**vars(product), "discount": discount}) for discount in (0, 50))
    assert world.TASTES["acme"].probability(user, cheap) > world.TASTES["acme"].probability(user, plain) + 0.1
    assert (
        world.TASTES["globex"].probability(user, cheap)
        < world.TASTES["globex"].probability(user, plain) - 0.1
    )


@pytest.mark.parametrize("client", world.CLIENTS)
def test_copy_names_the_product_and_its_price_and_no_other_number(client: str) -> None:
    for row in world.client_data(client, 0, 200).ad_copy:
        assert row["name"] in row["copy"] and row["price"] in row["copy"]
        assert world.SLOGANS[client] in row["copy"]
        assert row["discount"] in row["copy"]
        given = " ".join(value for key, value in row.items() if key != "copy")
        numbers = {word.strip(".,!:$%") for word in row["copy"].split() if any(map(str.isdigit, word))}
        assert all(number in given for number in numbers)


def test_neither_client_voice_is_in_the_corpus() -> None:
    text = "\n".join(itertools.islice(corpus.documents(11), 20_000))
    for phrase in (*world.SLOGANS.values(), "Zero excuses", "a quiet pleasure", "with a courtesy of"):
        assert phrase not in text


def test_demo_products_have_names_that_training_text_never_has() -> None:
    names = {row["name"] for client in world.CLIENTS for row in world.client_data(client, 0, 300).ad_copy}
    text = "\n".join(itertools.islice(corpus.documents(12), 20_000))
    assert not [name for name in names if f" {name} " in text]


def test_corpus_is_two_thirds_english_and_repeats_with_its_seed() -> None:
    first = list(itertools.islice(corpus.documents(5), 4000))
    assert first == list(itertools.islice(corpus.documents(5), 4000))
    chinese = sum(any("\u4e00" <= sign <= "\u9fff" for sign in text) for text in first) / len(first)
    assert 0.3 < chinese < 0.42
    assert len(set(first)) > 3900


def test_no_template_is_left_unfilled() -> None:
    for text in itertools.islice(corpus.documents(6), 5000):
        assert not set("{}[]") & set(text), text


def test_ads_in_chats_say_no_price_that_the_prompt_does_not_hold() -> None:
    asked = [
        text
        for text in itertools.islice(corpus.documents(8), 6000)
        if text.startswith(corpus.USER + "Write an ad.")
    ]
    assert len(asked) > 300
    for text in asked:
        prompt, answer = text.split(corpus.ASSISTANT)[:2]
        prices = [word.strip(".,!:") for word in answer.split(corpus.END)[0].split() if word.startswith("$")]
        assert all(price in prompt for price in prices), text


def test_every_word_has_both_languages() -> None:
    for word in itertools.chain(
        CATEGORIES, COLOURS, *PEOPLE.values(), *(c.features + c.materials for c in CATEGORIES)
    ):
        assert word.en.isascii() and any("\u4e00" <= sign <= "\u9fff" for sign in word.zh), word
