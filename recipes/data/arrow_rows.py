"""The rows of a Parquet file, as Python has them: of any type, used or not."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import Array, RecordBatch, Scalar

_TOGETHER = 1_000  # rows that are held at once


class ArrowRows:
    """Rows as mappings from column to cell, read again whenever they are gone through. column_names: of the file, also
    one that stands twice.

    What Python cannot hold, such as text that is no UTF-8 or a date of the year 294,000, is given as bytes or as Arrow
    has it: whoever reads it sees that it is no text.
    """

    def __init__(self, source: Callable[[], Any]) -> None:
        """source: gives the file, as `pyarrow.parquet.ParquetFile` takes it. Goes through all of it once. Raises
        whatever a broken file makes the library raise."""
        from pyarrow import parquet  # a slow import, and only Parquet needs it

        self._open: Callable[[], Any] = lambda: parquet.ParquetFile(source())
        with self._open() as file:
            self.column_names: list[str] = [name.strip() for name in file.schema_arrow.names]
            # Of several columns of one name, the last, as in other files.
            self._read = {name: place for place, name in enumerate(self.column_names)}
            self._rows: int = sum(batch.num_rows for batch in file.iter_batches(_TOGETHER))

    def batches(self, rows: int) -> "Iterator[RecordBatch]":
        """The rows as Arrow has them, so many at a time; each name without the white space around it."""
        with self._open() as file:
            for batch in file.iter_batches(rows):
                yield batch.select([*self._read.values()]).rename_columns([*self._read])

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches(_TOGETHER):
            columns = [_cells(column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                yield dict(zip(self._read, cells, strict=True))


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
