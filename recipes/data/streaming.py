"""A client's file as a table whose rows are read as they are needed: for files larger than memory, read as training
reads them (`tables.py`)."""

from pathlib import Path

from recipes.data.tables import Table, read_tables
from recipes.errors import DataError
from recipes.options.data import FormatOptions


def streamed(path: Path, written: FormatOptions | None = None) -> Table:
    """A file, none of whose rows are held.

    Args:
        path: of any kind that `train` takes; of a JSON array the text is held while it is read.
        written: how a text file is written, as far as that is known.

    Raises:
        DataError: with everything that is wrong with the file.
    """
    (table,) = read_tables(path, written=written)
    if table.problems:
        raise DataError(table.problems)
    return table
