"""A file of several columns that reads as one: by another separator than those that are looked for, or in quotes that
hold each line together.

text^label            separated by a sign of its own
'"text,label"'          a line of CSV, put in quotes as one cell
"""

import re
import shlex
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.data.dialect import DELIMITERS
from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.data.tables import Table

_LOOKED_AT = 100  # rows
_SIGNS = re.compile(r"[^\w\s\"'.()/#%-]{1,4}")
_UNQUOTE = (
    "Each line stands in quotes as one cell; take them off: "
    r"""sed -E 's/^"(.*)"\r?$/\1/; s/""/"/g'"""
)


def cells_in_one(table: "Table") -> Problem | None:
    """What holds the columns of a text file together, and what parts them; None where it has several, or truly one."""
    if table.kind != "text" or len(table.columns) != 1:
        return None
    [name] = table.columns
    rows = [str(row.cells[name]) for row in islice(table.rows, _LOOKED_AT)]
    for sign in dict.fromkeys(_SIGNS.findall(name)):
        parts = [part.strip() for part in name.split(sign)]
        if len(parts) < 2 or not all(parts) or not all(sign in row for row in rows):
            continue
        message = f"the file has one column, `{name}`"
        path = Path(table.name)
        out = path.with_name(f"{path.stem}-plain{path.suffix}")
        where = f"{shlex.quote(str(path))} > {shlex.quote(str(out))}"
        if sign in DELIMITERS:
            fix = f"{_UNQUOTE} {where}"
        elif not sign.isprintable():
            fix = f"Put tabs between its cells: tr '\\{ord(sign[0]):03o}' '\\t' < {where}"
        else:
            option = shlex.quote(f"data.format.delimiter={sign}")
            fix = f"If {sign!r} separates its cells, say so: --set {option}"
        return Problem(table.name, message, fix, line=1)
    return None
