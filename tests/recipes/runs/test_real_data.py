"""The clients' own files, as they came: mapped by the recipe, split without leaks, baselines as others found them."""

from pathlib import Path
from typing import Any

import pytest

from recipes.data.load import load_splits
from recipes.errors import DataError
from recipes.examples import Splits
from recipes.recipe import Recipe
from recipes.tasks import ad_copy, behavior, recommendation

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the client data sets are not at {DATA.name}"),
]


def load(preset: str, file: str, test: str | None = None, **data: Any) -> Splits:
    recipe = Recipe.load(preset, **{f"data.{key}": value for key, value in data.items()})
    return load_splits(recipe, DATA / file, test=DATA / test if test else None)


def test_tallrec_histories_and_their_liked_share() -> None:
    history = {
        "liked": "User Preference: (.*)",
        "disliked": "User Unpreference: (.*)",
        "target": 'target movie "([^"]+)"',
    }
    splits = load(
        "recommendation",
        "tallrec_movie/valid.json",
        "tallrec_movie/test.json",
        columns={"text": "input", "clicked": "output"},
        labels={"Yes.": 1, "No.": 0},
        history=history,
    )
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [900, 100, 1000]
    assert sum(example.label == 1 for example in splits.test) == 528
    found = recommendation.baselines(splits)
    assert found["liked share of the row's own history"]["auc"] == pytest.approx(0.726, abs=0.0005)
    assert found["TF-IDF + logistic regression"]["auc"] == pytest.approx(0.61, abs=0.02)
    assert found["liked share and ad's popularity, regression"]["auc"] > 0.73


def test_banking77_with_ten_of_each_intent() -> None:
    changes = {"columns": {"label": "category"}, "limit_per_label": 10}
    with pytest.raises(DataError, match="6 problems") as caught:
        load("behavior", "banking77/train.csv", "banking77/test.csv", **changes)
    assert [problem.line for problem in caught.value.problems][:2] == [556, 979]
    splits = load("behavior", "banking77/train.csv", "banking77/test.csv", **changes, repeats="drop")
    assert (len(splits.train), len(splits.test), len(splits.labels)) == (770, 3080, 77)
    accuracy = behavior.baselines(splits)["TF-IDF + logistic regression"]["accuracy"]
    assert accuracy == pytest.approx(0.745, abs=0.01)


def test_waimai_reviews_in_chinese() -> None:
    splits = load(
        "behavior",
        "waimai_zh/waimai_10k.csv",
        columns={"text": "review"},
        labels={"1": "good", "0": "bad"},
        pii="allow",
    )
    assert splits.labels == ("bad", "good")
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 11_987
    assert any("7 texts have different labels" in note for note in splits.notes)
    assert behavior.baselines(splits)["TF-IDF + logistic regression"]["accuracy"] > 0.88


def test_three_reviews_hold_a_phone_number_and_nothing_else_is_mistaken_for_one() -> None:
    with pytest.raises(DataError, match="3 problems") as caught:
        load("behavior", "waimai_zh/waimai_10k.csv", columns={"text": "review"}, pii="refuse")
    assert [problem.line for problem in caught.value.problems] == [5532, 9324, 11395]


def test_upworthy_tests_stay_whole_and_weigh_what_they_were_shown() -> None:
    columns = {"text": "headline", "group": "clickability_test_id"}
    splits = load("recommendation", "upworthy_headline_ab/upworthy_clean.parquet", columns=columns)
    sides = [{e.group for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 4873
    total = sum(e.weight for part in (splits.train, splits.validation, splits.test) for e in part)
    clicks = sum(
        e.weight for part in (splits.train, splits.validation, splits.test) for e in part if e.label == 1
    )
    assert clicks / total == pytest.approx(0.0151956, abs=1e-6)


def test_shop_sessions_are_features_alone() -> None:
    splits = load(
        "recommendation",
        "online_shoppers/online_shoppers_intention.csv",
        columns={"clicked": "Revenue"},
        features="all",
    )
    assert splits.train[0].text.startswith("Administrative: 0\nAdministrative_Duration: 0\n")
    assert recommendation.baselines(splits)["TF-IDF + logistic regression"]["auc"] > 0.87


def test_e2e_products_have_several_references() -> None:
    splits = load(
        "ad-copy",
        "e2e_en/devel-fixed.no-ol.csv",
        "e2e_en/test-fixed.csv",
        columns={"product": "mr", "copy": "ref"},
    )
    assert (len(splits.test), len(ad_copy.inputs(splits.test))) == (4693, 1847)
    found = ad_copy.baselines(splits, Recipe.load("ad-copy"))
    assert found["nearest training product's copy"]["bleu"] == pytest.approx(21, abs=3)
    assert found["the references themselves"]["coverage"] > 0.85
    assert found["the references themselves"]["unsupported_claims"] < 0.25


def test_advertisegen_repeated_inputs_stay_in_one_split() -> None:
    splits = load("ad-copy", "advertisegen_zh/dev.json", columns={"product": "content", "copy": "summary"})
    sides = [{e.text for e in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 1000
    found = ad_copy.baselines(splits)
    assert found["the references themselves"]["coverage"] == pytest.approx(0.863, abs=0.03)
    assert found["nearest training product's copy"]["coverage"] == pytest.approx(0.505, abs=0.05)
    assert found["the attributes as a list"]["coverage"] == 1.0
