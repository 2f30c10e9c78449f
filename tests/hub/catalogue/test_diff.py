"""What is different between two versions: facts and metrics side by side, and the distance of their weights."""

import pytest

from adapters import Lora
from hub import Hub
from hub.catalogue.diff import Change
from tests.hub import tiny

NAME = tiny.NAME


REPORT = {
    "metric": "auc",
    "before": {"auc": 0.5},
    "after": {"auc": 0.8, "log_loss": 0.5},
    "intervals": {"auc": {"low": 0.7, "high": 0.9}},
}


GATES = {"passed": True, "verdicts": [{"gate": "min_gain", "passed": True, "sentence": "0.3 is enough"}]}


@pytest.fixture
def two(hub: Hub) -> Hub:
    """Two versions of which every section differs in something."""
    first = tiny.lora(
        0,
        report=REPORT,
        gates=GATES,
        recipe={"task": "recommendation", "train": {"epochs": 3, "seed": 0}},
        data={"digest": "ab" * 32, "profile": {"rows": {"train": 70, "test": 20}}},
    )
    second = tiny.lora(
        1,
        report=REPORT | {"after": {"auc": 0.9}, "intervals": {}},
        recipe={"task": "recommendation", "train": {"epochs": 5, "seed": 0}},
        data={"digest": "cd" * 32, "profile": {"rows": {"train": 90, "test": 20}}},
    )
    second.method = Lora(2, 8.0, ("q_proj",))
    hub.publish(first, NAME, tags=["spring"], message="first", publisher="ann")
    hub.publish(second, NAME, message="second", publisher="ann")
    return hub


def test_only_what_differs_is_told_and_metrics_stand_side_by_side(two: Hub) -> None:
    found = two.diff(f"{NAME}@1", NAME)
    assert (found.a, found.b, found.same) == (f"{NAME}@1", f"{NAME}@2", False)
    published = found.facts["publication"][0]
    assert published.key == "published" and published.a < published.b
    assert {section: list(changes) for section, changes in found.facts.items()} == {
        "adapter": [Change("alpha", 4.0, 8.0)],
        "recipe": [Change("train.epochs", 3, 5)],
        "data": [Change("digest", "ab" * 32, "cd" * 32), Change("profile.rows.train", 70, 90)],
        "gates": [Change("min_gain", "passed: 0.3 is enough", None)],
        "publication": [published, Change("message", "first", "second"), Change("tags", ["spring"], [])],
    }
    assert found.metrics == [
        Change("auc", {"value": 0.8, "low": 0.7, "high": 0.9}, {"value": 0.9, "low": None, "high": None}),
        Change("log_loss", {"value": 0.5, "low": None, "high": None}, None),
    ]
    assert [each.module for each in found.weights.modules] == ["model.layers.0.self_attn.q_proj"]
    assert found.weights.head is not None


def test_a_version_does_not_differ_from_itself(two: Hub) -> None:
    found = two.diff(f"{NAME}@2", NAME)
    assert found.same and found.facts == {} and found.weights.total is not None
    assert found.weights.total.difference == 0.0
