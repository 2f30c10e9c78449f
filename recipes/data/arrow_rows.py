"""The rows of a table of Arrow, such as a Parquet file holds, as Python has them: of any type, used or not."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import Array, Scalar, Table

_TOGETHER = 1_000  # rows that are turned into Python's at once


class ArrowRows:
    """Rows as mappings from column to cell. What Python cannot hold, such as text that is no UTF-8 or a date of the
    year 294,000, is given as bytes or as Arrow has it: whoever reads it sees that it is no text."""

    def __init__(self, table: "Table") -> None:
        twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
        if twice:
            raise ValueError(f"two columns are called {', '.join(twice)}")
        self._table = table
        self.column_names: list[str] = table.column_names

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._table.to_batches(_TOGETHER):
            columns = [_cells(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                yield dict(zip(self.column_names, cells, strict=True))


def _cells(column: "Array") -> list[Any]:
    try:
        return list(column.to_pylist(maps_as_pydicts="lossy"))
    except Exception:  # whatever Python's types do not hold
        return [_cell(scalar) for scalar in column]


def _cell(scalar: "Scalar") -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except Exception:
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else scalar
