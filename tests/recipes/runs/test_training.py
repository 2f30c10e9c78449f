"""Training: what is learned, what counts in the loss, and that neighbours in a batch never show."""

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters import Adapter, Base, Prefix
from adapters.format.files import read
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots
from recipes import Order, Recipe, train, train_many
from recipes.errors import DataError, TrainingError
from recipes.judge import assess
from recipes.learn.encode import EncodedRow, encode_copy, encode_prompt, encode_texts
from recipes.learn.fused import Fused
from recipes.learn.initial_weights import start
from recipes.learn.job import Job
from recipes.learn.predict import copy_loss, states, target_losses
from recipes.runs import run
from recipes.runs.order import prepare
from tests.adapters import models

QUICK: dict[str, Any] = {
    "train.epochs": 2,
    "train.batch_size": 8,
    "data.max_tokens": 64,
    "blend": False,  # of few rows it takes three more trainings
}


def moods(folder: Path, rows: int = 120, seed: int = 0, noise: float = 0.0) -> Path:
    """Texts whose label is which of two words stands in them, but for a share of `noise`."""
    draw, path = random.Random(seed), folder / f"moods{seed}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            good = draw.random() < 0.5
            label = good if draw.random() >= noise else not good
            writer.writerow([f"{'love' if good else 'hate'} it {number}", "good" if label else "bad"])
    return path


def copies(folder: Path, rows: int = 60) -> Path:
    """Products and the one sentence that is said of each."""
    path = folder / "copies.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product", "copy"])
        for number in range(rows):
            writer.writerow([f"mug {number}", f"Buy mug {number}!"])
    return path


@pytest.fixture(scope="module")
def base() -> Base:
    """A tiny decoder that can say what it means: its output layer is of the size that training would give it."""
    made = models.base("llama", tie_word_embeddings=False)
    with torch.no_grad():
        made.model.get_output_embeddings().weight.mul_(10)
    return made


def weights(adapter: Adapter) -> torch.Tensor:
    return torch.cat([tensor.flatten() for _, tensor in sorted(adapter.tensors.items())])


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_a_head_learns_and_the_report_says_how_far(method: str, base: Base, tmp_path: Path) -> None:
    name = "behavior" if method == "lora" else "behavior-prefix"
    recipe = Recipe.load(
        name, **QUICK | {"train.epochs": 10, "train.learning_rate": 0.01, "train.patience": None}
    )
    adapter = train(recipe, moods(tmp_path, 240), base, out=tmp_path / "out")
    report = adapter.info["report"]
    assert report["after"]["accuracy"] >= 0.95
    assert report["before"]["accuracy"] < 0.8
    assert report["baselines"]["constant prior"]["accuracy"] < 0.7
    gain = report["gains"]["constant prior"]["accuracy"]
    assert (
        gain["difference"] == report["after"]["accuracy"] - report["baselines"]["constant prior"]["accuracy"]
    )
    assert 0 < gain["low"] < gain["difference"] < gain["high"]
    assert report["intervals"]["accuracy"]["low"] <= report["after"]["accuracy"]
    assert report["baselines"]["frozen base + logistic regression"].keys() == report["after"].keys()
    blend = report["blend"]
    assert blend["baseline"] in report["baselines"] and 0 <= blend["weight"] <= 1
    assert blend["gain"]["difference"] == pytest.approx(blend["value"] - report["after"]["accuracy"])
    assert adapter.head is not None and set(adapter.head.labels) == {"bad", "good"}
    again = read(tmp_path / "out")
    assert torch.equal(weights(again), weights(adapter))
    assert again.info["recipe"] == recipe.to_dict()
    assert "behavior" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_copy_is_learned_with_its_end(method: str, base: Base, tmp_path: Path) -> None:
    name = "ad-copy" if method == "lora" else "ad-copy-prefix"
    recipe = Recipe.load(
        name,
        **QUICK
        | {
            "train.epochs": 30,
            "train.learning_rate": 0.02,
            "train.patience": None,
            "write.max_new_tokens": 40,
            "write.policy.required": ["Buy"],
        },
    )
    adapter = train(recipe, copies(tmp_path), base)
    report = adapter.info["report"]
    assert report["before"]["texts_within_policy"] == 0, "the base alone never writes Buy"
    assert report["baselines"]["the references themselves"]["texts_within_policy"] == 1
    assert 0 <= report["after"]["policy_violations"] <= report["before"]["policy_violations"] == 1
    assert report["after"]["nll"] < 0.6 * report["before"]["nll"]
    gain = report["gains"]["before"]["nll"]
    assert gain["difference"] == pytest.approx(report["after"]["nll"] - report["before"]["nll"])
    assert gain["low"] < gain["difference"] < gain["high"] < 0
    assert report["gains"]["nearest training product's copy"].keys() == {"text_chrf"}
    slots = Slots(base, 1)
    slots.load(0, adapter)
    rows, ids = (
        RowSlots((0, None)),
        (*encode_prompt(base, recipe, "mug 3"), *encode_copy(base, "Buy mug 3!")[:-1]),
    )
    with torch.no_grad():
        hidden = forward(base, slots, pad(base, [ids, ids]), rows)
        ends = base.lm_logits(hidden.states[:, -1]).softmax(-1)[:, base.tokenizer.eos_token_id]
    slots.close()
    assert float(ends[0]) > 10 * float(ends[1])


def test_a_job_gets_its_solo_result_whatever_shares_its_batches(base: Base, tmp_path: Path) -> None:
    """LoRA, Prefix, a head and ad copy fused, against each alone: the same losses and the same weights."""
    orders = [
        Order(Recipe.load("behavior", **QUICK | {"lora.dropout": 0.2}), moods(tmp_path, 64)),
        Order(Recipe.load("behavior-prefix", **QUICK | {"train.batch_size": 5}), moods(tmp_path, 48, seed=1)),
        Order(
            Recipe.load(
                "ad-copy", **QUICK | {"train.accumulate": 2, "lora.targets": ["q_proj", "down_proj"]}
            ),
            copies(tmp_path, 50),
        ),
    ]
    fused = train_many(orders, base)
    for order, together in zip(orders, fused, strict=True):
        alone = train_many([order], base)[0]
        for mine, theirs in zip(
            alone.info["report"]["history"], together.info["report"]["history"], strict=True
        ):
            # A probe leaves little to lose.
            assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-8)
        assert float((weights(alone) - weights(together)).abs().max()) <= 1e-4


def test_accumulating_changes_memory_not_the_result(base: Base, tmp_path: Path) -> None:
    data = moods(tmp_path, 64)
    results = []
    for size, accumulate in ((8, 1), (4, 2)):
        options = {
            "train.batch_size": size,
            "train.accumulate": accumulate,
            "train.max_steps": 1,
            "lora.dropout": 0.0,
        }
        recipe = Recipe.load("behavior", **QUICK | options)
        job = prepare(Order(recipe, data), base)
        job.train = job.train[:8]  # one window is the whole data, so that only its cutting differs
        slots = Slots(base, 1, trains=True)
        slots.load(0, job.adapter)
        job.begin(slots, 0)
        for _ in range(accumulate):
            Fused(base, slots, 2048).turn([job])
        slots.close()
        results.append(torch.cat([p.detach().flatten() for p in job.trained.parameters.values()]))
    assert torch.allclose(results[0], results[1], atol=1e-6)


def test_only_the_copys_tokens_count(base: Base) -> None:
    """The loss of a padded batch, against transformers' own on each row with the prompt masked out."""
    rows = [
        EncodedRow((5, 6, 7), (8, 9, 1)),
        EncodedRow((4,), (3, 1)),
        EncodedRow((9, 9, 9, 9, 9, 9), (2, 2, 2, 1)),
    ]
    slots, own = Slots(base, 1), RowSlots((None,) * 3)
    with torch.no_grad():
        hidden = forward(base, slots, pad(base, [(*row.ids, *row.target) for row in rows]), own)
        found = target_losses(base, hidden, rows).split([3, 2, 4])
        for row, losses in zip(rows, found, strict=True):
            ids = torch.tensor([(*row.ids, *row.target)])
            labels = torch.tensor([(*(-100,) * len(row.ids), *row.target)])
            assert float(losses.mean()) == pytest.approx(
                float(base.model(input_ids=ids, labels=labels).loss), rel=1e-4
            )


def test_lora_starts_as_the_base(base: Base) -> None:
    recipe = Recipe.load("ad-copy")
    slots, rows = Slots(base, 1), [EncodedRow((5, 6, 7), (8, 9, 1))]
    slots.load(0, start(recipe, base, ()))
    assert copy_loss(base, slots, 0, rows) == copy_loss(base, slots, None, rows)
    slots.close()


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_the_frozen_base_is_read_without_any_adapter_and_without_padding(family: str) -> None:
    base = models.base(family)
    rows = [EncodedRow((5, 6, 7)), EncodedRow((9,)), EncodedRow((4, 3, 2, 8, 6))]
    slots = Slots(base, 1)
    slots.load(0, start(Recipe.load("behavior-prefix"), base, ("a", "b")))
    found = states(base, slots, rows)
    slots.close()
    for row, vector in zip(rows, found, strict=True):
        with torch.no_grad():
            hidden = base.model(input_ids=torch.tensor([row.ids]), output_hidden_states=True).hidden_states[
                -1
            ]
        assert vector == pytest.approx(hidden[0].mean(0).numpy(), abs=1e-5)


def test_less_than_the_priors_log_loss_is_a_normalized_entropy_below_one(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    lines = [
        f"{('tea', 'shoes')[i % 2]} {i},buy {('tea', 'shoes')[i // 2 % 2]},{i % 2 == i // 2 % 2:d}"
        for i in range(240)
    ]
    path.write_text("user,ad,clicked\n" + "\n".join(lines) + "\n")
    report = train(Recipe.load("recommendation", **QUICK | {"train.max_steps": 2}), path, base).info["report"]
    prior = report["baselines"]["constant prior"]
    assert prior["normalized_entropy"] == 1.0
    for values in (report["before"], report["after"], *report["baselines"].values()):
        assert values["normalized_entropy"] == pytest.approx(values["log_loss"] / prior["log_loss"])


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_a_text_prefix_starts_as_that_text(family: str) -> None:
    """A row with the prefix sees what a row sees that has the text's tokens in front of it."""
    base = models.base(family)
    recipe = Recipe.load("behavior-prefix", **{"prefix.text": "brand voice", "prefix.length": 11})
    adapter = start(recipe, base, ("a", "b"))
    assert adapter.method == Prefix(11)
    slots, rows = Slots(base, 1), RowSlots((0, None))
    slots.load(0, adapter)
    text = list(base.tokenizer("brand voice", add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        hidden = forward(base, slots, pad(base, [[7, 8], [*text, 7, 8]]), rows)
    if family == "llama":  # an encoder's text would also see the row, which a prefix cannot
        assert torch.allclose(hidden.states[0, -2:], hidden.states[1, -2:], atol=1e-5)
    assert not torch.allclose(hidden.states[0, hidden.mask[0].bool()], hidden.states[1, :2], atol=1e-2)


def test_training_stops_early_and_keeps_the_best_weights(base: Base, tmp_path: Path) -> None:
    options = {
        "train.epochs": 30,
        "train.learning_rate": 0.02,
        "train.patience": 2,
        "train.metric": "log_loss",
        "train.keep": "best",
        "train.warmup_share": 0.0,
    }
    adapter = train(Recipe.load("behavior", **QUICK | options), moods(tmp_path, 100, noise=0.5), base)
    report = adapter.info["report"]
    losses = [entry["log_loss"] for entry in report["history"]]
    assert report["best_step"] == report["history"][losses.index(min(losses))]["step"]
    assert len(losses) < 30
    assert len(losses) - losses.index(min(losses)) - 1 == 2
    assert math.isfinite(report["after"]["log_loss"])


def test_a_diverging_job_stops_alone(base: Base, tmp_path: Path) -> None:
    good = Order(
        Recipe.load("behavior", **QUICK | {"lora.dropout": 0.0}), moods(tmp_path, 64), out=tmp_path / "good"
    )
    wild = Recipe.load("ad-copy", **QUICK)
    wild = wild.model_copy(update={"train": wild.train.model_copy(update={"learning_rate": 1e30})})
    failed, _ = train_many([Order(wild, copies(tmp_path), out=tmp_path / "bad"), good], base)
    assert isinstance(failed, TrainingError) and "lower train.learning_rate" in str(failed)
    alone = train(good.recipe, good.data, base)
    assert float((weights(read(tmp_path / "good")) - weights(alone)).abs().max()) <= 1e-4
    assert not (tmp_path / "bad").exists()


def test_bad_data_trains_and_writes_nothing(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user,ad,clicked\n" + "".join(f"u{i},a{i},{i % 2}\n" for i in range(30)) + "u,a,maybe\n")
    with pytest.raises(DataError, match="line 32"):
        train(Recipe.load("recommendation"), path, base, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not any(module._forward_hooks for module in base.model.modules())


def test_a_long_recommendation_keeps_the_ad_and_a_long_behavior_its_beginning(base: Base) -> None:
    texts = ["user " * 40 + "the ad"]
    ids = encode_texts(base, Recipe.load("recommendation", **{"data.max_tokens": 10}), texts)[0]
    assert base.tokenizer.decode(ids).endswith("the ad") and len(ids) == 10
    ids = encode_texts(base, Recipe.load("behavior", **{"data.max_tokens": 10}), texts)[0]
    assert base.tokenizer.decode(ids) == "user user "


@pytest.mark.parametrize("method", ["behavior", "behavior-prefix"])
def test_training_goes_on_from_a_trained_adapter(method: str, base: Base, tmp_path: Path) -> None:
    recipe = Recipe.load(method, **QUICK | {"train.learning_rate": 0.01})
    first = train(recipe, moods(tmp_path, 64), base)
    tiny = {"train.max_steps": 1, "train.learning_rate": 1e-9, "train.head_learning_rate": 1e-9}
    still = Recipe.load(method, **QUICK | tiny)
    again = train(still, moods(tmp_path, 64, seed=1), base, parent=(first, "acme/spring/behavior@1"))
    assert torch.allclose(weights(again), weights(first), atol=1e-6), "one tiny step away from its parent"
    assert again.info["parent"] == "acme/spring/behavior@1"
    assert again.info["data"]["digest"] != first.info["data"]["digest"]


def test_a_head_goes_on_reading_what_its_parent_read(base: Base, tmp_path: Path) -> None:
    """Adapters of before read the last token, where the presets now read the mean of all."""
    first = train(Recipe.load("behavior", **QUICK | {"head.pooling": "last"}), moods(tmp_path, 64), base)
    again = train(
        Recipe.load("behavior", **QUICK), moods(tmp_path, 64), base, parent=(first, "a/b/behavior@1")
    )
    assert first.head is not None and first.head.pooling == "last"
    assert again.head == first.head


def test_one_trained_on_for_several_labels_a_row_answers_each_for_itself(base: Base, tmp_path: Path) -> None:
    first = train(Recipe.load("behavior", **QUICK), moods(tmp_path, 64), base)
    several = tmp_path / "several.csv"
    several.write_text(
        moods(tmp_path, 64).read_text() + "".join(f"love hate {n},good;bad\n" for n in range(9))
    )
    recipe = Recipe.load("behavior", **QUICK | {"data.separator": ";"})
    again = train(recipe, several, base, parent=(first, "a/b/behavior@1"))
    assert first.head is not None and not first.head.multi_label
    assert again.head is not None and again.head.multi_label


def test_an_adapter_that_the_recipe_or_the_data_does_not_fit_is_no_parent(base: Base, tmp_path: Path) -> None:
    first = train(Recipe.load("behavior", **QUICK), moods(tmp_path, 64), base)
    other = tmp_path / "other.csv"
    other.write_text((tmp_path / "moods0.csv").read_text().replace(",bad", ",awful"))
    for changes, data, part in (
        ({"lora.rank": 4}, tmp_path / "moods0.csv", "its rank, alpha, layers"),
        ({}, other, "the data lacks bad; it does not know awful"),
    ):
        with pytest.raises(TrainingError, match=part):
            train(Recipe.load("behavior", **QUICK | changes), data, base, parent=(first, "a/b/behavior@1"))


def test_what_a_library_raises_over_one_jobs_data_is_that_jobs_error(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = moods(tmp_path)
    deep = tmp_path / "deep.jsonl"
    deep.write_text('{"text": ' + "[" * 100_000 + "]" * 100_000 + ', "label": "a"}\n')
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1" + bytes(99) + b"PAR1")
    odd = moods(tmp_path, seed=1)

    def prepared(order: Order, *arguments: Any) -> Job:
        if order.data == odd:
            raise KeyError("a library's own")
        return prepare(order, *arguments)

    monkeypatch.setattr(run, "prepare", prepared)
    recipe = Recipe.load("behavior", **QUICK | {"train.max_steps": 1})
    orders = [Order(recipe, data, name=data.name) for data in (deep, broken, odd, good)]
    *failed, trained = train_many(orders, base)
    assert isinstance(trained, Adapter)
    assert [type(each) for each in failed] == [DataError, DataError, TrainingError]
    assert str(failed[-1]) == f'{odd.name}: its data cannot be read: KeyError("a library\'s own")'


def test_rows_that_are_left_out_are_listed_beside_the_report(base: Base, tmp_path: Path) -> None:
    data = moods(tmp_path)
    data.write_text(data.read_text() + "no label,\n")
    recipe = Recipe.load("behavior", **QUICK | {"train.max_steps": 1, "data.skip_bad_rows": 0.01})
    adapter = train(recipe, data, base, out=tmp_path / "out")
    [listed] = (tmp_path / "out-report" / "skipped.jsonl").read_text("utf-8").splitlines()
    about = json.loads(listed)
    assert (about["file"], about["line"], about["column"]) == (data.name, 122, "label")
    assert about["what"] == "is empty"
    assert any("1 of 121 rows are left out" in note for note in adapter.info["data"]["notes"])
    assert "1 of 121 rows are left out" in (tmp_path / "out-report" / "report.html").read_text("utf-8")


def test_few_validation_rows_choose_no_step(base: Base, tmp_path: Path) -> None:
    """Of noise the best step is a lucky one: all steps are taken, and the last weights are kept."""
    options = {
        "train.epochs": 6,
        "train.learning_rate": 0.02,
        "train.patience": 1,
        "train.metric": "log_loss",
    }
    few, many = moods(tmp_path, 100, noise=0.5), moods(tmp_path, 600, seed=1, noise=0.5)
    found = [
        train(Recipe.load("behavior", **QUICK | options), path, base).info["report"] for path in (few, many)
    ]
    assert (found[0]["kept"], found[1]["kept"]) == ("last", "best")
    assert found[0]["best_step"] == found[0]["steps"] == found[0]["history"][-1]["step"] == 54
    assert found[1]["steps"] < 6 * 53


@pytest.mark.parametrize(
    ("values", "kept", "steps"),
    [([0.5, 0.5, 0.4, 0.4], 2, 4), ([0.9, 0.1, 0.2, 0.3, 0.3], 1, 5), ([0.1, 0.3, 0.2, 0.1, 0.1], 2, 4)],
)
def test_ties_go_to_the_later_step_and_the_warm_up_costs_no_patience(
    values: list[float], kept: int, steps: int, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "train.epochs": 6,
        "train.max_steps": 6,
        "train.evaluate_every": 1,
        "train.patience": 2,
        "train.keep": "best",
        "train.warmup_share": 0.5 if values[0] == 0.9 else 0.0,
    }
    told = iter(values)
    monkeypatch.setattr(Job, "validate", lambda *_: next(told))
    report = train(Recipe.load("behavior", **QUICK | options), moods(tmp_path, 60), base).info["report"]
    assert (report["best_step"], report["steps"]) == (kept, steps)


def test_texts_of_an_evaluation_are_drawn_as_the_recipe_says(base: Base, tmp_path: Path) -> None:
    short = QUICK | {"write.max_new_tokens": 8, "write.evaluated": 2, "train.max_steps": 1}
    greedy, sure, hot = (
        train(Recipe.load("ad-copy", **short, **how), copies(tmp_path), base).info["report"]["after"]
        for how in (
            {},
            {"write.temperature": 3.0, "write.min_p": 1.0},  # leaves the likeliest token alone
            {"write.temperature": 3.0},
        )
    )
    assert sure == greedy != hot


def test_an_evaluation_gives_of_several_drafts_the_one_that_a_registry_would(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[list[str]] = []
    monkeypatch.setattr("recipes.judge.assess.chosen", lambda drafts: looked.append(drafts) or 1)
    how = {"write.max_new_tokens": 8, "write.evaluated": 2, "write.temperature": 3.0, "write.drafts": 3}
    given: list[list[str]] = []
    written = assess.Written
    monkeypatch.setattr(
        "recipes.judge.assess.Written", lambda texts, *rest: given.append(texts) or written(texts, *rest)
    )
    report = train(Recipe.load("ad-copy", **QUICK | how | {"train.max_steps": 1}), copies(tmp_path), base)
    assert [text for texts in given for text in texts] == [drafts[1] for drafts in looked]
    assert [len(drafts) for drafts in looked] == [3] * 4, "of two products, before and after"
    assert all(len(set(drafts)) == 3 for drafts in looked)
    assert report.info["report"]["after"]["texts"] == 2


def test_a_long_product_is_cut_in_training_and_in_answers_alike(base: Base, tmp_path: Path) -> None:
    path = copies(tmp_path)
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([(f"mug {'very ' * 200}{i}", f"Buy mug {i}!") for i in range(3)])
    recipe = Recipe.load("ad-copy", **QUICK | {"write.max_new_tokens": 8, "train.max_steps": 1})
    job = prepare(Order(recipe, path), base)
    assert any(
        "products of 3 of them are cut at their end" in note for note in job.adapter.info["data"]["notes"]
    )
    assert all(row.target and len(row) <= 64 for row in job.train)
    long = encode_prompt(base, recipe, f"mug {'very ' * 200}")
    assert 40 < len(long) <= 56 and long[:20] == encode_prompt(base, recipe, "mug very very")[:20]
