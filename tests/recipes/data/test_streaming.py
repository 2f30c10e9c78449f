"""A file that is answered is read into the rows that training makes of it: the same cells, whatever their types."""

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from recipes.data import streamed
from recipes.data.tables import read_tables


def test_parquet_of_any_type_has_the_cells_of_training(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["glad ", "so late"]),
        "map": pa.array([[("a", 1)], [("b", 2), ("c", 3)]], pa.map_(pa.string(), pa.int64())),
        "maps": pa.array([[[("a", "x")]], []], pa.list_(pa.map_(pa.string(), pa.string()))),
        "binary": pa.array([b"plain", b"\xff"]),
        "far": pa.array([2**60, 0], pa.timestamp("us")),
        "nano": pa.array([1, 10**18 + 1], pa.timestamp("ns")),
        "decimal": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        "day": pa.array([datetime.date(2026, 3, 1), None]),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "badly": pa.Array.from_buffers(
            pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff!")]
        ),
    }
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns), path)
    (table,) = read_tables(path)
    assert not table.problems
    assert list(streamed(path).rows) == list(table.rows)
    assert streamed(path).columns == table.columns


def test_two_columns_of_one_name_are_a_fault_as_in_training(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    twice = pa.table([pa.array(["x"]), pa.array(["y"]), pa.array(["z"])], names=["text", "text", "label"])
    parquet.write_table(twice, path)
    (table,) = read_tables(path)
    found = streamed(path)
    assert found.faults_of(["label"]) == []
    assert [str(problem) for problem in found.faults_of(["text"])] == [*map(str, table.faults_of(["text"]))]
    assert "is the name of 2 columns" in str(found.faults_of(["text"])[0])
