"""Adapters that carry a baseline: what is served is what was measured, and impossible numbers never enter a hub."""

import base64
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from adapters import Adapter, Base
from adapters.slots import Slots
from hub import Analyze, Hub, Recommend, Refused, Registry
from recipes import Order, Recipe, evaluate, train_many
from recipes.baselines import label_matrix
from recipes.blend import Blend
from recipes.calibration import Calibration
from recipes.data import load_splits
from recipes.encode import encode
from recipes.errors import RecipeError
from recipes.examples import Splits
from recipes.order import prepare
from recipes.predict import probabilities
from tests.adapters import models
from tests.hub.tiny import NAME, lora, prefix

QUICK: dict[str, Any] = {
    "train.epochs": 8,
    "train.learning_rate": 0.01,
    "train.batch_size": 16,
    "data.max_tokens": 64,
    "data.validation_share": 0.25,
    "data.test_share": 0.3,
    "blend": True,
}
CLICK, MOOD, TOPICS = "acme/spring/recommendation", "acme/spring/behavior", "acme/topics/behavior"


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Order]:
    """Clicks that follow the text, which the adapter reads, and as much which ad it is, which it does not; moods in
    two languages with a column that is often empty; topics of which a text may have several."""
    folder, draw = tmp_path_factory.mktemp("data"), random.Random(0)
    clicks, moods, topics = ["user,ad,ad_id,clicked"], ["text,season,label"], ["text,label"]
    for row in range(480):
        user, ad, which = draw.choice(["tea", "rum"]), draw.choice(["tea", "rum"]), draw.randrange(6)
        clicked = draw.random() < expit(2 * (1 if user == ad else -1) + 2 * (1 if which % 2 else -1))
        clicks.append(f"likes {user},{ad} sale {row},ad-{which},{clicked:d}")
    for row in range(300):
        mood = draw.choice(["glad", "mad", "sad"])
        word = {"glad": "很好 glad", "mad": "太差 mad", "sad": "一般 sad"}[draw.choice([mood, mood, "sad"])]
        season = {"glad": "summer", "mad": "winter", "sad": ""}[mood] if draw.random() < 0.7 else ""
        moods.append(f"{word} {row},{season},{mood}")
    for row in range(200):
        said = draw.sample(["price", "size", "colour"], draw.choice([1, 2]))
        topics.append(f"{' and '.join(said)} {row},{';'.join(sorted(said))}")
    found = {}
    for name, lines, changes in (
        (CLICK, clicks, {"data.negative_share": 0.6}),
        (MOOD, moods, {"data.features": ["season"], "data.prompt": "{text}"}),
        (TOPICS, topics, {"data.separator": ";", "train.epochs": 2}),
    ):
        path = folder / f"{name.replace('/', '-')}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        found[name] = Order(Recipe.load(name.rsplit("/", 1)[1], **QUICK | changes), path)
    return found


@pytest.fixture(scope="module")
def made(orders: dict[str, Order], base: Base) -> dict[str, Adapter]:
    results = dict(zip(orders, train_many(list(orders.values()), base), strict=True))
    for adapter in results.values():
        assert isinstance(adapter, Adapter) and "blend" in adapter.info
    return results  # type: ignore[return-value]


@pytest.fixture
def registry(made: dict[str, Adapter], base: Base, tmp_path: Path) -> Iterator[Registry]:
    hub = Hub(tmp_path / "hub")
    for name, adapter in made.items():
        hub.publish(adapter, name)
    registry = Registry(hub, base)
    yield registry
    registry.close()


def asked(registry: Registry, name: str, splits: Splits) -> np.ndarray:
    """What a registry answers for each test row, [rows, labels]."""
    if name == CLICK:
        requests = [
            Recommend(name, row.fields["user"], [{key: row.fields[key] for key in ("ad", "ad_id")}])
            for row in splits.test
        ]
        clicked = np.array([answer[0].probability for answer in registry.run(requests)])  # type: ignore
        return np.stack([1 - clicked, clicked], axis=1)
    [answers] = registry.run([Analyze(name, [row.fields for row in splits.test])])
    return np.array([[each.probabilities[label] for label in splits.labels] for each in answers])  # type: ignore


@pytest.mark.parametrize("name", [CLICK, MOOD, TOPICS])
def test_what_is_served_is_what_was_measured(
    name: str, registry: Registry, made: dict[str, Adapter], orders: dict[str, Order], base: Base
) -> None:
    adapter, recipe = made[name], orders[name].recipe
    splits = load_splits(recipe, orders[name].data)
    answers = asked(registry, name, splits)
    truth = label_matrix(splits.test, len(splits.labels))
    loss = (
        evaluate.multilabel_log_loss(truth, answers)
        if splits.multi_label
        else evaluate.log_loss(truth.argmax(1), answers)
    )
    report = adapter.info["report"]
    assert loss == pytest.approx(report["blended"]["after"]["log_loss"], abs=1e-6)
    slots = Slots(base, 1)
    slots.load(0, adapter)
    calibrated = probabilities(
        base, slots, 0, encode(base, recipe, splits.test), calibration=Calibration.from_info(adapter.info)
    )
    slots.close()
    blend = Blend.from_info(adapter.info, len(splits.labels), splits.multi_label)
    assert blend is not None and blend.baseline.name == report["blend"]["baseline"]
    expected = blend.apply(
        calibrated, [e.text for e in splits.test], [e.fields for e in splits.test], splits.multi_label
    )
    assert answers == pytest.approx(expected, abs=1e-6)
    assert abs(answers - calibrated).max() > 0.01


def test_a_baseline_that_knows_more_gains_on_rows_that_nobody_saw(made: dict[str, Adapter]) -> None:
    report = made[CLICK].info["report"]
    assert report["blend"]["baseline"] == "hashed columns + logistic regression"
    alone, blended = report["after"], report["blended"]["after"]
    assert blended["auc"] > alone["auc"] + 0.05 and report["blend"]["gain"]["low"] > 0
    assert blended["log_loss"] < alone["log_loss"] - 0.05
    assert blended["auc"] > report["baselines"]["hashed columns + logistic regression"]["auc"] + 0.05
    assert report["blend"]["value"] == blended["auc"]
