"""Rows that are no observations: headers of joined files, totals, and rows that outweigh all others."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from recipes.data.load import check, load_splits
from recipes.errors import DataError, Problem
from recipes.recipe import Recipe
from tests.recipes.data.test_file_bytes import workbook

ADS = [f"spring,headline {i},{100 + i},{1 + i % 5}" for i in range(40)]
HEADER = "campaign,text,impressions,clicks"
MOODS = [f"text {i},{('calm', 'glad')[i % 2]}" for i in range(40)]


def found(path: Path, lines: list[str], task: str = "recommendation", **options: Any) -> list[Problem]:
    path.write_text("\n".join(lines), encoding="utf-8")
    for read in (load_splits, check):
        with pytest.raises(DataError) as caught:
            read(Recipe.load(task, **options), path)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "again", ["text,label", "\ufefftext,label", " Text , LABEL ", "label,text", '"text","label"']
)
def test_a_header_that_comes_again_is_no_row_and_no_label(tmp_path: Path, again: str) -> None:
    [problem] = found(tmp_path / "moods.csv", ["text,label", *MOODS[:20], again, *MOODS[20:]], "behavior")
    assert (problem.line, problem.message) == (22, "the row is the header again")


def test_a_word_that_is_a_columns_name_is_a_word(tmp_path: Path) -> None:
    path = tmp_path / "moods.csv"
    path.write_text("\n".join(["text,label", "text,calm", "label,glad", *MOODS]), encoding="utf-8")
    assert check(Recipe.load("behavior"), path).rows == 42


@pytest.mark.parametrize(
    "total",
    [
        "Total: Account,--,123456,1234",
        "Total,--,123456,1234",
        "--,Grand total,123456,1234",
        '"Total: Campaigns",,123456,1234',
        "Gesamtsumme,--,123456,1234",
        "合计,--,123456,1234",
        "Итого,headline,123456,1234",
        "Total: everything that ran,all of them,123456,1234",
        'Total: Account,--,"123,456","1,234"',
    ],
)
@pytest.mark.parametrize("at", [0, 20, 40])
def test_a_row_that_is_called_a_total_is_a_problem(tmp_path: Path, total: str, at: int) -> None:
    if at == 0 and ("everything" in total or "Итого" in total):
        total = total.replace("everything that ran", "account")
    [problem] = found(tmp_path / "ads.csv", [HEADER, *ADS[:at], total, *ADS[at:]])
    assert (problem.line, problem.message) == (at + 2, "the row is a total, and no observation")


def test_a_row_that_is_the_sum_of_all_others_is_a_total_whatever_it_is_called(tmp_path: Path) -> None:
    shown, clicked = sum(100 + i for i in range(40)), sum(1 + i % 5 for i in range(40))
    [problem] = found(tmp_path / "ads.csv", [HEADER, *ADS, f"spring,whole,{shown},{clicked}"])
    assert (problem.line, problem.message) == (42, "the row adds up the rows above it")


def test_an_ad_may_be_called_total(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    named = [
        "spring,Total: 20% off everything,120,3",
        "spring,Total Wireless,110,2",
        "Total fitness,Run,90,1",
    ]
    path.write_text("\n".join([HEADER, *named, *ADS, *named]), encoding="utf-8")
    assert not any("weight" in note for note in check(Recipe.load("recommendation"), path).notes)


def test_a_rating_may_be_called_average_in_the_first_and_the_last_row_and_beside_a_dash(
    tmp_path: Path,
) -> None:
    rated = [f"text {i},{('low', 'average', 'high')[i % 3]},{('-', 'acme')[i % 2]}" for i in range(1, 50)]
    path = tmp_path / "ratings.csv"
    for header in ("text,label,brand", "text,rating,label"):
        path.write_text("\n".join([header, *rated, "the last,average,acme"]), encoding="utf-8")
        assert check(Recipe.load("behavior"), path).rows == 50
    path.write_text(
        json.dumps(
            [{"text": "average", "label": "glad"}]
            + [{"text": f"text {i}", "label": ("calm", "glad")[i % 2]} for i in range(40)]
        )
    )
    assert check(Recipe.load("behavior"), path).rows == 41


def test_means_above_and_below_the_rows_are_no_values(tmp_path: Path) -> None:
    mean = "Average,all,114,3"
    problems = found(tmp_path / "ads.csv", [HEADER, mean, *ADS, mean])
    assert [problem.line for problem in problems] == [2, 43]


@pytest.mark.parametrize("total", ["Total,40", "Total,", "averages,", "Total,glad"])
def test_a_total_of_labels_is_a_problem(tmp_path: Path, total: str) -> None:
    problems = found(tmp_path / "moods.csv", ["text,label", *MOODS, total], "behavior")
    assert (problems[0].line, problems[0].message) == (42, "the row is a total, and no observation")


def test_a_row_that_outweighs_the_others_is_noted_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("\n".join([HEADER, *ADS, "summer,one more headline,123456,1000"]), encoding="utf-8")
    for read in (load_splits, check):
        [note] = [note for note in read(Recipe.load("recommendation"), path).notes if "weight" in note]
        assert "line 42 with 96%" in note
    rows = [f"text {i},{i % 2},{500 if i == 7 else 1}" for i in range(40)]
    path.write_text("\n".join(["text,clicked,weight", *rows]), encoding="utf-8")
    [note] = check(Recipe.load("recommendation"), path).notes
    assert "line 9 with 93%" in note


QUESTIONS = ["What is it?,Is it good?", '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"']


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["x,y", *QUESTIONS], 4, "the row names the columns of a survey, and is no answer"),
        (["----,-----"], 2, "the row is a rule below the header"),
        ([",-----"], 2, "the row is a rule below the header"),
        ([":---,---:"], 2, "the row is a rule below the header"),
        ([",", ","], 2, "the row is empty"),
    ],
)
def test_what_programs_write_below_a_header_is_no_row(
    tmp_path: Path, lines: list[str], line: int, message: str
) -> None:
    problems = found(tmp_path / "moods.csv", ["text,label", *lines, *MOODS], "behavior")
    assert (problems[0].line, problems[0].message) == (line, message)
    assert {problem.message for problem in problems} == {message}


def test_words_for_nothing_are_read_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "moods.csv"
    odd = ["#N/A,calm", "text a,NULL", "text b,NULL", r"text c,\N", "none,none", "not null,-"]
    path.write_text("\n".join(["text,label", *MOODS, *odd]), encoding="utf-8")
    notes = check(Recipe.load("behavior"), path).notes
    assert [note.partition(", and are")[0] for note in notes] == [
        "moods.csv: 1 cells of `text` say #N/A, the first in line 42",
        r"moods.csv: 3 cells of `label` say NULL, \N, the first in line 43",
    ]


def test_a_word_for_nothing_is_no_click(tmp_path: Path) -> None:
    lines = [f"user {at},ad {at},{at % 2}" for at in range(20)]
    [problem] = found(tmp_path / "a.csv", ["user,ad,clicked", *lines, "user x,ad x,NULL"])
    assert problem.message == "a word for nothing; expected 0 or 1" and "--label" not in problem.fix


@pytest.mark.parametrize("skipped", [0.0, 0.5])
@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx"])
def test_the_questions_of_a_survey_are_no_rows(tmp_path: Path, ending: str, skipped: float) -> None:
    path, rows = (
        tmp_path / f"survey.{ending}",
        [["Q1", "Q2"], ["How was it,\nand, by the way, why?", "Again?"]],
    )
    rows += [
        ['{"ImportId":"QID1_TEXT"}', '{"ImportId":"QID2"}'],
        *([f"text {i}", "YN"[i % 2]] for i in range(40)),
    ]
    if ending == "xlsx":
        path.write_bytes(workbook(rows))
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="," if ending == "csv" else "\t").writerows(rows)
    columns = {"data.columns.text": "Q1", "data.columns.label": "Q2"}
    recipe = Recipe.load("behavior", **columns, **{"data.skip_bad_rows": skipped})
    splits, checked = load_splits(recipe, path), check(recipe, path)
    assert splits.labels == ("N", "Y") and checked.rows == 40 and not checked.skipped
    told = "survey.{}: two rows below the header are left out, from line 2 on, in which Qualtrics tells its questions"
    assert told.format(ending) in splits.notes and told.format(ending) in checked.notes
