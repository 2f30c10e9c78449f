"""A file of several columns that reads as one is one problem, and what its fix says, followed, makes rows of it."""

import shlex
import subprocess
from pathlib import Path

import pytest

from recipes.data import check
from recipes.errors import DataError
from recipes.recipe import Recipe


def problem_of(path: Path, content: str) -> str:
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        check(Recipe.load("behavior"), path)
    [problem] = caught.value.problems
    assert problem.message.startswith("the file has one column")
    return problem.fix


@pytest.mark.parametrize("sign", ["^", ":", "~", "=>", "¦"])
def test_a_separator_of_its_own_is_found_and_read_where_it_is_said(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "in.csv"
    rows = "".join(f"order {n} is late{sign}{'ab'[n % 2]}\n" for n in range(20))
    option = shlex.split(problem_of(path, f"text{sign}label\n{rows}"))[-1]
    key, _, value = option.partition("=")
    assert check(Recipe.load("behavior", **{key: value}), path).rows == 20


def test_a_sign_that_nobody_sees_is_replaced_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    rows = "".join(f"order {n} is late\x01{'ab'[n % 2]}\n" for n in range(20))
    subprocess.run(
        problem_of(path, f"text\x01label\n{rows}").partition(": ")[2], shell=True, check=True, cwd=tmp_path
    )
    assert check(Recipe.load("behavior"), tmp_path / "in-plain.csv").rows == 20


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_in_quotes_are_taken_out_of_them_by_the_command(tmp_path: Path, end: str) -> None:
    path = tmp_path / "it's in.csv"
    rows = "".join(f'"""order {n}, late"",{"ab"[n % 2]}"{end}' for n in range(20))
    fix = problem_of(path, f'"text,""label"""{end}{rows}')
    subprocess.run(fix.partition(": ")[2], shell=True, check=True, cwd=tmp_path)
    assert check(Recipe.load("behavior"), tmp_path / "it's in-plain.csv").rows == 20


def test_one_column_of_texts_misses_another(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text:en\n" + "".join(f"order {n} is late\n" for n in range(20)))
    with pytest.raises(DataError, match="no column `label`"):
        check(Recipe.load("behavior"), path)
