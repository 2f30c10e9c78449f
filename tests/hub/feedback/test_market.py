"""The simulated market of the benchmarks in its short form: what its ways earn, and that decisions hold their error."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from benchmarks import market, market_decisions, market_placement
from benchmarks.market import Market, play, told
from benchmarks.market_world import SHORT, Size, ads_of, visits

TINY = Size(days=2, shift=1, users=40, ads=6, slate=2, first=120)


def test_the_world_is_the_same_for_every_way_and_its_taste_turns() -> None:
    size = Size(users=200)
    before, after, quiet = visits(size, 8), visits(size, 11), visits(replace(size, shift=30), 11)
    assert [each.truth for each in visits(size, 8)] == [each.truth for each in before]
    assert [each.ads for each in after] == [each.ads for each in quiet]
    moved = [
        abs(a - b)
        for one, other in zip(after, quiet, strict=True)
        for a, b in zip(one.truth, other.truth, strict=True)
    ]
    assert sum(moved) / len(moved) > 0.1
    other = visits(size, 8, "elsewhere")
    assert [each.user.text() for each in other] != [each.user.text() for each in before]
    assert not {ad for each in other for ad in each.ads} & {ad for each in before for ad in each.ads}
    weeks = [{line for _, line in ads_of(size, week)} for week in (0, 1, 2)]
    assert len(weeks[0] & weeks[1]) == size.ads // 2 and not weeks[0] & weeks[2]
    bought = [each for each in before if each.worth(each.ads[0])]
    assert bought and all(each.clicked(each.ads[0]) and each.later > 0 for each in bought)


def test_ways_are_gone_on_with_day_by_day(tmp_path: Path) -> None:
    own = Market(SHORT, tmp_path)
    assert play("oracle", own, monotonic() - 1)["clicks"] == []
    done = {name: play(name, own, monotonic() + 600) for name in ("oracle", "tfidf")}
    file = tmp_path / "tfidf.json"
    whole = json.loads(file.read_text())
    file.write_text(
        json.dumps({key: whole[key][:2] for key in ("clicks", "worth", "nights")} | {"CPU seconds": 1.0})
    )
    again = play("tfidf", own, monotonic() + 600)
    assert (again["clicks"], again["worth"]) == (done["tfidf"]["clicks"], done["tfidf"]["worth"])
    assert sum(done["oracle"]["clicks"]) > sum(done["tfidf"]["clicks"])


def test_a_day_that_was_killed_begins_again_with_what_the_days_before_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A way that counts the days in its folder, and dies within the third one, after it wrote."""
    dies, played = [True], list[int]()

    def counting(own: Market, folder: Path, begin: int) -> Iterator[tuple[list[str], list[str]]]:
        for day in range(begin, own.size.days):
            played.append(day)
            lines = [*((folder / "days").read_text().split() if day else []), str(day)]
            (folder / "days").write_text("\n".join(lines))
            if day == 2 and dies.pop():
                raise KeyboardInterrupt
            yield [each.ads[0] for each in visits(own.size, day)], lines

    monkeypatch.setitem(market.WAYS, "counting", counting)
    own = Market(SHORT, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        play("counting", own, monotonic() + 600)
    dies.append(False)
    assert len(play("counting", own, monotonic() - 1)["clicks"]) == 2, "figures of days that are over stay"
    done = play("counting", own, monotonic() + 600)
    assert done["nights"] == [[str(day) for day in range(last + 1)] for last in range(SHORT.days)]
    assert played == [0, 1, 2, 2, 3], "days that are over are not played again"


def test_the_loop_runs_in_it_and_what_is_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    own, until = Market(TINY, tmp_path), monotonic() + 600
    done = {name: play(name, own, until) for name in ("oracle", "frozen", "loop")}
    done["nightly"] = play("nightly", own, monotonic() - 1)
    found = told(TINY, done)
    assert found["not run"] == {"nightly": "0 days"} and set(found["clicks"]) == {"oracle", "frozen", "loop"}
    assert "loop" in found["share of the gap in clicks"]
    (first, _), (second, _) = done["loop"]["nights"]
    assert "trained on 3" in first and "production" in done["loop"]["nights"][0][1], second


def test_bad_candidates_are_rolled_back_and_equal_ones_rarely_told_apart() -> None:
    size = Size(users=60)
    bad = market_decisions.bad(size, 10)
    assert (bad["promoted"], bad["rolled back"]) == (0, 10)
    equal = market_decisions.equal(size, 10)
    assert equal["promoted"] + equal["rolled back"] <= 1
    assert market_decisions.replaced(size, 3)["promoted"] == 0
    assert market_decisions.quiet(Size(users=120), 1, of=15)["alarms"][0] <= 1
    turned = market_decisions.turned(Size(days=18, shift=8), 2)["nights until told"]
    assert turned["what happens"]["never"] == 0 and turned["what happens"]["most"] <= 7


def test_what_it_writes_says_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "decided", lambda *_: {"users a day": 1})
    given = [
        "--short",
        "--budget",
        "0",
        "--out",
        str(tmp_path / "out.json"),
        "--kept",
        str(tmp_path / "kept"),
    ]
    assert market.main([*given, "--size", "days=3"]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert (
        found["command"] == "python -m benchmarks.market --short --size days=3" and found["size"]["days"] == 3
    )
    assert set(found["not run"]) == set(market.WAYS)


def test_placement_that_learns_from_words_follows_a_taste_that_turns() -> None:
    found = market_placement.measured(Size(days=10, shift=3, users=60, ads=10, slate=3), 2)
    share = found["share of the gap"]
    assert share["words"]["least"] > 0.2 and share["both"]["mean"] > share["ads"]["mean"]
    assert found["clicks, mean"]["oracle"] > found["clicks, mean"]["both"] > found["clicks, mean"]["frozen"]
