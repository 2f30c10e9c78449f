"""Files whose first line is a row, also one of texts alone: told as such, never taken for the names of columns."""

from pathlib import Path

import pytest

from recipes.data import check, propose
from recipes.data.header import is_row_above
from recipes.errors import DataError
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
