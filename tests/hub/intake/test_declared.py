"""Adapters of other tools that recommend: what is said of them when they are published is what they are served by."""

import json
from collections.abc import Iterator
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import save

from adapters import Base
from adapters.errors import RequestError
from adapters.format import files
from hub import Declared, Hub, Refused, Registry
from tests.adapters import models
from tests.hub.conftest import Run
from tests.hub.tiny import NAME

pytestmark = pytest.mark.filterwarnings("ignore:Could not find a config file")
CLICKS = Declared("recommendation", ("user", "ad"))
USER, ADS = "likes tea", ["tea sale", "rum sale"]


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def stock(folder: Path, rows: int, named: str = "tiny/llama") -> Path:
    """What stock PEFT saves, as a client sends it."""
    model = models.model("llama", head=max(rows, 2))
    model.name_or_path = named
    adapter = models.peft_adapter(model, folder, "lora")
    (folder / files.CARD).unlink()
    if rows == 1:  # the same adapter with one logit, as a reward model saves it
        score = next(name for name in adapter.tensors if name.endswith("score.weight"))
        adapter.tensors[score] = adapter.tensors[score][:1].clone()
        (folder / files.WEIGHTS).write_bytes(save(adapter.tensors))
    return folder


@pytest.fixture
def registry(hub: Hub, base: Base) -> Iterator[Registry]:
    registry = Registry(hub, base, follow=False)
    yield registry
    registry.close()


def logits(folder: Path, text: str) -> torch.Tensor:
    """Of stock PEFT."""
    model = peft.PeftModel.from_pretrained(models.model("llama", head=2), folder).eval()
    ids = torch.tensor([models.tokenizer()(text)["input_ids"]])
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]


@pytest.mark.parametrize("click", [0, 1])
def test_two_rows_rank_by_the_one_that_is_said_to_be_the_click(
    click: int, hub: Hub, registry: Registry, tmp_path: Path
) -> None:
    folder = stock(tmp_path / "made", 2)
    record = hub.publish(folder, NAME, declared=Declared("recommendation", ("user", "ad"), click)).record
    assert (record.task, record.roles) == ("recommendation", ("user", "ad"))
    found = {each.ad: each.probability for each in registry.recommend(NAME, USER, ADS)}
    for ad in ADS:
        expected = logits(folder, f"User: {USER}\nAd: {ad}").softmax(0)[click]
        assert found[ad] == pytest.approx(float(expected), abs=1e-4)


def test_a_ready_text_needs_no_user(hub: Hub, registry: Registry, tmp_path: Path) -> None:
    folder = stock(tmp_path / "made", 2)
    hub.publish(folder, NAME, declared=Declared("recommendation", ("text",)))
    (found,) = registry.recommend(NAME, ads=["tea sale"])
    assert found.probability == pytest.approx(float(logits(folder, "tea sale").softmax(0)[1]), abs=1e-4)


def test_one_row_is_the_log_odds_of_a_click(hub: Hub, registry: Registry, tmp_path: Path) -> None:
    hub.publish(stock(tmp_path / "one", 1), NAME, declared=CLICKS)
    expected = logits(stock(tmp_path / "two", 2), f"User: {USER}\nAd: {ADS[0]}")[0].sigmoid()
    (found,) = registry.recommend(NAME, USER, ADS[:1])
    assert found.probability == pytest.approx(float(expected), abs=1e-4)


def test_nothing_recommends_without_a_click(hub: Hub, registry: Registry, tmp_path: Path) -> None:
    hub.publish(stock(tmp_path / "two", 2), NAME)
    with pytest.raises(RequestError, match=r"which of its labels is the click.*--task recommendation"):
        registry.recommend(NAME, USER, ADS)
    assert len(registry.analyze(NAME, ["tea sale"])[0].probabilities) == 2
    with pytest.raises(Refused, match="one number a text"):
        hub.publish(stock(tmp_path / "one", 1), NAME)
    hub.publish(stock(tmp_path / "three", 3), NAME)
    with pytest.raises(
        RequestError, match="3 labels, none of which is said to be a click; ask it to analyze"
    ):
        registry.recommend(NAME, USER, ADS)
    with pytest.raises(Refused, match="its head has 3 rows, and a recommendation has two"):
        hub.publish(tmp_path / "three", NAME, declared=CLICKS)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Declared("ad-copy"), "it has a head, and ad-copy needs none"),
        (Declared("pricing"), "there is no task 'pricing'"),
        (Declared(roles=("user",)), "--roles goes with --task"),
        (Declared("recommendation", ("user", "clicked")), "reads no clicked; --roles takes user, ad, text"),
    ],
)
def test_what_cannot_be_is_refused(said: Declared, told: str, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=told):
        hub.publish(stock(tmp_path / "made", 2), NAME, declared=said)


def test_an_adapter_that_says_its_task_is_not_told_another(hub: Hub) -> None:
    with pytest.raises(Refused, match="says itself that it does behavior"):
        hub.publish(models.made_here("llama", "lora", 2), NAME, declared=CLICKS)


def test_the_command_line_says_it_too(run: Run, tmp_path: Path) -> None:
    folder = stock(tmp_path / "made", 2)
    assert run("import", folder, NAME, "--task", "recommendation", "--roles", "user,ad")[0] == 0
    assert run("publish", folder, NAME, "--task", "recommendation", "--roles", "text", "--click", "0")[0] == 0
    first, second = (json.loads(run("show", f"{NAME}@{n}", "--json")[1])["record"] for n in (1, 2))
    assert (first["task"], first["roles"], first["labels"]) == (
        "recommendation", ["user", "ad"], ["not clicked", "clicked"]
    )  # fmt: skip
    assert (second["roles"], second["labels"]) == (["text"], ["clicked", "not clicked"])


def test_the_base_that_it_was_checked_against_is_the_only_one_that_it_answers_on(
    hub: Hub, base: Base, tmp_path: Path
) -> None:
    folder = stock(tmp_path / "made", 2, "mycorp/tiny-qwen2")
    with pytest.raises(
        Refused, match=r"names the base 'mycorp/tiny-qwen2', and is checked against 'tiny/llama'"
    ):
        hub.publish(folder, NAME, base=base)
    version = hub.publish(folder, NAME, base=base, declared=Declared(base_id_is_alias=True))
    assert (version.record.base.id, version.record.base.fingerprint) == (
        "mycorp/tiny-qwen2",
        base.fingerprint,
    )
    assert hub.read(version).base.fingerprint == base.fingerprint


def test_without_a_recipe_a_text_is_read_as_far_as_the_base_can_and_a_cut_is_told(
    hub: Hub, registry: Registry, base: Base, tmp_path: Path
) -> None:
    folder = stock(tmp_path / "made", 2)
    hub.publish(folder, NAME)
    text = "glad and mad " * 20
    (found,) = registry.analyze(NAME, [text])
    assert len(models.tokenizer()(text.strip())["input_ids"]) > 128
    expected = logits(folder, text.strip()).softmax(0)
    assert found.probabilities["1"] == pytest.approx(float(expected[1]), abs=1e-4) and found.cut == 0
    (long,) = registry.analyze(NAME, ["a" * (base.max_positions + 7)])
    assert long.cut == 7
