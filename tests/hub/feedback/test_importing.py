"""Logs of other systems: found columns, refused rows, the same file twice, and `repertoire feedback`."""

import json
from pathlib import Path

import pytest

from adapters.errors import RequestError
from hub.feedback import Feedback, import_log
from hub.feedback.tables import impressions, outcomes, shown
from hub.hub import Hub
from recipes.errors import DataError
from tests.hub.conftest import Run
from tests.hub.feedback.made import NAME, stored
from tests.hub.tiny import lora

BANDIT = Path(__file__).parents[4] / "shared" / "data" / "open_bandit_men" / "random" / "men.csv"


def bandit(path: Path) -> Path:
    path.write_text(
        ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1\n"
        "0,2019-11-24 00:00:17.004101+00:00,14,2,0,0.0294,81ce,ann@example.com\n"
        "1,2019-11-24 00:00:26.000000+00:00,14,1,1,0.0294,81ce,x\n"
        "2,2019-11-24 00:00:26+00:00,27,1,0,0,81ce,x\n"
        "3,2019-11-24 00:00:26+00:00,27,1,0,1.5,81ce,x\n"
        "4,soon,27,1,0,0.5,81ce,x\n"
        "5,2019-11-24 00:00:26,27,1,perhaps,0.5,81ce,x\n"
        "6,2019-11-24 00:00:26,,1,0,0.5,81ce,x\n"
        "7,,27,1,0,0.5,81ce,x\n"
        "8,1574553626,27,0,0,0.5,81ce,x\n"
        "9,2019-11-24 00:00:26,27,1,0,,81ce,x\n"
    )
    return path


def test_a_log_is_imported_once_and_what_is_wrong_with_a_row_is_told(log: Feedback, tmp_path: Path) -> None:
    path = bandit(tmp_path / "men.csv")
    done = import_log(log, path, NAME, {}, ["user_feature_1"], retention_days=10_000)
    assert (done.rows, done.impressions, done.outcomes, done.without_propensity) == (10, 3, 1, 1)
    told = " ".join(done.refused)
    for line, why in ((4, "above 0"), (5, "at most 1"), (6, "seconds since 1970"), (7, "expected 1 or 0")):
        assert f"line {line}: " in told and why in told
    assert (
        "line 8: item_id is empty" in told
        and "line 9: timestamp is empty" in told
        and "line 10: position" in told
    )
    first = stored(log, impressions)[0]
    assert {row["origin"] for row in stored(log, impressions)} == {"imported"}
    assert {row["propensity"] for row in stored(log, shown)} == {0.0294, None}
    assert [row["kind"] for row in stored(log, outcomes)] == ["click"]
    assert "ann@" not in json.dumps(stored(log, impressions), default=str) and first["expires"] > first["at"]
    again = import_log(log, path, NAME, {}, ["user_feature_1"])
    assert (again.outcomes, again.known, len(stored(log, impressions))) == (0, 1, 3)


def test_conversions_come_later_and_with_their_value(log: Feedback, tmp_path: Path) -> None:
    path = tmp_path / "sales.jsonl"
    rows = [
        {
            "when": 1_574_553_626,
            "what": "tea",
            "sold": 1,
            "sold_at": 1_574_640_026,
            "paid": 12.5,
            "agreed": 0,
        },
        {"when": 1_574_553_627, "what": "tea", "sold": 0, "sold_at": None, "paid": None, "agreed": 1},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    columns = {
        "at": "when",
        "ad": "what",
        "converted": "sold",
        "converted_at": "sold_at",
        "value": "paid",
        "consent": "agreed",
    }
    import_log(log, path, NAME, columns)
    (sale,) = stored(log, outcomes)
    assert (sale["kind"], sale["at"], sale["value"]) == ("conversion", 1_574_640_026.0, 12.5)
    assert [row["consent"] for row in stored(log, impressions)] == [False, True]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"at": "when"}, "no column when"),
        ({"clicks": "click"}, "clicks: no such role"),
        ({"ad": "timestamp"}, "no column for at"),
    ],
)
def test_columns_that_are_not_there_are_told(
    log: Feedback, tmp_path: Path, columns: dict[str, str], told: str
) -> None:
    with pytest.raises(RequestError, match=told):
        import_log(log, bandit(tmp_path / "men.csv"), NAME, columns)


def test_two_columns_of_one_name_are_refused_where_they_are_read(log: Feedback, tmp_path: Path) -> None:
    path = tmp_path / "men.csv"
    path.write_text("ad,timestamp,clicked,clicked\na,2026-11-24 00:00:26,1,0\n")
    with pytest.raises(DataError, match="clicked"):
        import_log(log, path, NAME, {})
    path.write_text("ad,clicked,timestamp,other,other\na,1,2026-11-24 00:00:26,x,y\n")
    assert import_log(log, path, NAME, {}).impressions == 1


def test_a_file_without_a_sound_row_is_refused(log: Feedback, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("at,ad\nnever,tea\n")
    with pytest.raises(RequestError, match=r"no row of .* can be imported: line 2: at is 'never'"):
        import_log(log, path, NAME, {})


def test_it_is_imported_told_and_purged_from_the_command_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    Hub("campaigns").publish(lora(), NAME)
    path = bandit(tmp_path / "men.csv")
    assert "erased from the feedback log" not in run("purge", "--client", "acme", "--dry-run")[1]
    code, out, error = run("feedback", "import", path, "--name", NAME, "--feature", "user_feature_0")
    assert code == 0 and "3 impressions and 1 outcomes" in out and "7 of 10 rows are refused" in error
    (found,) = json.loads(run("feedback", "status", "--json")[1])["names"]
    assert (found["name"], found["impressions"], found["outcomes"]) == (NAME, 3, 1)
    assert found["since"] == "2019-11-24T00:00:17+00:00"
    assert NAME in run("feedback", "status")[1]
    assert run("feedback", "import", path, "--name", "acme")[0] == 2
    assert run("feedback", "import", path, "--name", NAME, "--column", "at=when")[0] == 2
    assert "3 impressions and 1 outcomes would be erased" in run("purge", "--client", "acme", "--dry-run")[1]
    told = json.loads(run("purge", "--client", "acme", "--yes", "--json")[1])
    assert told["feedback"] == {
        "impressions": 3,
        "shown": 3,
        "outcomes": 1,
        "clients": 0,
        "canaries": 0,
        "challenged": 0,
    }
    assert "Nothing is logged yet" in run("feedback", "status")[1]


@pytest.mark.data
def test_the_open_bandit_log_is_imported_as_it_comes(tmp_path: Path) -> None:
    if not BANDIT.is_file():
        pytest.skip("the Open Bandit data is not in ../shared/data")
    log = Feedback(tmp_path / "hub", f"sqlite:///{tmp_path}/log.sqlite")
    done = import_log(log, BANDIT, NAME, {})
    assert (done.rows, done.impressions, done.outcomes, done.refused) == (10_000, 10_000, 46, [])
    log.close()
