"""An adapter of another tool is read by what it was trained for; what no call could mean is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import BadAdapter
from adapters.format.files import CONFIG, read
from tests.adapters import models


def stock(folder: Path, labels: int | None, **changes: object) -> Path:
    """An adapter of stock PEFT whose configuration says something else of it."""
    models.peft_adapter(models.model("llama", head=labels), folder, "lora")
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def noted(name: str) -> dict[str, Any]:
    return {"task_type": None, "auto_mapping": {"base_model_class": name, "parent_library": "transformers"}}


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (3, {"task_type": "TOKEN_CLS"}),
        (3, {"task_type": "CAUSAL_LM"}),
        (3, noted("BertForTokenClassification")),
        (3, noted("BertForMultipleChoice")),
        (None, {"task_type": "QUESTION_ANS"}),
        (None, {"task_type": "SEQ_2_SEQ_LM"}),
        (None, {"task_type": "SEQ_CLS"}),
    ],
)
@pytest.mark.filterwarnings("ignore:Could not find a config file")
def test_what_no_call_could_mean_is_refused_with_what_it_is(
    labels: int | None, says: dict[str, Any], tmp_path: Path
) -> None:
    said = says["task_type"] or says["auto_mapping"]["base_model_class"].removeprefix("BertFor")
    with pytest.raises(BadAdapter, match=f"trained for {said}"):
        read(stock(tmp_path, labels, **says))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (3, {"task_type": "SEQ_CLS"}),
        (3, {"task_type": None}),
        (3, noted("LlamaForSequenceClassification")),
        (None, noted("LlamaForCausalLM")),
        (None, noted("GPT2LMHeadModel")),
    ],
)
@pytest.mark.filterwarnings("ignore:Could not find a config file")
def test_what_labels_texts_or_writes_them_is_read(
    labels: int | None, says: dict[str, Any], tmp_path: Path
) -> None:
    head = read(stock(tmp_path, labels, **says)).head
    assert (head and len(head.labels)) == labels


@pytest.mark.filterwarnings("ignore:Could not find a config file")
def test_a_head_that_gives_one_number_has_no_labels(tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match="one number a text, as a reward model"):
        models.peft_adapter(models.model("llama", head=1), tmp_path, "lora")
