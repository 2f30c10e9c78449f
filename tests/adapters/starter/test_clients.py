"""The data of two made-up clients: the same for the same seed, with true probabilities and two tastes."""

import math
import random

import pytest

from adapters.starter import clients, world


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
    assert clients.client_data("acme", 3, 50) == clients.client_data("acme", 3, 50)
    assert clients.client_data("acme", 3, 50) != clients.client_data("acme", 4, 50)


def test_unknown_client_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match="acme, globex"):
        clients.client_data("initech")


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_rows_have_the_columns_and_values_that_are_promised(client: str) -> None:
    data = clients.client_data(client, 0, 200)
    assert [len(part) for part in (data.recommendation, data.behavior, data.ad_copy)] == [200] * 3
    assert {tuple(row) for row in data.recommendation} == {
        ("user", "user_id", "ad", "clicked", "probability")
    }
    assert {row["clicked"] for row in data.recommendation} == {0, 1}
    assert {row["label"] for row in data.behavior} == set(clients.LABELS[client])
    fields = ("name", "category", "colour", "material", "feature", "audience", "price", "discount", "copy")
    assert {tuple(row) for row in data.ad_copy} == {fields}


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_clicks_come_as_often_as_their_probabilities_say(client: str) -> None:
    rows = clients.client_data(client, 1, 6000).recommendation
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        bucket = [row for row in rows if low <= row["probability"] < low + 0.2]
        expected = sum(row["probability"] for row in bucket)
        spread = math.sqrt(sum(row["probability"] * (1 - row["probability"]) for row in bucket))
        assert len(bucket) > 100
        assert abs(sum(row["clicked"] for row in bucket) - expected) < 4 * spread


def test_best_auc_is_the_mean_auc_of_the_truth_over_fresh_clicks() -> None:
    rows = clients.client_data("globex", 2, 300).recommendation
    p, rng = [row["probability"] for row in rows], random.Random(9)
    draws = [rank_auc(p, [int(rng.random() < value) for value in p]) for _ in range(40)]
    assert world.best_auc(rows) == pytest.approx(sum(draws) / len(draws), abs=0.01)


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_the_signal_is_strong_but_not_certain(client: str) -> None:
    assert 0.85 < world.best_auc(clients.client_data(client, 0, 4000).recommendation) < 0.92


def test_the_two_clients_rank_the_same_ads_differently() -> None:
    different = 0
    for seed in range(40):
        _, ads, truth = clients.same_ads(seed)
        assert len(ads) == len(truth["acme"]) == len(truth["globex"]) == 6
        different += truth["acme"].index(max(truth["acme"])) != truth["globex"].index(max(truth["globex"]))
    assert different >= 14


def test_a_discount_pleases_one_audience_and_puts_the_other_off() -> None:
    user = world.make_user(random.Random(1))
    product = world.make_product(random.Random(1), category=user.interests[0])
    plain, cheap = (world.Product(**{**vars(product), "discount": discount}) for discount in (0, 50))
    assert (
        clients.TASTES["acme"].probability(user, cheap)
        > clients.TASTES["acme"].probability(user, plain) + 0.1
    )
    assert (
        clients.TASTES["globex"].probability(user, cheap)
        < clients.TASTES["globex"].probability(user, plain) - 0.1
    )


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_copy_names_the_product_and_its_price_and_no_other_number(client: str) -> None:
    for row in clients.client_data(client, 0, 200).ad_copy:
        assert row["name"] in row["copy"] and row["price"] in row["copy"]
        assert clients.SLOGANS[client] in row["copy"]
        assert row["discount"] in row["copy"]
        given = " ".join(value for key, value in row.items() if key != "copy")
        numbers = {word.strip(".,!:$%") for word in row["copy"].split() if any(map(str.isdigit, word))}
        assert all(number in given for number in numbers)
