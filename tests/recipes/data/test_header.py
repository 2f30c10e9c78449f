"""Files whose first line is a row, also one of texts alone: told as such, never taken for the names of columns."""

from pathlib import Path

import pytest

from recipes.data import check, propose
from recipes.data.header import is_row_above
from recipes.data.tables import read_tables
from recipes.errors import DataError
from recipes.options import FormatOptions
from recipes.recipe import Recipe

HEADLESS = {
    "labels.csv": "".join(
        f'"bought green mat {n}, blue tent",{"buy" if n % 3 else "skip"}\n' for n in range(40)
    ),
    "texts.tsv": "".join(
        f"A light trail shoe, model {n}\tRun where it is wet, {n} times\n" for n in range(40)
    ),
    "chinese.csv": "".join(f"买了{n}双鞋，又退了,{'满意' if n % 3 else '生气'}\n" for n in range(40)),
}


@pytest.mark.parametrize("name", HEADLESS)
def test_a_first_line_of_texts_is_a_row_where_it_is_like_those_below(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(HEADLESS[name])
    assert "there is no header" in propose(path).text
    task, columns = (
        ("ad-copy", ["product", "copy"]) if name == "texts.tsv" else ("behavior", ["text", "label"])
    )
    with pytest.raises(DataError, match="--columns c1,c2") as caught:
        check(Recipe.load(task), path)
    assert len(caught.value.problems) == 1
    # What the fix says, followed.
    assert check(Recipe.load(task, **{"data.format.columns": columns}), path).rows == 40


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["text", "label"], [["so late", "mad"], ["text", "label"], ["well done", "glad"]]),  # joined files
        (["Price", "Looks"], [["Price", ""], ["", "Looks"], ["Price", "Looks"]]),  # several could be ticked
        (
            ["What would you change about it?", "age"],
            [["the very long way to it", "30"], ["not a thing", "41"]],
        ),
        (
            ["How well did it go for you", "score"],
            [["it was as good as any", "7"], ["bad in most ways", "2"]],
        ),
        (["message", "intent"], [["where is my order now", "order"], ["I want my money back", "refund"]]),
    ],
)
def test_a_header_stays_one(columns: list[str], rows: list[list[str]]) -> None:
    assert not is_row_above(columns, [dict(zip(columns, row, strict=True)) for row in rows])


@pytest.mark.parametrize(
    ("lines", "advised"),
    [
        (["Ad,,Performance,,", "text,label,x,y,z", *[f"t {n},{'ab'[n % 2]},1,2,3" for n in range(20)]], 2),
        (["Survey of 2026", "text,label", *[f"t {n},{'ab'[n % 2]}" for n in range(20)]], 2),
        ([",Who,,When,", "text,label,x,y,z", *[f"t {n},{'ab'[n % 2]},1,2,3" for n in range(20)]], 2),
    ],
)
def test_a_header_in_a_line_below_is_advised_and_read(tmp_path: Path, lines: list[str], advised: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    [table] = read_tables(path)
    assert {problem.fix.partition("data.format.header=")[2][0] for problem in table.problems} == {"2"}
    [table] = read_tables(path, written=FormatOptions(header=advised))
    assert table.problems == () and table.columns[:2] == ("text", "label")


def test_remarks_above_a_header_are_passed_over_and_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("# made by jo\n# in spring\ntext,label\n" + "so,glad\nno,calm\n" * 9)
    [table] = read_tables(path)
    assert table.columns == ("text", "label") and len(table.rows) == 18
    assert "the header stands in line 3" in table.notes[0]


def test_a_line_behind_the_table_is_to_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "so,glad\nno,calm\n" * 9 + '\n"©2026 Example Corporation"\n')
    [problem] = next(iter(read_tables(path))).problems
    assert problem.line == 21 and problem.fix.startswith("Remove the line")
