"""Names to answers: one mixed batch for all tasks, references, refusals."""

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from adapters import Adapter, Base, Limits, WrongBase
from adapters.errors import Busy, Cancelled, DeadlineExceeded, RepertoireError, RequestError
from hub import Analysis, Analyze, Embed, Hub, Pending, Ranked, Recommend, Registry, Texts, Write
from hub.errors import BadName, Damaged, NotInHub
from recipes import Order, Recipe, train, train_many
from recipes.learn.encode import encode_texts
from recipes.measure.calibration import Calibration
from tests.adapters import models
from tests.clock import LIMIT

QUICK: dict[str, Any] = {
    "train.epochs": 8,
    "train.learning_rate": 0.01,
    "data.max_tokens": 64,
    "train.batch_size": 8,
}


@pytest.fixture(scope="module")
def hub(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """One adapter for each task, trained together: a Prefix among LoRAs."""
    folder = tmp_path_factory.mktemp("campaigns")
    draw = random.Random(0)
    clicks = "user,ad,clicked\n" + "".join(
        f"likes {want},{ad} sale {i},{int(want == ad)}\n"
        for i in range(160)
        for want, ad in [(draw.choice(["tea", "rum"]), draw.choice(["tea", "rum"]))]
    )
    moods = "text,label\n" + "".join(
        f"{mood} {i},{mood}\n" for i in range(120) for mood in [draw.choice(["glad", "mad"])]
    )
    copies = "product,copy\n" + "".join(f"mug {i},Buy mug 7!\n" for i in range(40))
    for name, text in (("clicks", clicks), ("moods", moods), ("copies", copies)):
        (folder / f"{name}.csv").write_text(text)
    made = train_many(
        [
            Order(Recipe.load("recommendation", **QUICK), folder / "clicks.csv"),
            Order(
                Recipe.load("behavior-prefix", **QUICK | {"train.epochs": 20, "head.pooling": "mean"}),
                folder / "moods.csv",
            ),
            Order(Recipe.load("ad-copy", **QUICK | {"write.max_new_tokens": 12}), folder / "copies.csv"),
        ],
        base,
    )
    hub = Hub(folder / "hub")
    for adapter in made:
        assert isinstance(adapter, Adapter)
        hub.publish(adapter, f"acme/spring/{adapter.task}")
    return hub


def in_slots(registry: Registry) -> list[str]:
    return [found.adapter for found in registry.residency() if found.tier == "slot"]


def test_each_task_answers_by_name(registry: Registry) -> None:
    ranked = registry.recommend("acme/spring/recommendation", "likes tea", ["rum sale 3", "tea sale 5"])
    assert [item.probability for item in ranked] == sorted(
        (item.probability for item in ranked), reverse=True
    )
    assert {item.ad for item in ranked} == {"rum sale 3", "tea sale 5"}
    glad, mad = registry.analyze("acme/spring/behavior@latest", ["glad 500", "mad 501"])
    assert (glad.label, mad.label) == ("glad", "mad")
    assert sum(glad.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert len(registry.write("acme/spring/ad-copy@1", "mug 7", n=3, seed=5)) == 3


def test_one_mixed_batch_gives_what_each_request_gets_alone(registry: Registry) -> None:
    requests = [
        Recommend("acme/spring/recommendation", "likes tea", ["rum sale 3", "tea sale 5"]),
        Write("acme/spring/ad-copy", "mug 7"),
        Analyze("acme/spring/behavior", ["glad 500", "mad 501"]),
        Write("acme/spring/ad-copy", {"product": "mug 9"}, n=2, seed=1),
    ]
    together = registry.run(requests)
    for request, answer in zip(requests, together, strict=True):
        alone = registry.run([request])[0]
        assert not isinstance(answer, Exception) and not isinstance(alone, Exception)
        for mine, theirs in zip(answer, alone, strict=True):
            if isinstance(request, Write):
                assert mine == theirs
            elif isinstance(request, Recommend):
                assert (mine.ad, mine.probability) == (theirs.ad, pytest.approx(theirs.probability, abs=1e-5))
            else:
                assert mine.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)


def test_a_wrong_request_is_its_own_answer(registry: Registry) -> None:
    missing, wrong, good = registry.run(
        [
            Analyze("acme/spring/behaviour", ["glad 1"]),
            Analyze("acme/spring/recommendation", ["glad 1"]),
            Analyze("acme/spring/behavior", ["glad 500"]),
        ]
    )
    assert isinstance(missing, NotInHub) and "acme/spring/behavior" in str(missing)
    assert isinstance(wrong, RequestError) and "does recommendation, not behavior" in str(wrong)
    assert isinstance(good, list) and good[0].label == "glad"  # type: ignore[union-attr]
    with pytest.raises(NotInHub, match="acme/spring/ad-copy"):
        registry.write("acme/spring/adcopy", "mug")


def test_an_adapter_for_another_base_is_refused_with_both_fingerprints(hub: Hub, base: Base) -> None:
    other = models.base("qwen2")
    with pytest.raises(WrongBase) as error:
        Registry(hub, other).analyze("acme/spring/behavior", "glad")
    assert base.fingerprint[:12] in str(error.value) and other.fingerprint[:12] in str(error.value)


def test_a_name_that_moves_on_answers_from_what_it_names_now(hub: Hub, base: Base, tmp_path: Path) -> None:
    own = Hub(tmp_path / "hub")
    first = hub.read("acme/spring/behavior")
    own.publish(first, "acme/spring/behavior")
    registry = Registry(own, base, follow=False)
    before = registry.analyze("acme/spring/behavior", "glad 500")[0]
    second = hub.read("acme/spring/behavior")
    second.head = (
        type(second.head)(("mad", "glad"), second.head.pooling) if second.head else None
    )  # labels swapped
    own.publish(second, "acme/spring/behavior")
    after = registry.analyze("acme/spring/behavior", "glad 500")[0]
    assert (before.label, after.label) == ("glad", "mad")
    assert registry.analyze("acme/spring/behavior@1", "glad 500")[0].label == "glad"
    assert in_slots(registry) == ["acme/spring/behavior@2", "acme/spring/behavior@1"]


def test_texts_end_between_two_words_within_the_limit(registry: Registry) -> None:
    texts = registry.write("acme/spring/ad-copy", "mug 7", max_chars=8)
    assert texts[0] in ("Buy mug", "Buy") and isinstance(texts, Texts) and texts.refused == ()
    several = registry.write("acme/spring/ad-copy", "mug 7", n=2, max_chars=14, temperature=1.0)
    assert several and all(len(text) <= 14 for text in several)
    with pytest.raises(RequestError, match=r"none of 4 texts by .*: 4 too long.*raise max_chars"):
        registry.write("acme/spring/ad-copy", "mug 7", max_chars=1, temperature=0.1)


# --- several adapters that answer as one ---------------------------------------------------------------------------

MOOD, CLICK = "acme/spring/behavior", "acme/spring/recommendation"


@pytest.fixture
def many(hub: Hub, base: Base, tmp_path: Path) -> Iterator[Registry]:
    """A registry with version 2 beside version 1: other weights, another calibration, labels in another order, and for
    moods a recipe that reads the text twice. tea/spring/behavior has other labels, tea/late/behavior another feature.
    """
    own = Hub(tmp_path / "hub")
    for name in (MOOD, CLICK):
        own.publish(hub.read(name), name)
        second = hub.read(name)
        assert second.head is not None
        score = next(key for key in second.tensors if key.endswith("score.weight"))
        second.tensors[score] = second.tensors[score].flip(0) * 0.5  # rows and labels alike
        second.head = replace(second.head, labels=second.head.labels[::-1])
        second.info["calibration"] = {"temperature": 2.0, "shift": 0.0}
        if name == MOOD:
            second.info["recipe"]["data"]["prompt"] = "{text} {text}"
        own.publish(second, name)
    other = hub.read(MOOD)
    assert other.head is not None
    other.head = replace(other.head, labels=("glad", "sad"))
    own.publish(other, "tea/spring/behavior")
    needs = hub.read(MOOD)
    needs.info["recipe"]["data"]["features"] = ["season"]
    own.publish(needs, "tea/late/behavior")
    registry = Registry(own, base)
    yield registry
    registry.close()


def test_an_ensemble_answers_with_the_mean_of_its_members(many: Registry) -> None:
    texts = ["glad 500", "mad 501", "glad mad"]
    one, two = (many.analyze(f"{MOOD}@{version}", texts) for version in (1, 2))
    assert [*one[0].probabilities] == ["glad", "mad"] and [*two[0].probabilities] == ["mad", "glad"]
    together = many.analyze([f"{MOOD}@1", f"{MOOD}@2"], texts)
    for mean, first, second in zip(together, one, two, strict=True):
        assert abs(first.probabilities["glad"] - second.probabilities["glad"]) > 0.005
        expected = {
            label: (first.probabilities[label] + second.probabilities[label]) / 2
            for label in first.probabilities
        }
        assert mean.probabilities == pytest.approx(expected, abs=1e-5)
        assert mean.text == first.text and mean.labels == (max(expected, key=lambda label: expected[label]),)
    assert_same(many.analyze(f"{MOOD}@1+{MOOD}@2", texts), together)
    assert_same(many.analyze([f"{MOOD}@1"], texts), one)


def test_an_ensemble_ranks_by_the_mean_of_the_clicks_whatever_the_order_of_the_labels(many: Registry) -> None:
    ads = ["rum sale 3", "tea sale 5"]
    one = many.recommend(f"{CLICK}@1", "likes tea", ads)
    clicked = {item.ad: item.probability for item in many.recommend(f"{CLICK}@2", "likes tea", ads)}
    expected = {item.ad: (item.probability + clicked[item.ad]) / 2 for item in one}
    found = many.recommend([f"{CLICK}@1", f"{CLICK}@2"], "likes tea", ads)
    assert {item.ad: item.probability for item in found} == pytest.approx(expected, abs=1e-5)
    assert found[0].probability >= found[1].probability


def test_an_ensemble_runs_in_the_batch_of_others_and_is_submitted_like_them(many: Registry) -> None:
    ensemble = Analyze(f"{MOOD}@1+{MOOD}@2", ["glad 500", "mad 501"])
    alone = many.run([ensemble])[0]
    before = many.state()["answered"]
    bad, found, single = many.run(
        [Analyze([MOOD, "acme/spring/nothing"], ["glad"]), ensemble, Analyze(f"{MOOD}@1", ["glad 500"])]
    )
    assert many.state()["answered"] - before == 2 * 2 + 1
    assert_same(found, alone)
    assert isinstance(bad, NotInHub) and isinstance(single, list)
    pending = many.submit(ensemble)
    assert_same(pending.result(LIMIT), alone)
    late = many.submit(replace(ensemble, deadline=-1.0))
    with pytest.raises(DeadlineExceeded, match=rf"^{MOOD}@1: "):
        late.result(LIMIT)


def test_what_cannot_answer_as_one_is_refused(many: Registry) -> None:
    refused: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: many.analyze([MOOD, "tea/spring/behavior"], "glad"), RequestError, "only one of them has mad, sad"),
        (lambda: many.analyze([MOOD, CLICK], "glad"), RequestError, "does recommendation, not behavior"),
        (lambda: many.analyze([MOOD, f"{MOOD}@2"], "glad"), RequestError, "are the same adapter; name it once"),
        (lambda: many.analyze([MOOD, MOOD], "glad"), RequestError, "are the same adapter; name it once"),
        (lambda: many.analyze([], "glad"), BadName, "no adapter is named"),
        (lambda: many.analyze(f"{MOOD}+", "glad"), BadName, "expected client/campaign/task"),
        (lambda: many.write(f"{COPY}@1+{COPY}@2", "mug"), RequestError, "cannot write one text together"),
        (
            lambda: many.analyze([MOOD, "tea/late/behavior"], "glad"),
            RequestError,
            "^tea/late/behavior: this adapter reads the columns season too",
        ),
    ]  # fmt: skip
    for call, kind, says in refused:
        with pytest.raises(kind, match=says):
            call()
    several = many.hub.read(MOOD)
    assert several.head is not None
    several.head = replace(several.head, multi_label=True)
    many.publish(several, "tea/several/behavior")
    with pytest.raises(RequestError, match="tea/several/behavior may give a text several labels"):
        many.analyze([MOOD, "tea/several/behavior"], "glad")


def test_a_broken_member_fails_the_ensemble_by_name_and_nobody_else(many: Registry) -> None:
    weights = many.hub.resolve(f"{MOOD}@2").record.file("adapter_model.safetensors").sha256
    damaged = Path(many.hub.address) / "blobs" / "sha256" / weights[:2] / weights
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"\0\0\0\1")
    bad, good = many.run([Analyze([f"{MOOD}@1", f"{MOOD}@2"], ["glad"]), Analyze(f"{MOOD}@1", ["glad"])])
    assert isinstance(bad, Damaged) and str(bad).startswith(f"{MOOD}@2: ")
    assert isinstance(good, list)


# --- an adapter with a policy; its likeliest text for mug 7 is "Buy mug 7!" ----------------------------------------

COPY = "acme/spring/ad-copy"


@pytest.fixture
def ruled(hub: Hub, base: Base, tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    """A registry whose ad-copy adapter has a policy."""
    opened = []

    def make(**policy: Any) -> Registry:
        adapter = hub.read(COPY)
        adapter.info["recipe"]["write"]["policy"] = policy
        own = Hub(tmp_path / "hub")
        own.publish(adapter, COPY)
        opened.append(Registry(own, base))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


def test_first_drafts_keep_the_policy(ruled: Callable[..., Registry]) -> None:
    texts = ruled(banned=["BUY"], required=["Drink responsibly."]).write(
        COPY, "mug 7", n=2, max_new_tokens=60
    )
    assert isinstance(texts, Texts) and len(texts) == 2 and texts.refused == ()
    assert all("buy" not in text.casefold() and "Drink responsibly." in text for text in texts)


def test_a_policy_that_is_kept_changes_nothing(registry: Registry, ruled: Callable[..., Registry]) -> None:
    texts = ruled(banned=["buyer"], required=["mug"], placement="headline", facts=True).write(COPY, "mug 7")
    assert texts == registry.write(COPY, "mug 7") == ["Buy mug 7!"]
    assert texts.refused == ()


def test_numbers_are_those_of_the_product_as_it_is_rendered(ruled: Callable[..., Registry]) -> None:
    registry = ruled(facts=True)
    assert registry.write(COPY, {"product": "mug 7"}) == ["Buy mug 7!"]
    found = registry.write(COPY, "mug 7", policy={"banned": ["7"]}, temperature=0.8, n=2)
    assert not any(character in text for text in found for character in "0123456789")


def test_when_no_text_keeps_the_policy_the_error_says_what_and_why(ruled: Callable[..., Registry]) -> None:
    registry = ruled(required=["Drink responsibly."])
    asked = {"temperature": 0.01, "max_new_tokens": 3}
    with pytest.raises(RequestError) as caught:
        registry.write(COPY, "mug 7", **asked)
    told = str(caught.value)
    assert "none of 4 texts by acme/spring/ad-copy keeps the rules: 4 missing" in told
    assert "The nearest is 'Buy': 'Drink responsibly.' is missing" in told
    assert "train the adapter on texts that hold the disclaimer" in told
    good, bad = registry.run([Analyze("acme/spring/behavior", ["glad"]), Write(COPY, "mug 7", **asked)])
    assert isinstance(good, NotInHub) and isinstance(bad, RequestError), "an answer in its own place"


def test_a_request_adds_rules_and_never_takes_one_away(ruled: Callable[..., Registry]) -> None:
    registry = ruled(banned=["buy"], allowed=["buy mug"])
    assert registry.write(COPY, "mug 7") == ["Buy mug 7!"]
    tighter = registry.write(COPY, "mug 7", policy={"banned": ["Mug"]})
    assert "mug" not in tighter[0].casefold() and not tighter.refused
    assert registry.submit(Write(COPY, "mug 7", policy={"required": ["mug 7"]})).result(60) == ["Buy mug 7!"]
    for policy, says in (
        ({"allowed": ["buy"]}, "a request can only add rules"),
        ({"required": ["Buy now"]}, "'Buy now' is required, but 'buy' is banned"),
        ({"banned": [""]}, "policy.banned: holds an empty term"),
        ({"baned": ["x"]}, "policy.baned: unknown key; did you mean `banned`?"),
        (["x"], "write a mapping such as"),
    ):
        with pytest.raises(RequestError) as caught:
            registry.write(COPY, "mug 7", policy=policy)
        assert says in str(caught.value)
        assert isinstance(registry.run([Write(COPY, "mug 7", policy=policy)])[0], RequestError)  # type: ignore[arg-type]


def test_a_stream_keeps_the_policy_as_it_is_written(ruled: Callable[..., Registry]) -> None:
    registry = ruled(banned=["mug"])
    shown = "".join(registry.stream(COPY, "mug 7"))
    assert shown.startswith("Buy") and "mug" not in shown and shown == registry.write(COPY, "mug 7")[0]
    assert "".join(registry.stream(COPY, "x 7", policy={"required": ["buy"]}, max_new_tokens=3)) == "Buy"
    with pytest.raises(RequestError, match="'Ad' is missing"):
        list(registry.stream(COPY, "x 7", policy={"required": ["Ad"]}, max_new_tokens=3))


def test_training_on_the_registrys_base_changes_no_answer(hub: Hub, base: Base, tmp_path: Path) -> None:
    """The design's five lines: train on `registry.base`, publish, ask, with other adapters resident all the while."""
    own = Hub(tmp_path / "hub")
    own.publish(hub.read("acme/spring/behavior"), "acme/spring/behavior")
    registry = Registry(own, base)
    before = registry.analyze("acme/spring/behavior", ["glad 500", "mad 501"])
    (tmp_path / "moods.csv").write_text(
        "text,label\n" + "".join(f"{'yes' if i % 2 else 'no'} {i},l{i % 2}\n" for i in range(40))
    )
    adapter = train(Recipe.load("behavior", **QUICK), tmp_path / "moods.csv", registry.base)
    registry.publish(adapter, "globex/launch/behavior")
    assert registry.analyze("acme/spring/behavior", ["glad 500", "mad 501"]) == before
    assert {item.label for item in registry.analyze("globex/launch/behavior", ["yes 3", "no 4"])} <= {
        "l0",
        "l1",
    }
    assert in_slots(registry) == ["acme/spring/behavior@1", "globex/launch/behavior@1"]


def test_adalora_is_published_as_plain_lora_and_answers_as_stock_peft(base: Base, tmp_path: Path) -> None:
    (tmp_path / "moods.csv").write_text(
        "text,label\n" + "".join(f"{'yes' if i % 2 else 'no'} {i},l{i % 2}\n" for i in range(60))
    )
    changes = {"lora.adalora": {"target_rank": 2}, "lora.rank": 5, "head.pooling": "last"}
    recipe, name = Recipe.load("behavior", **QUICK | changes), "globex/launch/behavior"
    hub = Hub(tmp_path / "hub")
    version = hub.publish(train(recipe, tmp_path / "moods.csv", base), name)
    record = version.record
    assert record.method == "lora" and record.recipe is not None and record.metrics is not None
    assert record.recipe["lora"]["adalora"]["target_rank"] == 2
    assert record.rank == max(record.metrics["ranks"].values())
    texts = ["yes 300", "no 301", "what"]
    registry = Registry(hub, base)
    found = registry.analyze(name, texts)
    registry.close()
    theirs = peft.PeftModel.from_pretrained(models.model("llama", head=2), version.folder).eval()
    calibration = Calibration.from_info(hub.read(name).info, 2)
    for ids, mine in zip(encode_texts(base, recipe, texts), found, strict=True):
        with torch.inference_mode():
            logits = theirs(input_ids=torch.tensor([ids])).logits[0].double()
        for label, expected in zip(("l0", "l1"), calibration.apply(logits, False).tolist(), strict=True):
            assert mine.probabilities[label] == pytest.approx(expected, abs=1e-5)


def test_a_streamed_text_is_the_written_one(registry: Registry) -> None:
    written = registry.write("acme/spring/ad-copy", "mug 7", seed=3, temperature=1.0)
    pieces = list(registry.stream("acme/spring/ad-copy", "mug 7", seed=3, temperature=1.0))
    assert "".join(pieces) == written[0] and len(pieces) > 1
    with pytest.raises(RequestError, match="over 2 characters"):
        list(registry.stream("acme/spring/ad-copy", "mug 7", max_chars=2))
    next(iter(registry.stream("acme/spring/ad-copy", "mug 7")))  # given up in the middle
    assert registry.write("acme/spring/ad-copy", "mug 7", seed=3, temperature=1.0) == written


def assert_same(found: object, expected: object) -> None:
    """Equal answers; probabilities depend a little on the shape of the batch."""
    assert isinstance(found, list) and isinstance(expected, list)
    for mine, theirs in zip(found, expected, strict=True):
        if isinstance(theirs, Ranked):
            assert (mine.ad, mine.probability) == (theirs.ad, pytest.approx(theirs.probability))
        elif isinstance(theirs, Analysis):
            assert (mine.text, mine.labels) == (theirs.text, theirs.labels)
            assert mine.probabilities == pytest.approx(theirs.probabilities)
        else:
            assert mine == theirs


def test_submitted_requests_are_answered_while_others_go_on(registry: Registry, base: Base) -> None:
    asked = [
        Write("acme/spring/ad-copy", "mug 7", n=2, seed=5),
        Analyze("acme/spring/behavior", ["glad 500", "mad 501"]),
        Recommend("acme/spring/recommendation", "likes tea", ["rum sale 3", "tea sale 5"]),
    ]
    pending = [registry.submit(request) for request in asked]
    for request, one in zip(asked, pending, strict=True):
        assert_same(one.result(LIMIT), registry.run([request])[0])
        assert one.done()
    with base.lock:  # nothing is written before it is cancelled
        cancelled = registry.submit(Write("acme/spring/ad-copy", "mug 7", max_new_tokens=400))
        cancelled.cancel()
    with pytest.raises(Cancelled):
        cancelled.result(LIMIT)
    late = registry.run([Write("acme/spring/ad-copy", "mug 7", max_new_tokens=400, deadline=-1.0)])[0]
    assert isinstance(late, DeadlineExceeded)


def test_a_full_queue_is_refused_to_its_own_client(hub: Hub, base: Base) -> None:
    registry = Registry(hub, base, limits=Limits(waiting=3))
    with pytest.raises(Busy, match="0 requests of acme wait already and 4 more come"):
        registry.submit(Analyze("acme/spring/behavior", ["glad 1"] * 4))
    assert len(registry.analyze("acme/spring/behavior", ["glad 1"] * 40)) == 40, (
        "a call that waits takes its time"
    )
    registry.close()


def test_residency_by_reference(hub: Hub, base: Base) -> None:
    registry = Registry(hub, base, limits=Limits(slots=2))
    registry.pin("acme/spring/behavior@latest")
    registry.load("acme/spring/ad-copy")
    registry.recommend("acme/spring/recommendation", "likes tea", ["rum sale 3"])
    found = {each.adapter: (each.tier, each.pinned) for each in registry.residency()}
    assert found == {
        "acme/spring/ad-copy@1": ("host", False),
        "acme/spring/behavior@1": ("slot", True),
        "acme/spring/recommendation@1": ("slot", False),
    }
    registry.unpin("acme/spring/behavior")
    registry.unload("acme/spring/behavior")
    assert "acme/spring/behavior@1" not in {each.adapter for each in registry.residency()}
    state = registry.state()
    assert state["misses"] == 3 and state["evicted_slots"] == 1
    assert state["read"]["total"] > 0 and state["verify"]["total"] > 0 and state["copy"]["total"] > 0
    with pytest.raises(NotInHub):
        registry.load("acme/spring/nothing")
    registry.close()


def test_an_adapter_is_read_once_for_its_recipe_and_its_weights(hub: Hub, base: Base) -> None:
    registry = Registry(hub, base)
    registry.analyze("acme/spring/behavior", ["glad 1"])
    registry.analyze("acme/spring/behavior", ["mad 1"])
    assert registry.state()["fetched"] == 1
    registry.close()


def test_a_damaged_version_fails_alone_and_never_answers(hub: Hub, base: Base, tmp_path: Path) -> None:
    own = Hub(tmp_path / "hub")
    version = own.publish(hub.read("acme/spring/behavior"), "acme/spring/behavior")
    own.publish(hub.read("acme/spring/ad-copy"), "acme/spring/ad-copy")
    blob = Path(own.address) / "blobs" / "sha256"
    weights = version.record.file("adapter_model.safetensors").sha256
    damaged = blob / weights[:2] / weights
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-4] + b"\0\0\0\1")
    registry = Registry(own, base)
    bad, good = registry.run(
        [Analyze("acme/spring/behavior", ["glad 1"]), Write("acme/spring/ad-copy", "mug 7")]
    )
    assert isinstance(bad, Damaged) and isinstance(good, list)
    registry.close()


def test_threads_with_different_tasks_share_one_tokenizer(registry: Registry) -> None:
    """Truncation on the left for ads and on the right for behaviour is a setting of the tokenizer itself."""
    long = "glad " * 40 + "500"
    expected = registry.analyze("acme/spring/behavior", [long])[0].probabilities
    ranked = registry.recommend("acme/spring/recommendation", "likes tea " * 30, ["rum sale 3"])[
        0
    ].probability

    def analyze(_: int) -> bool:
        return registry.analyze("acme/spring/behavior", [long])[0].probabilities == pytest.approx(
            expected, abs=1e-4
        )

    def recommend(_: int) -> bool:
        found = registry.recommend("acme/spring/recommendation", "likes tea " * 30, ["rum sale 3"])
        return found[0].probability == pytest.approx(ranked, abs=1e-4)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(call, turn) for turn in range(25) for call in (analyze, recommend)]
        assert all(each.result() for each in done)


def test_a_share_of_the_negatives_is_corrected_for_in_evaluation_and_in_answers(
    base: Base, tmp_path: Path
) -> None:
    draw = random.Random(3)
    rows = [(f"shopper {i}", f"tea sale {i % 7}", int(draw.random() < 0.1)) for i in range(600)]
    data = tmp_path / "rare.csv"
    data.write_text("user,ad,clicked\n" + "".join(f"{u},{a},{c}\n" for u, a, c in rows))
    settings = QUICK | {"train.epochs": 3, "train.metric": "log_loss", "data.negative_share": 0.1}
    adapter = train(Recipe.load("recommendation", **settings), data, base)
    shift = adapter.info["calibration"]["shift"]
    assert shift == pytest.approx(math.log(0.1), abs=0.03)
    after, prior = adapter.info["report"]["after"], adapter.info["report"]["baselines"]["constant prior"]
    assert prior["log_loss"] < 0.45, "the baselines learned from the same rows and are corrected too"
    assert after["log_loss"] < prior["log_loss"] + 0.1 and after["calibration_error"] < 0.1

    def answer(name: str) -> float:
        registry = Registry(Hub(tmp_path / "hub"), base)
        try:
            return registry.recommend(name, user="shopper 1", ads=["tea sale 1"])[0].probability
        finally:
            registry.close()

    hub = Hub(tmp_path / "hub")
    adapter.info["calibration"] = Calibration(shift=adapter.info["calibration"]["shift"]).to_info()
    hub.publish(adapter, "acme/rare/recommendation")
    del adapter.info["calibration"]
    hub.publish(adapter, "acme/raw/recommendation")
    corrected, raw = answer("acme/rare/recommendation"), answer("acme/raw/recommendation")
    assert corrected == pytest.approx(raw / (raw + (1 - raw) / math.exp(shift)), rel=1e-4)


def test_what_texts_took_is_told_for_each_and_equal_in_a_stream(registry: Registry) -> None:
    """Tokens, what ended them and how likely each token was, for several texts, waited for and streamed."""
    ask = Write("acme/spring/ad-copy", "mug 7", n=3, seed=2, temperature=1.0, logprobs=2)
    (texts,) = registry.run([ask])
    assert isinstance(texts, Texts)
    assert len(texts.told) == len(texts) == 3
    base = registry.base
    for told in texts.told:
        assert told.tokens == len(told.logprobs) > 0
        assert told.finish in ("end", "length") and (told.finish == "length") == (told.tokens == 12)
        for each in told.logprobs:
            values = [logprob for _, logprob in each.likeliest]
            assert values == sorted(values, reverse=True) and len(values) == 2
            assert each.logprob <= values[0] <= 0
    assert texts.completion_tokens == sum(told.tokens for told in texts.told)
    streams = registry.streams(ask)
    for stream, text, told in zip(streams, texts, texts.told, strict=True):
        pieces = list(stream)
        assert "".join(pieces) == text
        assert stream.told is not None
        assert (stream.told.tokens, stream.told.finish) == (told.tokens, told.finish)
        assert tuple(chance for piece in pieces for chance in piece.logprobs) == stream.told.logprobs
        for mine, theirs in zip(stream.told.logprobs, told.logprobs, strict=True):
            assert (mine.token, mine.logprob) == (theirs.token, pytest.approx(theirs.logprob, abs=1e-4))
        assert stream.prompt_tokens == texts.prompt_tokens > 0
    greedy = registry.run([Write("acme/spring/ad-copy", "mug 7", temperature=0.0, logprobs=1)])[0]
    assert isinstance(greedy, Texts)
    (told,) = greedy.told
    assert all(each.likeliest[0] == (each.token, each.logprob) for each in told.logprobs)
    assert "".join(each.token for each in told.logprobs).strip() == greedy[0]
    ids = registry.base.tokenizer(greedy[0])["input_ids"]
    assert base.decode(ids).strip() == greedy[0]
    assert registry.write("acme/spring/ad-copy", "mug 7").told[0].logprobs == ()


def test_logprobs_are_those_of_the_model_whatever_the_sampling(registry: Registry) -> None:
    plain = registry.run([Write("acme/spring/ad-copy", "mug 7", temperature=0.0, logprobs=3)])[0]
    odd = registry.run(
        [
            Write(
                "acme/spring/ad-copy", "mug 7", temperature=0.01, repetition_penalty=1.01, top_k=1, logprobs=3
            )
        ]
    )[0]
    assert isinstance(plain, Texts) and isinstance(odd, Texts) and plain == odd
    for one, other in zip(plain.told[0].logprobs, odd.told[0].logprobs, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-5)


def test_pending_is_awaited_and_streams_are_read_in_a_loop(registry: Registry) -> None:
    """Many at once in one thread, with texts that are drawn again; a task that is cancelled gives its request up."""
    banned = {"banned": ["zzz"]}
    requests: list[Any] = [
        Recommend("acme/spring/recommendation", "likes tea", ["rum sale 3", "tea sale 5"]),
        Analyze("acme/spring/behavior", ["glad 500", "mad 501"]),
        Write("acme/spring/ad-copy", "mug 7", n=2, seed=1, policy=banned),
        Write("acme/spring/ad-copy", "mug 7", policy={"required": ["not to be had"]}),
        Analyze("acme/spring/behaviour", ["glad 1"]),
    ]
    expected = registry.run(requests)

    async def main() -> list[Any]:
        pending = registry.submit_all(requests)
        return await asyncio.gather(
            *(each if isinstance(each, Pending) else _error(each) for each in pending), return_exceptions=True
        )

    async def _error(error: RepertoireError) -> None:
        raise error

    found = asyncio.run(main())
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, RepertoireError):
            assert (type(one), str(one)) == (type(other), str(other))
        elif isinstance(other, Texts):
            assert one == other
        else:
            assert [type(each) for each in one] == [type(each) for each in other]
    assert isinstance(found[3], RequestError) and "keeps the rules" in str(found[3])

    async def streamed() -> str:
        (stream,) = registry.streams(Write("acme/spring/ad-copy", "mug 7", seed=4))
        return "".join([piece async for piece in stream])

    assert asyncio.run(streamed()) == registry.write("acme/spring/ad-copy", "mug 7", seed=4)[0]

    async def given_up() -> Pending:
        with registry.base.lock:  # no step while it waits
            pending = registry.submit(Write("acme/spring/ad-copy", "mug 7"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_waiting(pending), 0.01)
        return pending

    async def _waiting(pending: Pending) -> object:
        return await pending

    with pytest.raises(Cancelled):
        asyncio.run(given_up()).result()


def test_embeddings_are_the_states_that_the_adapter_s_head_reads(registry: Registry) -> None:
    """Of length one, equal alone and among others, and through one adapter others than through another."""
    texts = ["glad 500", "mad 501 and more of it", "glad 500"]
    mood, click, copy = registry.run(
        [Embed(f"acme/spring/{task}", texts) for task in ("behavior", "recommendation", "ad-copy")]
    )
    for found in (mood, click, copy):
        assert not isinstance(found, RepertoireError)
        assert [each.text for each in found] == texts
        for each in found:
            assert len(each.vector) == registry.base.width
            assert math.hypot(*each.vector) == pytest.approx(1)
        assert found[0].vector == pytest.approx(found[2].vector, abs=1e-5)
        assert found[0].vector != pytest.approx(found[1].vector, abs=1e-3)
    assert mood[0].vector != pytest.approx(click[0].vector, abs=1e-3)
    alone = registry.run([Embed("acme/spring/behavior", ["glad 500"])])[0]
    assert alone[0].vector == pytest.approx(mood[0].vector, abs=1e-5)
    voice = registry.voice("acme/spring/behavior")
    assert voice.head is not None and voice.head.pooling == "mean"
    for wrong in ([], "text", ["\ud800"], [3]):
        assert isinstance(registry.run([Embed("acme/spring/behavior", wrong)])[0], RequestError)
