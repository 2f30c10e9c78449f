"""Adapters that carry a baseline: what is served is what was measured, and impossible numbers never enter a hub."""

import base64
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from adapters import Adapter, Base
from adapters.slots.slots import Slots
from hub import Analyze, Hub, Recommend, Registry
from hub.errors import Refused
from recipes import Order, Recipe, train_many
from recipes.answer.blend import Blend, Mix
from recipes.data.load import load_splits
from recipes.errors import RecipeError
from recipes.examples import Splits
from recipes.judge.card import trained_card
from recipes.judge.cases import Picked
from recipes.judge.gates import judge
from recipes.judge.info import AdapterInfo
from recipes.judge.page import render
from recipes.judge.report import Report
from recipes.judge.results import certainty_lines, results
from recipes.learn.encode import encode
from recipes.learn.predict import probabilities
from recipes.measure import metrics as evaluate
from recipes.measure.baselines import label_matrix
from recipes.measure.calibration import Calibration
from recipes.options.gates import GateOptions
from tests.hub.tiny import NAME, lora, prefix

QUICK: dict[str, Any] = {
    "train.epochs": 8,
    "train.learning_rate": 0.02,
    "train.metric": "log_loss",
    "train.batch_size": 16,
    "data.max_tokens": 64,
    "data.validation_share": 0.25,
    "data.test_share": 0.3,
    "blend": True,
}
CLICK, MOOD, TOPICS = "acme/spring/recommendation", "acme/spring/behavior", "acme/topics/behavior"


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Order]:
    """Clicks that follow the text, which the adapter reads, and as much which ad it is, which it does not; moods in
    two languages with a column that is often empty; topics of which a text may have several."""
    folder, draw = tmp_path_factory.mktemp("data"), random.Random(0)
    clicks, moods, topics = ["user,ad,ad_id,clicked"], ["text,season,label"], ["text,label"]
    for row in range(480):
        user, which = draw.choice(["eager", "idle"]), draw.randrange(6)
        clicked = draw.random() < expit(2 * (1 if user == "eager" else -1) + 2 * (1 if which % 2 else -1))
        clicks.append(f"{user},tea {row},ad-{which},{clicked:d}")
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
        (CLICK, clicks, {"data.negative_share": 0.7}),
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
    calibration = Calibration.from_info(adapter.info, len(splits.labels))
    calibrated = probabilities(base, slots, 0, encode(base, recipe, splits.test), calibration=calibration)
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
    baseline = report["blend"]["baseline"]
    assert baseline.startswith("hashed columns + ")
    alone, blended = report["after"], report["blended"]["after"]
    assert blended["auc"] > alone["auc"] + 0.05
    gain = report["blend"]["gain"]
    assert gain["difference"] == pytest.approx(blended["log_loss"] - alone["log_loss"])
    assert gain["low"] < gain["difference"] < -0.04 and gain["high"] < 0
    assert blended["auc"] > report["baselines"][baseline]["auc"] + 0.05
    assert report["blend"]["value"] == blended["log_loss"]


def test_gates_and_tables_speak_of_what_is_served(made: dict[str, Adapter]) -> None:
    report = AdapterInfo.of(made[CLICK].info).report
    assert report is not None and report.blend is not None and report.blend.served
    assert report.served is report.blended is not None
    served, auc = report.served, report.served.after.numbers["auc"]
    assert served.intervals["auc"].low < auc < served.intervals["auc"].high
    assert served.gains.keys() == report.gains.keys()
    for name, found in served.gains.items():
        other = report.before if name == "before" else report.baselines[name]
        assert found["auc"].difference == pytest.approx(auc - other.numbers["auc"])
    error = served.after.numbers["calibration_error"]
    gates = judge(report, GateOptions(max_calibration_error=error))
    assert gates is not None and gates.passed
    assert gates.verdicts[0].found == error != report.after.get("calibration_error")
    told = certainty_lines(report)
    loss = served.after.numbers["log_loss"]
    assert told[0].startswith(f"log loss adapter and baseline blended: {loss:.3f}")
    assert told[-1].startswith(f"blended with {report.blend.baseline}, ")
    assert [*results(report)][-2:] == ["with the adapter", "adapter and baseline blended"]
    page = " ".join(render(made[CLICK], Picked(), {"curves": b"", "calibration": b""}).split())
    assert '<tr class="own"><td>adapter and baseline blended</td>' in page
    assert "The blend is what is served." in page and "the blend minus them" in page
    card = trained_card(made[CLICK])
    assert "| adapter and baseline blended |" in card
    assert "blended with a baseline that only Repertoire knows; other tools give the adapter's own" in card


def test_an_ensemble_averages_what_its_members_serve(registry: Registry, made: dict[str, Adapter]) -> None:
    second = replace(made[MOOD], info={**made[MOOD].info, "calibration": {"temperature": 3.0, "shift": 0.0}})
    registry.publish(second, MOOD)
    texts = [{"text": "很好 glad", "season": "winter"}, {"text": "太差", "season": ""}]
    one, two, both = (registry.analyze(f"{MOOD}{which}", texts) for which in ("@1", "@2", f"@1+{MOOD}@2"))
    for first, other, mean in zip(one, two, both, strict=True):
        assert mean.probabilities == pytest.approx(
            {
                label: (first.probabilities[label] + other.probabilities[label]) / 2
                for label in first.probabilities
            }
        )


def test_a_column_that_a_request_leaves_out_counts_as_an_empty_one(registry: Registry) -> None:
    [known] = registry.recommend(CLICK, "eager", [{"ad": "tea 7", "ad_id": "ad-0"}])
    [gone] = registry.recommend(CLICK, "eager", ["tea 7"])
    [unknown] = registry.recommend(CLICK, "eager", [{"ad": "tea 7", "ad_id": "never seen"}])
    assert gone.probability == pytest.approx(unknown.probability, abs=1e-6)
    assert known.probability < gone.probability - 0.05


def test_without_the_switch_nothing_changes(orders: dict[str, Order], base: Base) -> None:
    few = orders[CLICK].recipe.to_dict()
    few["train"]["max_steps"] = 4
    plain, blended = (
        train_many([replace(orders[CLICK], recipe=Recipe.from_dict(few, blend=switch))], base)[0]
        for switch in (False, True)
    )
    assert isinstance(plain, Adapter) and isinstance(blended, Adapter)
    assert "blend" not in plain.info and "blend" in blended.info
    report, other = plain.info["report"], blended.info["report"]
    assert "blended" not in report and "served" not in report["blend"]
    assert plain.info["calibration"] == blended.info["calibration"]
    for part in ("before", "after", "intervals", "history"):
        assert report[part] == other[part]
    own = other["baselines"].keys() - report["baselines"].keys()
    ways = ("n-grams + logistic regression", "columns + logistic regression", "columns + gradient boosting")
    assert own == {f"hashed {way}" for way in ways}
    assert report["baselines"] == {name: other["baselines"][name] for name in report["baselines"]}
    assert "a baseline that only Repertoire knows" not in trained_card(plain)


def test_what_helps_nothing_is_not_served_and_the_report_says_so(base: Base, tmp_path: Path) -> None:
    draw = random.Random(0)
    path = tmp_path / "moods.csv"
    rows = [f"{word} {i},{word}" for i in range(200) for word in [draw.choice(["glad", "mad"])]]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    never = Mix(0.0, 1.0, (0.5, 0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipes.judge.unseen.fit_mix", lambda *_: (never, 0.5))
        recipe = Recipe.load("behavior", **QUICK | {"train.epochs": 1, "blend": True})
        [adapter] = train_many([Order(recipe, path)], base)
    assert isinstance(adapter, Adapter)
    report = adapter.info["report"]
    assert "blend" not in adapter.info and "blended" not in report and report["blend"]["served"] is False
    assert certainty_lines(Report.model_validate(report))[-1].startswith(
        "nothing is blended: no baseline that can travel"
    )


def test_a_recipe_without_probabilities_has_nothing_to_blend() -> None:
    with pytest.raises(RecipeError, match="blend: ad-copy has no probabilities"):
        Recipe.load("ad-copy", blend=True)
    with pytest.raises(RecipeError, match="blend: 'yes' cannot be used; write true or false"):
        Recipe.load("behavior", blend="yes")


# --- what enters a hub ---------------------------------------------------------------------------------------------


def carried(**changes: Any) -> dict[str, Any]:
    """A sound blend for two labels, with changes to it or to its baseline."""
    table = base64.b64encode(np.ones((4, 2), dtype="<f2").tobytes()).decode()
    baseline = {"name": "b", "columns": {"price": [1.0, 2.0], "city": None}, "characters": False}
    baseline |= {"bias": [0.5], "table": table}
    blend = {
        "format": 1,
        "weight": 0.5,
        "sharpness": 1.5,
        "shift": 0.1,
        "prior": [0.5, 0.5],
        "baseline": baseline,
    }
    for key, value in changes.items():
        (baseline if key in baseline else blend)[key] = value
    return blend


def numbers(*values: float) -> str:
    return base64.b64encode(np.array(values, dtype="<f2").tobytes()).decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": 1.5}, "its weight 1.5 is not between 0 and 1"),
        ({"weight": float("nan")}, "its weight nan is not between"),
        ({"weight": True}, "its weight True is not between"),
        ({"sharpness": 0}, "its sharpness 0 is not between 0 and 20"),
        ({"shift": -9.0}, "its shift -9.0 is not between -5.0 and 5.0"),
        ({"prior": [0.5]}, "its prior is not 2 shares"),
        ({"prior": [0.5, float("inf")]}, "its prior is not 2 shares"),
        ({"bias": [0.5, 0.5]}, "its bias is not 1 finite numbers"),
        ({"bias": [float("nan")]}, "its bias is not 1 finite numbers"),
        ({"table": "no base64!"}, "its table is not the base64 of numbers of two bytes"),
        ({"table": "AAA="}, "its table"),
        ({"table": ""}, "its table of 0 numbers is none of 2 columns"),
        ({"table": numbers(1, 2, 3)}, "its table of 3 numbers is none of 2 columns"),
        ({"table": numbers(1, float("inf"))}, "its table holds numbers that are not finite"),
        ({"table": "A" * (3 << 20)}, "its table has more than"),
        ({"columns": {"price": [2.0, 1.0]}}, "the cuts of its column 'price' are not at most nine numbers in order"),
        ({"columns": {"price": "many"}}, "the cuts of its column 'price'"),
        ({"columns": ["price"]}, "columns of its baseline are of another type"),
        ({"characters": "yes"}, "characters of its baseline are of another type"),
        ({"extra": 1}, "the blend should hold"),
        ({"format": 3}, "the blend has format 3, this Repertoire reads 1 and 2: upgrade"),
        ({"baseline": None}, "its baseline should hold"),
    ],
)  # fmt: skip
def test_a_hub_takes_no_impossible_blend(hub: Hub, change: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=re.escape(says)):
        hub.publish(lora(blend=carried(**change)), NAME)
    assert hub.names() == ()


def test_a_hub_takes_a_sound_blend_and_tells_all_that_is_wrong_with_another(hub: Hub) -> None:
    assert hub.publish(lora(blend=carried()), NAME).number == 1
    with pytest.raises(Refused, match=r"weight 2 is not.*prior is not.*not finite; train the adapter again"):
        hub.publish(lora(blend=carried(weight=2, prior=[], table=numbers(1, float("nan")))), NAME)
    for nonsense in ([1], "half", 7):
        with pytest.raises(Refused, match="the blend should hold"):
            hub.publish(lora(blend=nonsense), NAME)
    without_labels = prefix()
    without_labels.info["blend"] = carried()
    with pytest.raises(Refused, match="has a blend but no labels"):
        hub.publish(without_labels, NAME)
