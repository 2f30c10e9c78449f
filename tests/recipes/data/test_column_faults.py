"""What is wrong with a column alone, such as that another one has its name: it matters where the column is read."""

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from recipes.data import propose
from recipes.data.load import check, load_splits
from recipes.data.tables import Data, read_tables
from recipes.errors import DataError
from recipes.options import read_yaml
from recipes.recipe import Recipe
from tests.recipes.data.test_file_bytes import workbook

HEADER = ["text", "label", "id", "id"]
ROWS = [[f"order {n} is late", ("calm", "sad")[n % 2], f"a{n}", f"b{n}"] for n in range(40)]


def written(folder: Path, kind: str, header: list[str]) -> Data:
    path = folder / f"a.{kind}"
    if kind == "xlsx":
        path.write_bytes(workbook([header, *ROWS]))
    elif kind == "parquet":
        columns = [pa.array(column) for column in zip(*ROWS, strict=True)]
        parquet.write_table(pa.Table.from_arrays(columns, names=header), path)
    else:
        path.write_text("".join(",".join(row) + "\n" for row in [header, *ROWS]))
    return path


def faults(data: Data, **overrides: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        load_splits(Recipe.load("behavior", **overrides), data)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_two_columns_of_one_name_are_a_note_where_nothing_reads_them(tmp_path: Path, kind: str) -> None:
    plain = load_splits(Recipe.load("behavior"), written(tmp_path, kind, ["text", "label", "id", "key"]))
    splits = load_splits(Recipe.load("behavior"), path := written(tmp_path, kind, HEADER))
    assert splits.train == plain.train and splits.test == plain.test
    told = f"a.{kind}: `id` is the name of 2 columns; it is not read"
    assert told in splits.notes and told in check(Recipe.load("behavior"), path).notes
    assert not any("is the name of" in note for note in plain.notes)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize(
    "overrides",
    [
        {"data.columns.label": "id"},
        {"data.features": ["id"]},
        {"data.features": "all"},
        {"report.groups": ["id"]},
        {"data.columns.group": "id"},
    ],
    ids=str,
)
def test_two_columns_of_one_name_are_refused_where_one_is_read(
    tmp_path: Path, kind: str, overrides: dict[str, Any]
) -> None:
    [problem] = faults(written(tmp_path, kind, HEADER), **overrides)
    assert "`id` is the name of 2 columns. Give each of them its own name" in problem


def test_it_is_told_with_what_else_is_wrong(tmp_path: Path) -> None:
    odd, missing = sorted(faults(written(tmp_path, "csv", ["label", "label", "id", "id"])), key=len)
    assert odd.endswith(
        "a.csv, line 1: `label` is the name of 2 columns. Give each of them its own name, or remove all but one"
    )
    assert "no column `text`" in missing


def test_a_data_set_whose_names_differ_in_white_space_alone(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list(
        [{"text": row[0], "label": row[1], "id": row[2], " id": row[3]} for row in ROWS]
    )
    assert (
        "data set: `id` is the name of 2 columns; it is not read"
        in load_splits(Recipe.load("behavior"), rows).notes
    )
    [problem] = faults(rows, **{"data.features": ["id"]})
    assert "`id` is the name of 2 columns" in problem


def test_what_is_proposed_reads_none_of_them_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text,text,label,note\n" + "".join(f"a{n},b{n},{n % 2},it came too late {n}\n" for n in range(40))
    )
    proposal = propose(path)
    assert proposal.problems == ()
    assert Recipe.from_dict(read_yaml(proposal.text)).data.columns == {"text": "note", "label": "label"}
    assert "# a.csv: `text` is the name of 2 columns; it is not read" in proposal.text


def test_parquet_of_two_columns_of_one_name_gives_the_last_as_other_files_do(tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        [table] = read_tables(written(tmp_path, kind, HEADER))
        assert table.columns == ("text", "label", "id")
        assert [row.cells["id"] for row in table.rows] == [row[3] for row in ROWS]
