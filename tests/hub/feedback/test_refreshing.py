"""Campaigns trained again on what users did: a better one becomes a canary, others wait, and a kill loses nothing."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from adapters import Adapter, Base, Head, write
from hub import Hub
from hub.feedback import Candidate, Feedback, Impression, Outcome, Place, Refresh, Refreshed, load_campaigns
from hub.feedback.campaigns import Campaign, load_campaign_file
from hub.feedback.canary import hold, promote, running, stop
from hub.feedback.events import ad_key
from hub.feedback.gating import Gained
from hub.feedback.observed import observed
from hub.feedback.training_rows import training_rows
from recipes import Order, Settings, train_many
from recipes.errors import RecipeError
from tests.adapters import models
from tests.clock import Clock
from tests.hub.feedback.test_loop import NAME, ranker

QUICK = {"train.epochs": 6, "train.learning_rate": 0.01, "data.max_tokens": 32, "train.batch_size": 8}
DAY = 86_400.0


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


@pytest.fixture
def hub(tmp_path: Path, base: Base) -> Hub:
    hub = Hub(tmp_path / "hub")
    hub.publish(ranker(base, 0, features=[]), NAME)
    hub.set_alias(NAME, "production", 1)
    return hub


def seen(
    log: Feedback,
    rows: int,
    seed: int = 0,
    clicks: Callable[[str, str], bool] = lambda want, ad: want == ad,
    more: Mapping[str, str] = MappingProxyType({}),
    **given: Any,
) -> list[Impression]:
    """Users who click what they like."""
    draw, made, came = random.Random(seed), [], []
    for at in range(rows):
        want, ad = draw.choice(["tea", "rum"]), draw.choice(["tea", "rum"])
        columns = {"ad": f"{ad} sale {at}", **more}
        key = ad_key(columns)
        each = Impression(
            log.now() + at, NAME, "recommendation", NAME, 1, "ab", {"user": f"likes {want}"},
            [Candidate(key, columns, 0.5)], [Place(1, key, 0.5, 0.25)], **given,
        )  # fmt: skip
        made.append(each)
        came += [Outcome(each.id, "click", log.now() + at + 1)] if clicks(want, ad) else []
    log.add_all(made)
    log.feedback_all(came)
    return made


def campaign(**given: Any) -> Campaign:
    return Campaign(name=NAME, min_rows=60, set=QUICK, **given)


def test_what_is_better_on_the_newest_rows_becomes_a_canary(
    hub: Hub, base: Base, tmp_path: Path, log: Feedback, clock: Clock
) -> None:
    again = Refresh(hub, log, base, tmp_path / "refresh")
    (found,) = again.run([campaign()])
    assert (found.happened, found.why) == ("waits", "0 new rows, and it is trained from 60 on")
    seen(log, 160)
    clock.move(DAY)
    (found,) = again.run([campaign(share=0.2)])
    assert (found.happened, found.version) == ("canary", 2), found.why
    assert "trained on 160 new and 0 older rows; on the 32 newest" in found.why
    canary = running(log, NAME)
    assert canary is not None and (canary.version, canary.share) == (2, 0.2)
    assert hub.aliases(NAME) == {"production": 1, "canary": 2, "latest": 2}
    assert found.why in (tmp_path / "refresh" / "refresh.md").read_text()
    assert "its canary still runs" in again.run([campaign()])[0].why
    stop(hub, log, NAME)
    assert again.run([campaign()])[0].why.startswith("0 new rows")


def test_others_may_train_it(hub: Hub, base: Base, tmp_path: Path, log: Feedback, clock: Clock) -> None:
    asked: list[tuple[str, Path]] = []

    def elsewhere(orders: Sequence[Order], *, settings: Settings, **_: Any) -> list[Any]:
        asked.extend((order.name, Path(str(settings.state))) for order in orders)
        return train_many(orders, base, settings=settings)

    seen(log, 160)
    clock.move(DAY)
    (found,) = Refresh(hub, log, base, tmp_path / "refresh", elsewhere).run([campaign()])  # type: ignore[arg-type]
    assert (found.happened, found.version) == ("canary", 2), found.why
    ((name, state),) = asked
    assert name == NAME and state.parent == tmp_path / "refresh" and not state.exists()


def test_an_ad_may_have_a_column_called_label(
    base: Base, tmp_path: Path, log: Feedback, clock: Clock
) -> None:
    hub = Hub(tmp_path / "own")
    hub.publish(ranker(base, 0, features=["label"]), NAME)
    hub.set_alias(NAME, "production", 1)
    seen(log, 160, more={"label": "new"})
    clock.move(DAY)
    (found,) = Refresh(hub, log, base, tmp_path / "refresh").run([campaign()])
    assert found.happened == "canary", found.why


@pytest.fixture
def untrained(base: Base, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Rounds whose candidates are made and not trained; what each gains over the versions that it is compared with
    stands in the list, the next round's first."""
    told: dict[str, list[float]] = {"gains": []}

    def train(self: Refresh, campaigns: Any, opened: Any, found: Any) -> list[str]:
        for name, begun in opened.items():
            write(ranker(base, 10 + begun.number, features=[]), self._folder(name, begun.number) / "adapter")
        return list(opened)

    def gained(
        hub: Hub, base: Base, name: str, others: Sequence[int], folder: Path, seed: int
    ) -> list[Gained]:
        return [Gained(over, told["gains"].pop(0), -0.1, 0.4, 32) for over in others]

    monkeypatch.setattr(Refresh, "_train", train)
    monkeypatch.setattr("hub.feedback.refreshing.gained", gained)
    return told


def test_what_is_better_than_an_undecided_canary_takes_its_place_and_rows_stay_new_until_they_are_learned(
    hub: Hub, base: Base, tmp_path: Path, log: Feedback, clock: Clock, untrained: dict[str, list[float]]
) -> None:
    again = Refresh(hub, log, base, tmp_path / "refresh")

    def night(*gains: float, rows: int = 80) -> Refreshed:
        seen(log, rows)
        clock.move(DAY)
        untrained["gains"][:] = gains
        (found,) = again.run([campaign(share=0.3)])
        assert not untrained["gains"]
        return found

    assert night(-0.1).happened == "not better", "its rows are no less new for that"
    first = night(0.2)
    assert first.version == 2 and "trained on 80 new, 80 of earlier rounds and 0 older rows" in first.why
    few = night()
    assert few.happened == "waits" and "80 new rows, and it is trained from 160 on; its canary" in few.why, (
        "as many again as were tried"
    )
    worse = night(0.2, -0.1)
    assert worse.happened == "not better" and worse.why.endswith("its canary @2 stays")
    second = night(0.3, 0.1, rows=320)
    assert (second.happened, second.version) == ("canary", 3)
    assert "+0.3000 [-0.1000, +0.4000] better than that of @1 and +0.1000" in second.why
    assert "takes the place of the canary @2" in hub.history(NAME, "canary")[-1].why
    canary = running(log, NAME)
    assert canary is not None and (canary.version, canary.turn, canary.share) == (3, 2, 0.3)
    hold(log, NAME)
    assert night().happened == "waits", "a person decides"
    hold(log, NAME, held=False)
    promote(hub, log, NAME)
    third = night(0.1)
    assert third.version == 4 and "trained on 160 new and 32 older rows" in third.why, (
        "what @3 learned is replayed"
    )


def test_a_canary_that_is_promoted_while_a_round_is_trained_is_what_it_must_be_better_than(
    hub: Hub,
    base: Base,
    tmp_path: Path,
    log: Feedback,
    clock: Clock,
    untrained: dict[str, list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again, train = Refresh(hub, log, base, tmp_path / "refresh"), Refresh._train
    for gains, meanwhile in (([0.2], False), ([0.3, -0.1], True)):
        seen(log, 80)
        clock.move(DAY)
        untrained["gains"][:] = gains

        def trained(*given: Any, meanwhile: bool = meanwhile) -> list[str]:
            if meanwhile:
                promote(hub, log, NAME)
            return train(*given)

        monkeypatch.setattr(Refresh, "_train", trained)
        (found,) = again.run([campaign()])
    assert found.happened == "not better" and "-0.1000 [-0.1000, +0.4000] better than that of @2" in found.why
    assert hub.aliases(NAME) == {"production": 2, "latest": 2} and running(log, NAME) is None


def test_a_round_that_was_killed_is_closed_when_what_it_published_is_in_production_already(
    hub: Hub,
    base: Base,
    tmp_path: Path,
    log: Feedback,
    clock: Clock,
    untrained: dict[str, list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Kill(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Kill

    again = Refresh(hub, log, base, tmp_path / "refresh")
    seen(log, 80)
    clock.move(DAY)
    untrained["gains"][:] = [0.2]
    with monkeypatch.context() as patch, pytest.raises(Kill):
        patch.setattr(Refresh, "_close", killed)
        again.run([campaign()])
    promote(hub, log, NAME)
    untrained["gains"][:] = [0.2, 0.0]
    (found,) = again.run([campaign()])
    assert (found.happened, found.version) == ("canary", 2) and running(log, NAME) is None
    assert again.run([campaign()])[0].why.startswith("0 new rows")


def test_where_what_happens_moved_only_rows_since_then_are_learned(
    hub: Hub, base: Base, tmp_path: Path, log: Feedback, clock: Clock, untrained: dict[str, list[float]]
) -> None:
    again = Refresh(hub, log, base, tmp_path / "refresh")
    (quiet,) = again.run([campaign()], on_drift=True)
    assert (quiet.happened, quiet.why) == ("waits", "nothing moved")
    seen(log, 600)
    clock.move(DAY)
    since = log.now()
    seen(log, 300, clicks=lambda want, ad: want == ad == "tea")
    clock.move(DAY)
    untrained["gains"][:] = [0.2]
    (found,) = again.run([campaign()])
    assert found.happened == "canary" and "when what happens moved against what @1 predicts" in found.why
    learned = training_rows(log, campaign(), since, 0.0, False, 1)
    rows = json.loads((tmp_path / "refresh" / NAME / "state.json").read_text())
    assert rows["learned"]["2"] > since and 250 < learned.new <= 300
    (rest,) = (tmp_path / "refresh" / NAME).glob("0*")
    trained = [json.loads(line) for line in (rest / "train.jsonl").read_text().splitlines()]
    assert 150 < len(trained) < 450 and sum(row["clicked"] for row in trained) < 0.4 * len(trained)


def test_labels_that_were_told_and_texts_that_were_kept_are_rows(log: Feedback, clock: Clock) -> None:
    behavior, copy = "acme/spring/behavior", "acme/spring/ad-copy"
    said = {"text": "where is it", "answered": "glad"}
    key = ad_key(said)
    texts = [
        Impression(
            log.now() + at, behavior, "behavior", behavior, 1, "ab", {},
            [Candidate(key, said, 0.9)], [Place(1, key, 0.9, 1.0)], arm="production", user=f"u-{at}",
        )
        for at in range(4)
    ]  # fmt: skip
    written = [Candidate(ad_key({"ad": ad}), {"ad": ad}, None) for ad in ("Buy tea!", "Tea. Now.", "Rum!")]
    ads = Impression(
        log.now(), copy, "ad-copy", copy, 1, "ab", {"product": "tea"}, written,
        [Place(at, each.ad, None, 1.0) for at, each in enumerate(written, 1)],
    )  # fmt: skip
    log.add_all([*texts, ads])
    told = [
        Outcome(texts[0].id, "label", text="mad"),
        Outcome(texts[1].id, "label", log.now() + 9, text="glad", event="on second thought"),
        Outcome(texts[1].id, "label", log.now() + 2, text="mad"),
        Outcome(texts[2].id, "label", text="sad"),
        Outcome(ads.id, "accepted", position=1),
        Outcome(ads.id, "edited", log.now() + 2, text="Tea, yes.", position=2),
        Outcome(ads.id, "edited", log.now() + 3, text="Tea, at last.", position=2, event="again"),
        Outcome(ads.id, "accepted", log.now() + 4, position=2),
        Outcome(ads.id, "rejected", position=3),
    ]
    assert {each.status for each in log.feedback_all(told)} == {"taken"}
    clock.move(2 * DAY)
    mine = Campaign(name=behavior, min_rows=20, newest=0.4)
    found = training_rows(log, mine, 0.0, 0.0, True, 1, labels=("glad", "mad"))
    assert [*found.train, *found.test] == [
        {"text": "where is it", "label": "mad"},
        {"text": "where is it", "label": "glad"},
    ], "nobody told anything of the last, and the adapter does not know `sad`"
    assert (mine.outcome, found.new) == ("label", 2)
    kept = observed(log, behavior, "label").delay
    assert sorted(kept.tolist()) == [0.0, 0.0, float("inf"), float("inf")]
    rows = training_rows(log, Campaign(name=copy), 0.0, 0.0, True, 1)
    assert [*rows.train, *rows.test] == [
        {"product": "tea", "copy": "Buy tea!"},
        {"product": "tea", "copy": "Tea, at last."},
    ]
    with pytest.raises(ValueError, match="of acme/spring/ad-copy decides accepted"):
        Campaign(name=copy, outcome="click")


def test_killed_anywhere_it_goes_on_and_publishes_once(
    hub: Hub, base: Base, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Feedback(hub, f"sqlite:///{tmp_path}/log.sqlite", clock=clock)
    seen(log, 120)
    clock.move(DAY)

    class Kill(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> Any:
        raise Kill

    places = [
        "hub.feedback.refreshing.Refresh._train",
        "hub.feedback.refreshing.Refresh._finish",
        "hub.feedback.refreshing.canaries.start",
        "hub.feedback.refreshing.Refresh._close",
        "hub.feedback.refreshing.Refresh._page",
    ]
    for place in places:
        with monkeypatch.context() as patch:
            patch.setattr(place, killed)
            with pytest.raises(Kill):
                Refresh(hub, log, base, tmp_path / "refresh").run([campaign()])
    assert [version.number for version in hub.versions(NAME)] == [1, 2]
    assert hub.aliases(NAME)["canary"] == 2 and running(log, NAME) is not None
    learned = json.loads((tmp_path / "refresh" / NAME / "state.json").read_text())["learned"]
    assert learned.keys() == {"2"}, (
        "the round that was killed when its canary ran already has learned its rows"
    )
    (found,) = Refresh(hub, log, base, tmp_path / "refresh").run([campaign()])
    assert found.happened == "waits" and [version.number for version in hub.versions(NAME)] == [1, 2]
    log.close()


def test_rows_are_split_by_time_replayed_weighed_and_of_those_who_agree(log: Feedback, clock: Clock) -> None:
    seen(log, 40, consent=True)
    seen(log, 5, consent=False)
    clock.move(DAY)
    since = log.now() - 3601
    mine = campaign(newest=0.25, replay=0.5)
    first = training_rows(log, mine, 0.0, 0.0, True, 1)
    assert (first.new, len(first.train), len(first.test), first.replayed) == (40, 30, 10, 0)
    order = [int(str(row["ad"]).split()[-1]) for row in [*first.train, *first.test]]
    assert order == sorted(order) and set(first.train[0]) == {"user", "ad", "clicked"}
    seen(log, 20, arm="shadow")
    clock.move(1)
    seen(log, 20)
    clock.move(3601)
    assert training_rows(log, mine, since, since, True, 2).new == 1, "the others are too young"
    clock.move(DAY)
    second = training_rows(log, mine, since, since, True, 2)
    assert (second.new, second.replayed, len(second.test)) == (20, 10, 5)
    assert len(second.train) == 25
    weighed = training_rows(log, campaign(weigh=True), since, since, True, 2)
    assert {row["weight"] for row in weighed.train} == {4.0}


def test_what_is_wrong_with_one_campaign_is_its_own(
    hub: Hub, base: Base, tmp_path: Path, log: Feedback, clock: Clock
) -> None:
    hub.publish(ranker(base, 1, features=[]), "acme/autumn/recommendation")
    seen(log, 80)
    clock.move(DAY)
    wrong = Campaign(name=NAME, min_rows=60, set={"train.nonsense": 1})
    bare = Campaign(name="acme/autumn/recommendation", min_rows=60)
    found = Refresh(hub, log, base, tmp_path / "refresh").run([wrong, bare])
    assert [each.happened for each in found] == ["failed", "failed"]
    assert "nonsense" in found[0].why and "no production" in found[1].why


def test_a_file_of_campaigns_is_read_and_all_that_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "campaigns.yaml"
    path.write_text(f"campaigns:\n  - name: {NAME}\n    min_rows: 100\n    set: {{train.epochs: 2}}\n")
    (found,) = load_campaigns(path)
    assert (found.name, found.min_rows, found.set) == (NAME, 100, {"train.epochs": 2})
    here = load_campaign_file(path)
    assert (here.campaigns, here.ray, here.workers, here.cpus) == ([found], None, 2, 1)
    path.write_text(f"ray: auto\nworkers: 4\ncpus: 3\ncampaigns:\n  - name: {NAME}\n")
    there = load_campaign_file(path)
    assert (there.ray, there.workers, there.cpus) == ("auto", 4, 3)
    path.write_text(f"ray: ''\nworkers: 0\ncpus: many\ncampaigns:\n  - name: {NAME}\n")
    with pytest.raises(RecipeError, match=r"(?s)ray: .*workers: .*cpus: "):
        load_campaign_file(path)
    path.write_text("campaigns:\n  - name: acme\n    share: 2\n  - name: a/b/c\n    nonsense: 1\n")
    with pytest.raises(RecipeError) as raised:
        load_campaigns(path)
    for told in ("campaigns.0.name", "campaigns.0.share", "campaigns.1.nonsense"):
        assert told in str(raised.value)
    path.write_text(f"campaigns:\n  - name: {NAME}\n  - name: {NAME}\n")
    with pytest.raises(RecipeError, match="stands twice"):
        load_campaigns(path)
    path.write_text(json.dumps({"jobs": []}))
    with pytest.raises(RecipeError):
        load_campaigns(path)


def answerer(base: Base, task: str) -> Adapter:
    """Of behavior or ad copy, with a recipe of its own."""
    made = ranker(base, 0, features=[])
    head = Head(("glad", "mad"), "last") if task == "behavior" else None
    tensors = {name: tensor for name, tensor in made.tensors.items() if head or "score" not in name}
    recipe = {"task": task, "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]}}
    return Adapter(
        made.method, head, tensors, made.base, task, {"recipe": recipe, "data": {"roles": ["text"]}}
    )


@pytest.mark.parametrize("task", ["behavior", "ad-copy"])
def test_behavior_and_ad_copy_are_trained_again_on_what_people_told(
    base: Base, tmp_path: Path, clock: Clock, task: str
) -> None:
    name, hub = f"acme/spring/{task}", Hub(tmp_path / "hub")
    hub.publish(answerer(base, task), name)
    hub.set_alias(name, "production", 1)
    log, draw, told = Feedback(hub, f"sqlite:///{tmp_path}/log.sqlite", clock=clock), random.Random(0), []
    for at in range(80):
        word = draw.choice(["tea", "rum"])
        columns: dict[str, Any] = (
            {"text": f"likes {word} {at}", "answered": "mad"} if task == "behavior" else {"ad": "?"}
        )
        key = ad_key(columns)
        each = Impression(
            log.now() + at, name, task, name, 1, "ab", {} if task == "behavior" else {"product": f"{word} {at}"},
            [Candidate(key, columns, 0.5)], [Place(1, key, 0.5, 1.0)],
        )  # fmt: skip
        log.add(each, on_disk=True)
        said = {"tea": "glad", "rum": "mad"}[word] if task == "behavior" else f"buy {word}!"
        told.append(
            Outcome(each.id, "label" if task == "behavior" else "edited", log.now() + at + 1, text=said)
        )
    assert {taken.status for taken in log.feedback_all(told)} == {"taken"}
    clock.move(2 * DAY)
    quick = QUICK | {"train.epochs": 3} | ({"write.max_new_tokens": 8} if task == "ad-copy" else {})
    (found,) = Refresh(hub, log, base, tmp_path / "refresh").run(
        [Campaign(name=name, min_rows=60, set=quick)]
    )
    assert (found.happened, found.version) == ("canary", 2), found.why
    canary = running(log, name)
    assert canary is not None and canary.outcome == {"behavior": "label", "ad-copy": "accepted"}[task]
    log.close()
