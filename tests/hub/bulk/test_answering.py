"""A file in, a file of answers out: every row and every column kept, whatever the format, whenever it is killed."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters import Adapter, Base
from adapters.errors import RequestError
from hub import Analyze, Hub, NotInHub, Registry, Unreachable
from hub.bulk import Asking, FileAnswered, answer_file
from hub.bulk.answering import state_of
from recipes import DataError, Recipe
from recipes.data import check
from tests.adapters import models
from tests.hub.voices import NAME, voice

OTHER = "globex/launch/behavior"
RANKS = "acme/spring/recommendation"


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama")


def clicks(base: Base) -> Adapter:
    """A recommendation, trained on columns of other names, with a group."""
    columns = {"user": "visitor", "ad": "banner", "group": "visit"}
    recipe = {"task": "recommendation", "data": {"columns": columns, "features": ["season"]}}
    info = {"recipe": recipe, "data": {"roles": ["user", "ad", "season"]}}
    made = voice(base, 2, 0.1)
    assert made.head is not None
    head = replace(made.head, labels=("not clicked", "clicked"))
    return replace(made, task="recommendation", head=head, info=info)


@pytest.fixture
def registry(base: Base, tmp_path: Path) -> Iterator[Registry]:
    hub = Hub(tmp_path / "hub")
    hub.publish(voice(base, 0), NAME)
    hub.publish(voice(base, 1), OTHER)
    hub.publish(clicks(base), RANKS)
    registry = Registry(hub, base, follow=False)
    yield registry
    registry.close()


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file]
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def mixed(count: int) -> list[dict[str, Any]]:
    """Rows for two adapters and for one that is not there, some of them empty."""
    names = (NAME, OTHER, f"{NAME}@1", "acme/spring/nothing", "")
    return [
        {
            "id": f"{number:03}",
            "text": "" if number % 6 == 5 else f'text {"and " * (number * 7 % 12)}{number}, "quoted"\nline',
            "adapter": names[number % 5],
        }
        for number in range(count)
    ]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("given", [".csv", ".jsonl", ".parquet"])
def test_every_row_is_answered_in_order_by_its_own_adapter(
    registry: Registry, tmp_path: Path, given: str, ending: str
) -> None:
    rows = mixed(40)
    data, out = tmp_path / f"in{given}", tmp_path / f"out{ending}"
    if given == ".csv":
        write_csv(data, rows)
    elif given == ".jsonl":
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), data)
    found = answer_file(registry, Asking("analyze", by="adapter"), data, out)
    answers = read(out)
    assert [{name: answer[name] for name in rows[0]} for answer in answers] == rows
    errors = 0
    for row, answer in zip(rows, answers, strict=True):
        if not row["adapter"]:
            assert answer["answer_error"] == "no adapter is named"
        elif row["adapter"] == "acme/spring/nothing":
            assert "nothing" in answer["answer_error"]
        elif not row["text"]:
            assert answer["answer_error"] == "`text` is empty"
        else:
            (alone,) = registry.analyze(row["adapter"], [row["text"]])
            assert answer["answer_label"] == alone.label
            assert float(answer["answer_probability"]) == pytest.approx(
                alone.probabilities[alone.label], abs=1e-5
            )
            assert answer["answer_adapter"] == f"{row['adapter'].removesuffix('@1')}@1"
            assert not answer["answer_error"]
            errors -= 1
        errors += 1
    assert found == FileAnswered(40, errors) and errors == 20
    assert not state_of(out).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hub", data.name, out.name]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_row_of_no_group_is_ranked_in_none(registry: Registry, tmp_path: Path, ending: str) -> None:
    rows: list[dict[str, Any]] = [
        {"visit": visit, "visitor": "likes tea", "banner": f"ad {at}", "season": 1}
        for at, visit in enumerate(["v", "", "  ", "", "v"])
    ]
    data, out = tmp_path / f"in.{ending}", tmp_path / "out.jsonl"
    if ending == "csv":
        write_csv(data, rows)
    else:
        data.write_text("".join(json.dumps(row | {"visit": row["visit"] or None}) + "\n" for row in rows))
    assert answer_file(registry, Asking("recommend", RANKS), data, out).errors == 3
    told = read(out)
    assert sorted(each["answer_rank"] for each in (told[0], told[4])) == [1, 2]
    for each in told[1:4]:
        assert each["answer_error"] == "`visit`, what is ranked together, is empty"
        assert each["answer_rank"] is None


def test_columns_are_those_of_training_and_rows_are_ranked_in_their_group(
    registry: Registry, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "visit": f"v{number * 5 % 3}",
            "visitor": "likes tea",
            "banner": f"ad {number * 17 % 23}",
            "season": number,
        }
        for number in range(23)
    ]
    data, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer_file(registry, Asking("recommend", RANKS), data, out)
    answers = read(out)
    for row, answer in zip(rows, answers, strict=True):
        (alone,) = registry.recommend(RANKS, row["visitor"], [row["banner"]], {"season": row["season"]})
        assert answer["answer_probability"] == pytest.approx(alone.probability, abs=1e-5)
    for visit in ("v0", "v1", "v2"):
        own = [each for each in answers if each["visit"] == visit]
        given = sorted((each["answer_probability"] for each in own), reverse=True)
        assert [given.index(each["answer_probability"]) + 1 for each in own] == [
            each["answer_rank"] for each in own
        ]
    renamed = tmp_path / "renamed.csv"
    write_csv(
        renamed, [{"who": row["visitor"], "what": row["banner"], "season": row["season"]} for row in rows]
    )
    with pytest.raises(
        RequestError, match=r"`visitor`, `banner`.*`who`, `what`, `season`.*--column user=NAME"
    ):
        answer_file(registry, Asking("recommend", RANKS), renamed, tmp_path / "renamed-out.csv")
    named = Asking("recommend", RANKS, columns={"user": "who", "ad": "what"})
    answer_file(registry, named, renamed, tmp_path / "renamed-out.csv")
    again = [float(each["answer_probability"]) for each in read(tmp_path / "renamed-out.csv")]
    assert again == pytest.approx([each["answer_probability"] for each in answers], abs=1e-5)
    with pytest.raises(RequestError, match=r"reads no `usr`.*`user`"):
        answer_file(registry, Asking("recommend", RANKS, columns={"usr": "who"}), renamed, tmp_path / "x.csv")


class Dies(Exception):
    """Stands in for the end of a process."""


def test_what_is_answered_is_not_answered_again(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out, whole = (tmp_path / name for name in ("in.csv", "out.csv", "whole.csv"))
    write_csv(data, mixed(2400))
    asking = Asking("analyze", by="adapter")
    answer_file(registry, asking, data, whole)
    before = registry.state()["answered"]

    def dies(done: int, rows: int) -> None:
        if done == 1500:
            raise Dies

    with pytest.raises(Dies):
        answer_file(registry, asking, data, out, progress=dies)
    assert not out.exists()
    with pytest.raises(RequestError, match=r"another run \(n differs\)"):
        answer_file(registry, replace(asking, n=2), data, out)
    # A name that moved on meanwhile: one file is answered by one version.
    registry.hub.publish(voice(registry.base, 5), NAME)
    found = answer_file(registry, asking, data, out)
    assert found.resumed == 1500 and found.rows == 2400
    assert registry.state()["answered"] < before + 2400
    told, same = read(out), read(whole)
    for one, other in zip(told, same, strict=True):
        assert float(one.pop("answer_probability") or 0) == pytest.approx(
            float(other.pop("answer_probability") or 0), abs=1e-5
        )
        one.pop("answer_probabilities"), other.pop("answer_probabilities")
        assert one == other
    with pytest.raises(RequestError, match="is there already; --force"):
        answer_file(registry, asking, data, out)
    answer_file(registry, asking, data, out, force=True)
    assert {each["answer_adapter"] for each in read(out)} >= {f"{NAME}@2"}


def test_a_hub_that_is_away_stops_the_run_and_keeps_what_is_answered(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "in.csv", tmp_path / "out.csv"
    write_csv(data, [{"text": f"text {number}"} for number in range(2000)])
    real, asked = registry.hub.resolve, 0

    def away(reference: str) -> Any:
        nonlocal asked
        asked += 1
        if asked > 4:  # how its files are written, the reference, its voice, the first window
            raise Unreachable("no answer")
        return real(reference)

    monkeypatch.setattr(registry.hub, "resolve", away)
    with pytest.raises(Unreachable):
        answer_file(registry, Asking("analyze", NAME), data, out)
    monkeypatch.undo()
    found = answer_file(registry, Asking("analyze", NAME), data, out)
    assert found.errors == 0 and 200 < found.resumed < 2000


def test_damage_to_what_is_kept_is_told(registry: Registry, tmp_path: Path) -> None:
    data, out = tmp_path / "in.csv", tmp_path / "out.csv"
    write_csv(data, [{"text": f"text {number}"} for number in range(600)])

    def dies(done: int, rows: int) -> None:
        if done == 400:
            raise Dies

    with pytest.raises(Dies):
        answer_file(registry, Asking("analyze", NAME), data, out, progress=dies)
    state = state_of(out)
    state.write_bytes(state.read_bytes().replace(b'"label": "', b'"label": "x', 1)[: state.stat().st_size])
    with pytest.raises(RequestError, match=r"damaged.*--force"):
        answer_file(registry, Asking("analyze", NAME), data, out)
    state.write_bytes(b"no journal at all, but a file of somebody's" * 100)
    with pytest.raises(RequestError, match=r"damaged.*--force"):
        answer_file(registry, Asking("analyze", NAME), data, out)
    assert answer_file(registry, Asking("analyze", NAME), data, out, force=True) == FileAnswered(600)


def test_what_cannot_be_answered_is_refused_before_anything_is(registry: Registry, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "in.csv", [{"text": "a", "answer_label": "b"}])
    asking = Asking("analyze", NAME)
    with pytest.raises(RequestError, match=r"columns called answer_label.*--prefix"):
        answer_file(registry, asking, data, tmp_path / "out.csv")
    with pytest.raises(RequestError, match=r"\.xml is not written; name it \.csv"):
        answer_file(registry, asking, data, tmp_path / "out.xml")
    with pytest.raises(RequestError, match="is the file that is read"):
        answer_file(registry, asking, data, data, force=True)
    with pytest.raises(RequestError, match="no folder"):
        answer_file(registry, asking, data, tmp_path / "nowhere" / "out.csv")
    with pytest.raises(NotInHub):
        answer_file(registry, Asking("analyze", "acme/spring/nothing"), data, tmp_path / "out.csv")
    with pytest.raises(RequestError, match=r"no column `who`"):
        answer_file(registry, Asking("analyze", by="who"), data, tmp_path / "out.csv")
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("text,id\na,1\nb\n")
    with pytest.raises(DataError, match="line 3"):
        answer_file(registry, asking, ragged, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_columns_of_every_type_come_through(registry: Registry, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    rows = [
        {
            "text": "a",
            "when": moment,
            "tags": ["x", "y"],
            "price": Decimal("120.00"),
            "raw": b"ab",
            "big": 2**60,
            "zeros": b"\x00\x01",
        },
        {
            "text": "b",
            "when": None,
            "tags": None,
            "price": None,
            "raw": b"\xff",
            "big": None,
            "zeros": None,
        },
    ]
    data = tmp_path / "in.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), data)
    for ending in (".parquet", ".jsonl", ".csv"):
        out = tmp_path / f"out{ending}"
        answer_file(registry, Asking("analyze", NAME), data, out)
        told = read(out)
        if ending == ".parquet":
            assert [{name: each[name] for name in rows[0]} for each in told] == rows
            assert (
                parquet.read_schema(out).field("price").type == parquet.read_schema(data).field("price").type
            )
        elif ending == ".jsonl":
            assert told[0]["tags"] == ["x", "y"] and told[0]["price"] == "120.00" and told[0]["raw"] == "ab"
            assert told[0]["when"] == "2026-03-01T09:30:00+00:00" and told[1]["tags"] is None
            assert told[0]["big"] == 2**60 and told[1]["raw"] == "ff"
        else:
            assert told[0]["tags"] == '["x", "y"]' and told[1]["tags"] == "" and told[0]["price"] == "120.00"
            assert told[0]["zeros"] == "0001" and b"\0" not in out.read_bytes()
    lines = tmp_path / "in.jsonl"
    lines.write_text(
        '{"text": "a", "n": 1, "m": 1, "deep": {"k": [1]}, "half": "\\ud83d", "id": 18014398509481985}\n'
        '{"text": "b", "m": 1.5, "late": true}\n'
    )
    answer_file(registry, Asking("analyze", NAME), lines, tmp_path / "lines.parquet")
    one, two = read(tmp_path / "lines.parquet")
    assert (one["n"], one["m"], one["deep"], one["late"]) == (1, 1.0, '{"k": [1]}', None)
    assert (two["n"], two["m"], two["deep"], two["late"]) == (None, 1.5, None, True)
    assert one["half"] == "\\ud83d" and one["id"] == "18014398509481985"
    answer_file(registry, Asking("analyze", NAME), lines, tmp_path / "lines.jsonl")
    assert len(read(tmp_path / "lines.jsonl")) == 2


def test_an_ensemble_answers_a_file_as_one(registry: Registry, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "in.csv", [{"text": "so late"}, {"text": "so good"}])
    answer_file(registry, Asking("analyze", f"{NAME}+{OTHER}"), data, tmp_path / "out.csv")
    (answer,) = registry.run([Analyze([NAME, OTHER], ["so late"])])
    told = read(tmp_path / "out.csv")[0]
    assert json.loads(told["answer_probabilities"]) == pytest.approx(
        dict(answer[0].probabilities),
        abs=1e-5,  # type: ignore[index, union-attr]
    )
    assert told["answer_adapter"] == f"{NAME}@1+{OTHER}@1"


def test_a_name_that_is_no_text_is_the_error_of_its_row(registry: Registry, tmp_path: Path) -> None:
    data, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"adapter": "\ud800", "text": "glad"}, {"adapter": NAME, "text": "glad"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer_file(registry, Asking("analyze", by="adapter"), data, out)
    odd, good = read(out)
    assert "is no reference" in odd["answer_error"] and not good["answer_error"]


def test_what_training_notes_of_cells_is_noted_here_too(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"text {number}", "other": "NULL \x00\x07", "adapter": NAME} for number in range(6)]
    rows[1]["text"], rows[2]["text"], rows[4]["text"] = "NULL", "tea &amp; \x07milk", "#N/A"
    data = tmp_path / "in.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asking, out = Asking("analyze", by="adapter"), tmp_path / "out.csv"

    def dies(done: int, of: int) -> None:
        if done == 3:
            raise Dies

    with pytest.raises(Dies):
        answer_file(registry, asking, data, out, progress=dies)
    found = answer_file(registry, asking, data, out)  # rows that an earlier run had answered are told too
    assert found.resumed == 3 and found.errors == 0
    recipe = Recipe.load("behavior", **{"data.columns.label": "adapter"})
    assert [*found.notes] == [note for note in check(recipe, data).notes if "cells of `text`" in note]
    assert len(found.notes) == 3 and "2 cells of `text` say #N/A, NULL, the first in line 2" in found.notes[0]
    # What no text file holds is an escape there, so that whatever is written is read again.
    assert read(out)[0]["other"] == r"NULL \x00\x07"
    assert check(recipe, out).rows == 6
    answer_file(registry, asking, data, tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl")[0]["other"] == rows[0]["other"]


def test_two_columns_of_one_name_stop_nobody_who_does_not_read_them(
    registry: Registry, tmp_path: Path
) -> None:
    data, out = tmp_path / "in.csv", tmp_path / "out.csv"
    data.write_text("text,id,id\nso late,1,2\nso nice,3,4\n")
    found = answer_file(registry, Asking("analyze", NAME), data, out)
    assert found.errors == 0 and "in.csv: `id` is the name of 2 columns; it is not read" in found.notes
    assert [(row["text"], row["id"]) for row in read(out)] == [("so late", "2"), ("so nice", "4")]
    for asking in (Asking("analyze", NAME, columns={"text": "id"}), Asking("analyze", by="id")):
        with pytest.raises(DataError, match="`id` is the name of 2 columns"):
            answer_file(registry, asking, data, tmp_path / "other.csv")
