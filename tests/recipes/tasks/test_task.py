"""The three tasks: what the model reads, what is measured, and what simple methods reach."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from adapters.errors import RequestError
from recipes.examples import Example, Splits
from recipes.recipe import Recipe
from recipes.tasks import ad_copy, all_metrics, behavior, recommendation, task_for
from recipes.tasks.ad_copy import Written


def splits(
    train: Sequence[Example], test: Sequence[Example], labels: Sequence[str], several: bool = False
) -> Splits:
    half = len(train) // 4
    return Splits(
        tuple(train[half:]), tuple(train[:half]), tuple(test), tuple(labels), "", multi_label=several
    )


def recipe(task: str, **data: Any) -> Recipe:
    return Recipe.load(task, **{f"data.{key}": value for key, value in data.items()})


# --- what the model reads -----------------------------------------------------------------------------------------


def test_every_task_is_found_by_name_and_its_metrics_have_a_direction() -> None:
    assert [
        task_for(name).ROLES.keys() >= {"weight", "timestamp", "group"}
        for name in ("recommendation", "behavior", "ad-copy")
    ]  # type: ignore[arg-type]
    assert task_for("ad-copy").METRICS["nll"] == "min" and all_metrics()["auc"] == "max"


def test_recommendation_renders_the_same_in_training_and_at_a_request() -> None:
    fields = {"user": "bought socks", "ad": "trail shoes", "season": "autumn"}
    assert recommendation.render(fields, recipe("recommendation")) == "User: bought socks\nAd: trail shoes"
    shown = recipe("recommendation", features=["season", "price"])
    assert recommendation.render(fields, shown) == "User: bought socks\nAd: trail shoes\nseason: autumn"
    assert recommendation.render({"text": "ready"}, recipe("recommendation")) == "ready"
    assert recommendation.render({"page": "3"}, recipe("recommendation", features="all")) == "page: 3"


def test_a_template_only_looks_names_up() -> None:
    chosen = recipe("recommendation", prompt="{user} & {ad}")
    with pytest.raises(RequestError, match="the text needs ad; given: user"):
        recommendation.render({"user": "u"}, chosen)
    with pytest.raises(RequestError, match=r"the text needs user\.__class__"):
        recommendation.render({"user": "u", "ad": "a"}, recipe("recommendation", prompt="{user.__class__}"))


def test_behavior_renders_text_then_features() -> None:
    assert behavior.render({"text": "where is it?", "channel": "chat"}, recipe("behavior")) == "where is it?"
    shown = recipe("behavior", features=["channel"])
    assert (
        behavior.render({"text": "where is it?", "channel": "chat"}, shown) == "where is it?\nchannel: chat"
    )


def test_ad_copy_asks_in_the_products_own_language() -> None:
    default = recipe("ad-copy")
    assert ad_copy.prompt("name: mug", default) == "Write an ad.\nname: mug"
    assert ad_copy.prompt("类型#裙*颜色#白色", default) == "写一句广告。\n类型#裙*颜色#白色"
    assert ad_copy.prompt("mug", recipe("ad-copy", prompt="Sell {product} {{now}}")) == "Sell mug {now}"
    assert ad_copy.render({"name": "mug", "color": "", "size": "L"}, default) == "name: mug\nsize: L"
    assert ad_copy.render({"product": "a mug", "size": "L"}, default) == "a mug"


# --- what is measured ---------------------------------------------------------------------------------------------


def test_recommendation_measures_weighted_rows_and_ranks_groups() -> None:
    draw = np.random.default_rng(0)
    scores, clicked = draw.uniform(size=60), draw.integers(0, 2, 60)
    weights = draw.uniform(1, 5, 60)
    examples = [
        Example("t", i, int(clicked[i]), weight=float(weights[i]), group=f"g{i % 6}", file="f")
        for i in range(60)
    ]
    found = recommendation.metrics(examples, np.stack([1 - scores, scores], axis=1))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(clicked, scores, sample_weight=weights))
    assert found["log_loss"] == pytest.approx(sk.log_loss(clicked, scores, sample_weight=weights))
    groups = [np.arange(60) % 6 == g for g in range(6)]
    for k in (1, 3, 5, 10):
        expected = np.mean([sk.ndcg_score([clicked[g]], [scores[g]], k=k) for g in groups])
        assert found[f"ndcg@{k}"] == pytest.approx(expected)
    assert (found["groups"], found["groups_ranked"]) == (6, 6)
    ungrouped = recommendation.metrics(
        [replace(e, group=None) for e in examples], np.stack([1 - scores, scores], 1)
    )
    assert not any(name.startswith("ndcg") for name in ungrouped)


def test_a_row_of_impressions_and_clicks_is_one_item_with_its_click_share() -> None:
    def halves(line: int, clicks: float, shown: float) -> list[Example]:
        return [
            Example("t", line, 1, weight=clicks, group="g", file="f"),
            Example("t", line, 0, weight=shown - clicks, group="g", file="f"),
        ]

    examples = [*halves(1, 9, 90), *halves(2, 4, 10)]  # click shares 0.1 and 0.4
    scores = np.array([0.7, 0.7, 0.2, 0.2])  # the wrong order
    found = recommendation.metrics(examples, np.stack([1 - scores, scores], axis=1))
    assert found["ndcg@1"] == pytest.approx(0.1 / 0.4)
    assert found["pair_accuracy"] == 0.0
    assert found["groups"] == 1


def test_behavior_measures_as_scikit_learn_does_with_labels_that_never_occur() -> None:
    draw = np.random.default_rng(1)
    table = draw.dirichlet([1, 1, 1, 0.01], 200)
    truth = draw.integers(0, 3, 200)
    found = behavior.metrics(
        [Example("t", i, int(label)) for i, label in enumerate(truth)], table, tuple("abcd")
    )
    given = table.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, given))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, given, average="macro"))
    assert [entry["label"] for entry in found["labels"]] == list("abcd")


def test_behavior_measures_several_labels_from_one_half() -> None:
    examples = [Example("t", 0, (0, 2)), Example("t", 1, (1,))]
    found = behavior.metrics(examples, np.array([[0.9, 0.1, 0.5], [0.2, 0.4, 0.1]]))
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx(2 / 3)


def test_ad_copy_measures_against_all_references_of_a_product() -> None:
    product = "name: mug\ncolor: red"
    test = [
        Example(product, i, copy=copy)
        for i, copy in enumerate(["a red mug for you", "the red mug is here today"])
    ]
    assert ad_copy.inputs(test) == (product,)
    many = [Example(f"p {i}", i, copy="c") for i in range(100)]
    some = ad_copy.inputs(many, most=20)
    assert len(some) == 20 and list(some) == sorted(some, key=lambda text: int(text[2:]))
    assert 5 <= sum(int(text[2:]) >= 50 for text in some) <= 15  # not the first twenty
    assert set(ad_copy.inputs(many[::-1], most=20)) == set(some)
    found = ad_copy.metrics(test, Written(["the red mug is here today"], nll=2.0, tokens=11, max_chars=20))
    assert found["bleu"] == pytest.approx(100) and found["chrf"] == pytest.approx(100)
    assert (found["nll"], found["perplexity"]) == (2.0, pytest.approx(np.exp(2.0)))
    assert (found["coverage"], found["unsupported_claims"], found["within_limit"]) == (1.0, 0.0, 0.0)
    claims = ad_copy.metrics(test, Written(["a mug by Acme at $5"]))
    assert (claims["coverage"], claims["unsupported_claims"], claims["texts_with_claims"]) == (0.5, 2.0, 1.0)
    assert "nll" not in claims and "within_limit" not in claims
    with pytest.raises(ValueError, match="2 texts for 1 products"):
        ad_copy.metrics(test, Written(["a", "b"]))


# --- what simple methods reach ------------------------------------------------------------------------------------


def test_baselines_of_recommendation_learn_words_users_and_ads() -> None:
    draw = random.Random(0)

    def row(line: int) -> Example:
        user, ad = f"u{draw.randrange(20)}", f"a{draw.randrange(10)}"
        likes = int(user[1:]) % 2 == 0
        label = int(draw.random() < (0.9 if likes else 0.1))
        return Example(f"User: {user}\nAd: {ad}", line, label, fields={"user": user, "ad": ad})

    rows = [row(i) for i in range(600)]
    found = recommendation.baselines(splits(rows[:400], rows[400:], recommendation.LABELS))
    assert list(found) == [
        "constant prior",
        "TF-IDF + logistic regression",
        "user's past click share",
        "ad's popularity",
    ]
    assert found["constant prior"]["auc"] == 0.5
    assert found["TF-IDF + logistic regression"]["auc"] > 0.85
    assert found["user's past click share"]["auc"] > 0.85
    assert found["user's past click share"]["seen"] == 1.0
    assert 0.35 < found["ad's popularity"]["auc"] < 0.65


def test_a_past_share_is_smoothed_towards_the_prior_and_unknown_users_get_it() -> None:
    def row(user: str, label: int, weight: float = 1.0) -> Example:
        return Example("t", 0, label, weight=weight, fields={"user": user})

    train = (row("a", 1), row("a", 1), row("b", 0, 4.0), row("c", 1, 2.0))
    data = Splits(train, train, (row("a", 1), row("b", 0), row("new", 0)), recommendation.LABELS, "")
    from recipes.measure.baselines import past_share, seen_share

    shares = past_share(data, lambda example: example.fields["user"])
    assert seen_share(data, lambda example: example.fields["user"]) == pytest.approx(2 / 3)
    assert list(shares[:, 1]) == pytest.approx(
        [(2 + 1) / (2 + 2), (0 + 1) / (4 + 2), 0.5]
    )  # the prior is 4 / 8


def test_new_users_bring_no_past_share() -> None:
    rows = [Example(f"t {i}", i, i % 2, fields={"user_id": str(i)}) for i in range(60)]
    found = recommendation.baselines(splits(rows[:40], rows[40:], recommendation.LABELS))
    assert "user's past click share" not in found


def test_the_liked_share_of_the_own_history_is_a_baseline_without_training() -> None:
    rows = [
        Example("t", i, i % 2, fields={"liked_share": "80%" if i % 2 else "20%", "ad": f"a{i % 5}"})
        for i in range(80)
    ]
    found = recommendation.baselines(splits(rows[:40], rows[40:], recommendation.LABELS))
    assert found["liked share of the row's own history"]["auc"] == 1.0
    assert found["liked share of the row's own history"]["log_loss"] == pytest.approx(-np.log(0.8))
    assert found["liked share and ad's popularity, regression"]["auc"] == 1.0


@pytest.mark.parametrize("chinese", [False, True])
def test_baselines_of_behavior_learn_from_words(chinese: bool) -> None:
    draw = random.Random(0)
    good, bad = ("很好吃，送得快", "难吃，又慢") if chinese else ("fast and tasty", "slow and cold")

    def row(line: int) -> Example:
        happy = draw.random() < 0.7
        return Example(f"{good if happy else bad} {draw.randrange(999)}", line, int(happy))

    rows = [row(i) for i in range(120)]
    found = behavior.baselines(splits(rows[:90], rows[90:], ("sad", "happy")))
    assert found["TF-IDF + logistic regression"]["accuracy"] == 1.0
    share = sum(e.label == 1 for e in rows[90:]) / 30
    assert found["constant prior"]["accuracy"] == pytest.approx(share)


def test_baselines_of_behavior_learn_several_labels_and_survive_labels_that_training_lacks() -> None:
    rows = [
        Example(
            f"{'red ' * (i % 2)}{'blue ' * (i % 3 == 0)}row",
            i,
            ((0,) if i % 2 else ()) + ((1,) if i % 3 == 0 else ()),
        )
        for i in range(120)
    ]
    found = behavior.baselines(splits(rows[:90], rows[90:], ("red", "blue", "never"), several=True))
    assert found["TF-IDF + logistic regression"]["accuracy"] == 1.0
    single = [Example(f"word{i % 2} {i}", i, i % 2) for i in range(60)]
    found = behavior.baselines(splits(single[:40], [*single[40:], Example("x", 99, 2)], ("a", "b", "never")))
    assert found["TF-IDF + logistic regression"]["accuracy"] == pytest.approx(20 / 21)


def test_baselines_survive_texts_without_a_word() -> None:
    rows = [Example("😀👍" if i % 2 else "😡", i, i % 2) for i in range(60)]
    found = behavior.baselines(splits(rows[:40], rows[40:], ("sad", "glad")))
    assert found["TF-IDF + logistic regression"]["accuracy"] == 1.0


def test_baselines_of_ad_copy_retrieve_list_and_read_the_references() -> None:
    def row(i: int) -> Example:
        kind = ["mug", "lamp", "sofa"][i % 3]
        return Example(
            f"name: {kind} {i}\nkind: {kind}", i, copy=f"Your new {kind} is waiting for you at home."
        )

    rows = [row(i) for i in range(60)]
    recipe = Recipe.load("ad-copy", **{"write.evaluated": 6, "write.max_chars": 10})
    found = ad_copy.baselines(splits(rows[:48], rows[48:], ()), recipe)
    nearest = found["nearest training product's copy"]
    assert nearest["bleu"] == pytest.approx(100) and nearest["texts"] == 6
    assert found["the attributes as a list"]["coverage"] == 1.0
    assert found["the attributes as a list"]["bleu"] < 5
    assert found["the references themselves"]["coverage"] == 0.5
    assert found["the references themselves"]["within_limit"] == 0.0


def test_columns_are_a_baseline_where_the_recipe_has_features() -> None:
    draw = random.Random(0)

    def row(line: int) -> Example:
        price, season = draw.uniform(1, 100), draw.choice(["spring", "autumn"])
        label = int((price < 40) == (season == "spring"))
        fields = {
            "user": "u",
            "ad": "a",
            "price": f"{price:.2f}",
            "season": season,
            "city": "x" if label else "y",
        }
        return Example("User: u\nAd: a", line, label if draw.random() < 0.95 else 1 - label, fields=fields)

    rows = [row(i) for i in range(800)]
    data = splits(rows[:600], rows[600:], recommendation.LABELS)
    named = recommendation.guesses(data, recipe("recommendation", features=["price", "season"]))
    found = recommendation.baselines(data, None, named)["columns + logistic regression"]
    assert 0.55 < found["auc"] < 0.8, (
        "additive in price and season, and blind to the city, which is no feature"
    )
    every = recommendation.guesses(data, recipe("recommendation", features="all"))
    assert recommendation.baselines(data, None, every)["columns + logistic regression"]["auc"] > 0.9
    assert "columns + logistic regression" not in recommendation.guesses(data, recipe("recommendation"))


def test_numbers_are_cut_into_steps_and_words_are_not() -> None:
    from recipes.measure.baselines import on_columns

    rows = [Example("t", i, int(30 <= i < 60), fields={"n": str(i), "w": f"w{i % 3}"}) for i in range(100)]
    data = Splits(tuple(rows), tuple(rows), (rows[45], rows[80], rows[5]), ("no", "yes"), "")
    inside = on_columns(data, ["n"])[:, 1]
    assert inside[0] > 0.9 > 0.1 > max(inside[1], inside[2])
    assert np.ptp(on_columns(data, ["w"])[:, 1]) < 0.1


def test_behavior_reads_columns_too() -> None:
    rows = [Example(f"text {i}", i, i % 3, fields={"text": "t", "page": f"p{i % 3}"}) for i in range(90)]
    found = behavior.guesses(
        splits(rows[:60], rows[60:], ("a", "b", "c")), recipe("behavior", features=["page"])
    )
    assert (found["columns + logistic regression"].argmax(axis=1) == [i % 3 for i in range(60, 90)]).all()
