"""A client's file as a table whose rows are read as they are needed, Parquet too: for files larger than memory.

Text is read as for training (`tables.py`): it is gone through once for its columns and for what is wrong with it, and
again for its rows.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from recipes.data.file_bytes import look_at
from recipes.data.records import Row, plain_cell
from recipes.data.tables import Rows, Table, read_tables
from recipes.errors import DataError, Problem
from recipes.options.data import FormatOptions

_BATCH = 1024  # rows of a Parquet file that are held at a time


def streamed(path: Path, written: FormatOptions | None = None) -> Table:
    """A file, none of whose rows are held.

    Args:
        path: CSV, TSV, JSONL or Parquet; of a JSON array the text is held while it is read.
        written: how a text file is written, as far as that is known.

    Raises:
        DataError: with everything that is wrong with the file.
    """
    known = path.is_file() and path.suffix.lower() == ".parquet"
    table = _parquet(path) if known else next(iter(read_tables(path, written=written)))
    if table.problems:
        raise DataError(table.problems)
    return table


def _parquet(path: Path) -> Table:
    from pyarrow import ArrowException, parquet

    def rows() -> Iterator[Row | Problem]:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield Row(number, {key.strip(): plain_cell(cell) for key, cell in record.items()})

    try:
        look = look_at(path, hashlib.sha256())
        with parquet.ParquetFile(path) as file:
            columns, count = file.schema_arrow.names, file.metadata.num_rows
    except (ArrowException, OSError) as error:
        told = str(error).splitlines()[0]
        raise DataError([Problem(str(path), f"no valid Parquet ({told})", "Export the file again")]) from None
    problems = () if count else (Problem(str(path), "there is no row", "Export it again, with rows"),)
    return Table(
        str(path), tuple(map(str.strip, columns)), Rows(rows, count), look.sha256, look.state[0], problems
    )
