"""A card is made from the record, says what the record says, and is valid for Hugging Face."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import save

from adapters.format import files
from hub.hub import Hub
from hub.intake import card
from hub.intake.card import is_ours, version_card
from tests.hub.tiny import NAME, lora, prefix

REPORT = {
    "metric": "auc",
    "before": {"auc": 0.5, "log_loss": 0.7},
    "after": {"auc": 0.8125, "log_loss": 0.5, "calibration_error": float("nan")},
    "baselines": {"TF-IDF | LR": {"auc": 0.7, "log_loss": 0.69}},
    "intervals": {"auc": {"low": 0.75, "high": 0.875}},
    "gains": {
        "before": {"auc": {"difference": 0.3125, "low": 0.2, "high": 0.4}},
        "TF-IDF | LR": {"auc": {"difference": 0.1125, "low": -0.01, "high": 0.2}},
    },
    "rows": {"train": 70, "validation": 10, "test": 20},
}
PROFILE = {
    "rows": {"train": 70, "validation": 10, "test": 20},
    "languages": {"en": 0.8, "zh": 0.17, "none": 0.02, "la": 0.01},
    "near": {"validation": {"looked_at": 10, "near": 0}, "test": {"looked_at": 20, "near": 3}},
    "private": {"e-mail addresses": 2, "phone numbers": 0},
    "tokens": {"looked_at": 100, "median": 12, "p95": 30, "longest": 44, "limit": 40, "over": 1},
}
GATES = {
    "passed": False,
    "verdicts": [
        {"gate": "min_gain", "passed": False, "wanted": 0.0, "found": 0.1, "sentence": "inside the noise"}
    ],
}


def full(**changes: Any) -> Any:
    info = {
        "report": REPORT,
        "data": {"digest": "cd" * 32, "profile": PROFILE},
        "gates": GATES,
        "calibration": {"temperature": 1.5, "shift": -0.25},
        "recipe": {"task": "recommendation"},
        "quantization": "nf4",
    }
    return lora(**(info | changes))


def test_a_card_says_what_the_record_says(hub: Hub) -> None:
    version = hub.publish(
        full(),
        NAME,
        message="one\n# not a title",
        tags=["spring"],
        publisher="ann",
        force_reason="pilot, agreed",
    )
    text = version_card(version.record)
    for line in (
        f"# {NAME}@1",
        "- message: one # not a title",
        "- published by force: pilot, agreed",
        "- method: lora, rank 2, 48 parameters",
        "| TF-IDF \\| LR | 0.700 | 0.690 | – |",
        "| with the adapter | 0.812 | 0.500 | – |",
        "- auc with the adapter: 0.812, 95 %: 0.750 to 0.875",
        "- auc above TF-IDF \\| LR, on the same rows: +0.113 (-0.010 to +0.200)",
        "- ✗ gate min_gain: inside the noise",
        f"- sha256 of the rows: {'cd' * 32}",
        "- rows: 70 train, 10 validation, 20 test",
        "- languages: en 80%, zh 17%, none 2%, la 1%",
        "- test rows that a training row all but repeats: 3 of 20",
        "- e-mail addresses: 2",
        "- Its rows were in en, zh; of other languages nothing was measured.",
        "- It was trained on the base in nf4; elsewhere its answers differ a little.",
        "- It did not pass its recipe's gates. It was published by force.",
        "- Its probabilities are calibrated by Repertoire (temperature 1.5, shift -0.25); other tools give the raw "
        "logits.",
        "- stock PEFT: yes; the logits are not calibrated (temperature, bias, shift)",
        f'print(registry.recommend("{NAME}@1", user="searched trail shoes", ads=["Trail shoes, 20% off"]))',
        'base = AutoModelForSequenceClassification.from_pretrained("adapters/starter/weights", num_labels=2)',
    ):
        assert line in text.splitlines(), line


def test_the_front_matter_is_valid_and_carries_the_metrics(hub: Hub) -> None:
    record = hub.publish(full(gates=None), NAME).record
    data = ModelCard(version_card(record)).data
    assert data.library_name == "peft"
    assert data.language == ["en", "zh"]
    assert data.base_model is None, "the embedded base is no model that others could look up"
    assert data.pipeline_tag == "text-classification"
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("auc", 0.8125),
        ("log_loss", 0.5),
    ]
    assert data.eval_results[0].dataset_revision == "cd" * 32
    public = replace(full(gates=None), base=replace(lora().base, id="owner/tiny"))
    assert ModelCard(version_card(hub.publish(public, NAME).record)).data.base_model == "owner/tiny"


def test_the_card_of_a_version_is_made_from_the_record_alone(hub: Hub) -> None:
    version = hub.publish(full(gates=None), NAME)
    before = version_card(version.record)
    hub.storage.remove(
        f"blobs/sha256/{version.record.file(files.WEIGHTS).sha256[:2]}/{version.record.file(files.WEIGHTS).sha256}"
    )
    assert version_card(hub.resolve(NAME).record) == before


def test_what_people_copy_from_a_card_holds_no_words_of_a_stranger(hub: Hub) -> None:
    record = hub.publish(lora(quantization='nf4")\nimport evil\n('), NAME).record
    assert "\nimport evil" not in version_card(record)


def test_equal_adapters_have_equal_cards_under_any_name_and_number(hub: Hub) -> None:
    first = hub.publish(full(gates=None), NAME, message="first")
    again = hub.publish(full(gates=None), "x/y/z", message="second", tags=["other"])
    assert first.digest == again.digest
    assert first.folder is not None
    readme = (first.folder / files.CARD).read_text()
    assert NAME not in readme and "published" not in readme
    assert is_ours(readme.encode())
    assert "# recommendation (lora) for `starter`" in readme


@pytest.mark.parametrize(
    "adapter", [lora(), prefix(), replace(lora(), task=None), replace(prefix(), task=None)]
)
def test_an_adapter_that_says_little_of_itself_has_a_card(adapter: Any, hub: Hub) -> None:
    text = version_card(hub.publish(adapter, NAME).record)
    assert "- It carries no held-out results." in text
    assert ModelCard(text).data.library_name == "peft"


@pytest.mark.parametrize(
    "info",
    [
        {"report": {"before": 3}},
        {"report": [1]},
        {"report": {"after": {"auc": "high"}, "before": None}},
        {"data": [1]},
        {"data": {"profile": {"rows": 3, "languages": ["en"], "tokens": 7, "near": "x"}}},
        {"gates": {"passed": True, "verdicts": [3]}},
    ],
)
def test_what_is_not_of_our_form_is_left_out_of_the_card(
    info: dict[str, Any], hub: Hub, tmp_path: Path
) -> None:
    folder = files.write(lora(), tmp_path / "adapter")
    ours = asdict(replace(lora(), tensors={}, info=info))
    metadata = {"repertoire": json.dumps({key: ours[key] for key in ("task", "head", "base", "info")})}
    (folder / files.WEIGHTS).write_bytes(save(lora().tensors, metadata))
    record = hub.publish(folder, NAME).record
    assert f"# {NAME}@1" in version_card(record)


@pytest.mark.parametrize(
    ("readme", "ours"),
    [
        ("---\ntags: [repertoire, lora]\n---\n# x", True),
        ("---\ntags: [lora]\n---\n# repertoire", False),
        ("# repertoire", False),
        ("---\n: [\n---\n", False),
        ("---\n- 1\n---\n", False),
        ("---\ntags: 7\n---\n", False),
        ("---\ntags: 2026-99-99\n---\n", False),
        ("---\ntags: " + "[" * 5000 + "\n---\n", False),
    ],
)
def test_a_card_of_our_making_is_known_by_its_tag(readme: str, ours: bool) -> None:
    assert is_ours(readme.encode()) is ours
    assert card.is_ours(b"\xff\xfe") is False
