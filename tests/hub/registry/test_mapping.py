"""Any number of requests: in order, bounded, each error its own."""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from adapters import Base, Limits
from adapters.errors import RepertoireError, RequestError
from adapters.serving import Request as Row
from adapters.serving import Ticket
from hub import Analyze, Hub, NotInHub, Recommend, Registry, Write
from hub.registry import mapping
from hub.registry.labelling import Labelling
from hub.registry.requests import Request
from recipes import Recipe
from tests.hub.voices import NAME, voice

OTHER = "globex/launch/behavior"


@pytest.fixture
def registry(base: Base, tmp_path: Any) -> Iterator[Registry]:
    hub = Hub(tmp_path / "hub")
    hub.publish(voice(base, 0), NAME)
    hub.publish(voice(base, 1), OTHER)
    registry = Registry(hub, base, limits=Limits(waiting=3), follow=False)
    yield registry
    registry.close()


def request(number: int) -> Request:
    """Texts of many lengths for two adapters; every seventh request is wrong in a way of its own."""
    reference = (NAME, OTHER)[number % 2]
    if number % 7 == 3:
        wrong: list[Any] = [
            Analyze("acme/spring/nothing", ["a"]),
            Analyze(reference, []),
            Recommend(reference, "u", ["a"]),
            Analyze(reference, ["half a character \ud83d"]),
            "no request",
        ]
        return wrong[number % len(wrong)]  # type: ignore[no-any-return]
    texts = [f"text {number} {'again and ' * (number * 5 % 11)}{at}" for at in range(1 + number % 3)]
    return Analyze(reference, texts)


def told(answer: Any) -> Any:
    if isinstance(answer, Exception):
        return type(answer), str(answer)
    return [(each.text, each.label, dict(each.probabilities)) for each in answer]


def close(answer: Any) -> Any:
    """As told, to compare with: sums of another batch differ in their last digits."""
    if isinstance(answer, tuple):
        return answer
    return [(text, label, pytest.approx(shares, abs=1e-5)) for text, label, shares in answer]


def test_answers_are_those_of_each_request_alone_and_in_order(registry: Registry) -> None:
    requests = [request(number) for number in range(60)]
    alone = [close(told(registry.run([each])[0])) for each in requests]
    for rows in (1, 7, 1024):
        assert [told(each) for each in registry.map(iter(requests), rows=rows)] == alone
    assert list(registry.map([])) == []


def test_no_more_requests_are_read_than_two_windows_ahead_of_the_answers(registry: Registry) -> None:
    read = 0

    def endless() -> Iterator[Request]:
        nonlocal read
        while True:
            read += 1
            yield Analyze(NAME, [f"text {read}"])

    answers = registry.map(endless(), rows=5)
    assert read == 0
    for taken in range(1, 40):
        (analysis,) = next(answers)  # type: ignore[misc]
        assert analysis.text == f"text {taken}"
        assert read <= taken + 10
    answers.close()  # type: ignore[attr-defined]
    assert registry.run([Analyze(NAME, ["still here"])])[0][0].label  # type: ignore[index, union-attr]


def test_what_the_source_raises_follows_the_answers_to_what_it_gave(registry: Registry) -> None:
    def breaks() -> Iterator[Request]:
        for number in range(8):
            yield Analyze(NAME, [f"text {number}"])
        raise OSError("the disk went away")

    seen = []
    with pytest.raises(OSError, match="the disk went away"):
        for answer in registry.map(breaks(), rows=3):
            seen.append(answer[0].text)  # type: ignore[index, union-attr]
    assert seen == [f"text {number}" for number in range(8)]


def test_errors_of_many_kinds_stand_in_their_places(registry: Registry) -> None:
    requests: list[Any] = [Analyze("acme/spring/nothing", ["a"]), Analyze(NAME, ["a"]), None]
    missing, found, none = registry.map(requests)
    assert isinstance(missing, NotInHub) and isinstance(none, RequestError)
    assert not isinstance(found, Exception)


@pytest.mark.parametrize(("seconds", "sizes"), [(0.0, [2, 2, 8, 9, 1]), (60.0, [2] * 11)])
def test_windows_grow_while_they_are_answered_in_seconds(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, seconds: float, sizes: list[int]
) -> None:
    clock, seen, ask = count(step=int(seconds)), [], registry._ask_all

    def noted(requests: Sequence[Request | RepertoireError]) -> Any:
        seen.append(len(requests))
        return ask(requests)

    monkeypatch.setattr(mapping, "_FIRST", 2)
    monkeypatch.setattr(mapping, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(registry, "_ask_all", noted)
    requests = (Analyze(NAME, [f"text {number}"]) for number in range(22))
    assert len(list(registry.map(requests, rows=9))) == 22
    assert [size for size in seen if size] == sizes


def test_windows_count_the_drafts_that_a_recipe_asks_for(
    registry: Registry, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = voice(base, 2)
    recipe = Recipe.load("ad-copy", **{"write.drafts": 4, "write.max_new_tokens": 2})
    writes = replace(made, head=None, task="ad-copy", info=made.info | {"recipe": recipe.to_dict()})
    writes.tensors.pop("base_model.model.score.weight")
    registry.hub.publish(writes, "acme/spring/ad-copy")
    seen, ask = [], registry._ask_all

    def noted(requests: Sequence[Request | RepertoireError]) -> Any:
        asked = ask(requests)
        seen.append(sum(len(each.rows) for each in asked if not isinstance(each, RepertoireError)))
        return asked

    monkeypatch.setattr(mapping, "_FIRST", 8)
    monkeypatch.setattr(registry, "_ask_all", noted)
    asked = [Write("acme/spring/ad-copy", f"mug {number}") for number in range(12)]
    texts = list(registry.map(iter(asked), rows=16))
    assert [len(each) for each in texts if isinstance(each, list)] == [1] * 12
    assert seen[0] == 8, "two texts, before it is known how many drafts each has"
    assert max(seen[1:]) == 4 and sum(seen) == 48


def test_what_was_asked_goes_with_its_answers_and_waits_for_no_collector(registry: Registry) -> None:
    requests = [request(number) for number in range(60)]
    list(registry.map(requests))
    gc.collect()
    gc.disable()
    try:
        list(registry.map(requests))
        left = [each for each in gc.get_objects() if isinstance(each, Ticket | Row | Labelling)]
    finally:
        gc.enable()
    assert not left


def test_the_collector_is_on_while_answers_are_taken(registry: Registry) -> None:
    answers = registry.map(Analyze(NAME, [f"text {number}"]) for number in range(30))
    assert all(gc.isenabled() for _ in answers)
