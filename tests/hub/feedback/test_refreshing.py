"""Campaigns trained again on what users did: a better one becomes a canary, others wait, and a kill loses nothing."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from adapters import Base
from hub import Hub
from hub.feedback import Candidate, Feedback, Impression, Outcome, Place, Refresh, load_campaigns
from hub.feedback.campaigns import Campaign
from hub.feedback.canary import running, stop
from hub.feedback.events import ad_key
from hub.feedback.training_rows import training_rows
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


def seen(log: Feedback, rows: int, seed: int = 0, **given: Any) -> list[Impression]:
    """Users who click what they like."""
    draw, made, came = random.Random(seed), [], []
    for at in range(rows):
        want, ad = draw.choice(["tea", "rum"]), draw.choice(["tea", "rum"])
        columns = {"ad": f"{ad} sale {at}"}
        key = ad_key(columns)
        each = Impression(
            log.now() + at, NAME, "recommendation", NAME, 1, "ab", {"user": f"likes {want}"},
            [Candidate(key, columns, 0.5)], [Place(1, key, 0.5, 0.25)], **given,
        )  # fmt: skip
        made.append(each)
        came += [Outcome(each.id, "click", log.now() + at + 1)] if want == ad else []
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
    (found,) = Refresh(hub, log, base, tmp_path / "refresh").run([campaign()])
    assert found.happened == "waits" and [version.number for version in hub.versions(NAME)] == [1, 2]
    log.close()


def test_rows_are_split_by_time_replayed_weighed_and_of_those_who_agree(log: Feedback, clock: Clock) -> None:
    seen(log, 40, consent=True)
    seen(log, 5, consent=False)
    clock.move(DAY)
    since = log.now() - 3601
    mine = campaign(newest=0.25, replay=0.5)
    first = training_rows(log, mine, 0.0, 1)
    assert (first.new, len(first.train), len(first.test), first.replayed) == (40, 30, 10, 0)
    order = [int(str(row["ad"]).split()[-1]) for row in [*first.train, *first.test]]
    assert order == sorted(order) and set(first.train[0]) == {"user", "ad", "clicked"}
    seen(log, 20, arm="shadow")
    clock.move(1)
    seen(log, 20)
    clock.move(3601)
    assert training_rows(log, mine, since, 2).new == 1, "the others are too young"
    clock.move(DAY)
    second = training_rows(log, mine, since, 2)
    assert (second.new, second.replayed, len(second.test)) == (20, 10, 5)
    assert len(second.train) == 25
    weighed = training_rows(log, campaign(weigh=True), since, 2)
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
