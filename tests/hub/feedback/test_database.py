"""Where the log lies, schemas of other versions, and databases that are gone, locked or full."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import MetaData, event, inspect, text

from hub.errors import FeedbackError
from hub.feedback import Feedback, Impression, Outcome, address_of, migrations
from hub.feedback.arms import Canary, running
from hub.feedback.tables import metadata
from hub.feedback.writer import Writer
from tests.clock import until
from tests.hub.feedback.made import NOW, impression
from tests.hub.feedback.server import Postgres


def test_it_lies_beside_the_hub_unless_a_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPERTOIRE_FEEDBACK", raising=False)
    assert address_of(tmp_path / "campaigns") == f"sqlite:///{tmp_path}/campaigns.feedback.sqlite"
    with pytest.raises(FeedbackError, match="REPERTOIRE_FEEDBACK=postgresql"):
        address_of("s3://bucket/hub")
    monkeypatch.setenv("REPERTOIRE_FEEDBACK", "postgresql+psycopg://u:secret@nowhere/db")
    assert address_of("s3://bucket/hub") == "postgresql+psycopg://u:secret@nowhere/db"


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u@h/d", "oracle+nothing://u@h/d", "sqlite:////no/such/folder/log.sqlite"]
)
def test_an_address_that_cannot_be_used_is_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(FeedbackError, match="feedback log"):
        Feedback(tmp_path, url)


def test_a_password_is_never_told(tmp_path: Path) -> None:
    with pytest.raises(FeedbackError) as raised:
        Feedback(tmp_path, "postgresql+psycopg://u:open-sesame@127.0.0.1:1/db?connect_timeout=1")
    assert "does not answer" in str(raised.value) and "open-sesame" not in str(raised.value)


def test_the_migrations_make_the_tables_that_the_code_names(log: Feedback) -> None:
    with log.database.read() as connection:
        seen = inspect(connection)
        for table in metadata.tables.values():
            found = {column["name"]: column for column in seen.get_columns(table.name)}
            assert found.keys() == set(table.columns.keys()), table.name
            assert [name for name, each in found.items() if not each["nullable"]] == [
                column.name for column in table.columns if not column.nullable
            ], table.name
            keys = seen.get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key], table.name


@pytest.mark.parametrize("older", range(1, migrations.NEWEST))
def test_a_log_of_every_older_schema_is_brought_forward_with_its_rows(
    older: int, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, then = impression(), MetaData()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "NEWEST", older)
        first = Feedback(tmp_path, url, clock=lambda: NOW)
        with first.database.write() as connection:
            then.reflect(connection)
            rows = {"impressions": [made.row()], "shown": made.places_rows()}
            for name, given in rows.items():
                table = then.tables[name]
                known = [{key: each[key] for key in table.columns.keys() & each.keys()} for each in given]
                connection.execute(table.insert(), known)
            if "canaries" in then.tables:
                ran = {"version": 2, "against": 1, "started": NOW, "share": 0.1, "outcome": "click"}
                ran |= {"name": made.name, "max_days": 3.0, "held": True, "shadow": False}
                connection.execute(then.tables["canaries"].insert(), [ran])
        first.close()
    again = Feedback(tmp_path, url, clock=lambda: NOW)
    assert again.feedback(made.id, "click")
    assert (again.count("acme")["impressions"], again.count("acme")["shown"]) == (1, len(made.places))
    if "canaries" in then.tables:
        assert running(again, made.name) == Canary(made.name, 2, 1, NOW, 0.1, max_days=3.0, held=True)
        assert again.count("acme")["challenged"] == 1
    again.close()


def test_a_log_of_a_newer_schema_is_refused(url: str, tmp_path: Path) -> None:
    log = Feedback(tmp_path, url)
    with log.database.write() as connection:
        connection.execute(text("UPDATE feedback_schema SET version = 99"))
    log.close()
    with pytest.raises(FeedbackError, match=r"schema 99.*upgrade"):
        Feedback(tmp_path, url)


def test_many_processes_open_an_empty_log_at_once(url: str, tmp_path: Path) -> None:
    code = f"from hub.feedback import Feedback; Feedback({str(tmp_path)!r}, {url!r}).user_key('acme', 'u')"
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, error = process.communicate()
        assert process.returncode == 0, error.decode()


def test_what_was_acknowledged_survives_a_kill(url: str, tmp_path: Path) -> None:
    code = (
        "import sys; from hub.feedback import Feedback; from tests.hub.feedback.made import impression\n"
        f"log = Feedback({str(tmp_path)!r}, {url!r}, clock=lambda: 1.8e9)\n"
        "while True:\n"
        "    made = impression(); log.add(made, on_disk=True); log.feedback(made.id, 'click')\n"
        "    print(made.id, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().split("\n")[:-1]
    process.wait()
    log = Feedback(tmp_path, url, clock=lambda: NOW)
    assert all(not log.feedback(each, "click") for each in told if len(each) == 32), "known already"
    log.close()


def test_a_locked_database_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.feedback.database._WAIT", 0.01)
    path = tmp_path / "log.sqlite"
    log = Feedback(tmp_path, f"sqlite:///{path}", clock=lambda: NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    made = impression()
    assert log.add(made) == made.id
    until(lambda: log.state()["trouble"])
    assert "locked" in log.state()["trouble"] and log.state()["waiting"] == 1
    other.execute("COMMIT")
    assert log.feedback(made.id, "click")
    assert log.state()["trouble"] == ""
    log.close()


def test_a_database_that_is_gone_for_a_while_loses_nothing(postgres: Postgres, tmp_path: Path) -> None:
    log = Feedback(tmp_path, postgres.database(), clock=lambda: NOW)
    made = [impression() for _ in range(3)]
    log.add(made[0], on_disk=True)
    postgres.stop("immediate")
    try:
        assert log.add(made[1]) and log.add(made[2])
        until(lambda: log.state()["trouble"])
    finally:
        postgres.start()
    assert [each.status for each in log.feedback_all(_clicks(made))] == ["taken"] * 3
    log.close()


def test_a_full_disk_is_told_and_nothing_that_was_accepted_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    log = Feedback(tmp_path, f"sqlite:///{path}", clock=lambda: NOW)
    first = impression()
    log.add(first, on_disk=True)
    with log.database.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    _limit(log, pages)
    big = impression(columns={"user": "long " * 20_000})
    log.add(big)
    until(lambda: "full" in (log._writer.trouble or ""))
    patient, log._writer._patience = log._writer._patience, 0.01
    with pytest.raises(FeedbackError, match=r"does not answer.*full"):
        log.add(big, on_disk=True)
    log._writer._patience = patient
    _limit(log, 2**30)
    until(lambda: not log.state()["waiting"])
    assert log.feedback(big.id, "click") and log.feedback(first.id, "click")
    log.close()


def test_a_full_queue_drops_counts_and_never_blocks() -> None:
    go, seen = Event(), []

    def write(items: Sequence[Any]) -> Sequence[Any]:
        go.wait()
        seen.extend(items)
        return items

    writer = Writer(write, most=2)
    assert writer.put(0)
    until(lambda: writer.waiting() == 1 and not writer._waiting)
    assert writer.put(1) and writer.put(2)
    assert not writer.put(3) and writer.dropped == 1
    with pytest.raises(FeedbackError, match="send it again"):
        writer.put(4, wait=True)
    go.set()
    writer.flush()
    assert writer.put(5, wait=True) == 5
    writer.close()
    assert seen == [0, 1, 2, 5] and writer.written == 4
    assert not writer.put(6), "closed"


def test_what_nobody_waits_for_is_written_with_what_comes_after_it() -> None:
    batches: list[list[Any]] = []

    def write(items: Sequence[Any]) -> Sequence[Any]:
        batches.append(list(items))
        return items

    writer = Writer(write, moment=3600)
    for item in range(3):
        assert writer.put(item)
    assert batches == [] and writer.waiting() == 3
    assert writer.put(3, wait=True) == 3 and batches == [[0, 1, 2, 3]]
    assert writer.put(4) and writer.put(5)
    writer.flush()
    assert batches[1:] == [[4, 5]], "a flush waits for no moment"
    assert writer.put(6)
    writer.close()
    assert batches[2:] == [[6]], "nor does the end"
    few = Writer(write, most=2, moment=3600)
    assert few.put(7) and few.put(8)
    until(lambda: few.waiting() == 0)
    assert batches[3:] == [[7, 8]], "nor does a queue that is full"
    few.close()


def test_one_item_that_cannot_be_written_is_its_own_error() -> None:
    def write(items: Sequence[Any]) -> Sequence[Any]:
        if "bad" in items:
            raise ValueError("bad")
        return items

    writer = Writer(write)
    found: dict[str, Any] = {}

    def put(item: str) -> None:
        try:
            found[item] = writer.put(item, wait=True)
        except FeedbackError as error:
            found[item] = error

    threads = [Thread(target=put, args=(item,)) for item in ("a", "bad", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["a"] == "a" and found["b"] == "b" and "bad" in str(found["bad"])
    writer.close()


def _clicks(made: Sequence[Impression]) -> list[Outcome]:
    return [Outcome(each.id, "click") for each in made]


def _limit(log: Feedback, pages: int) -> None:
    """A disk that is full, as SQLite tells it. The pragma holds for the connections of the pool."""
    engine = log.database._engine
    engine.dispose()

    @event.listens_for(engine, "connect")
    def opened(raw: Any, record: Any) -> None:
        raw.execute(f"PRAGMA max_page_count={pages}")
