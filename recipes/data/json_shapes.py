"""JSON that holds rows, but not one after the other: told once, with the command that writes them so.

{"status": "ok", "items": [{...}, {...}]}                  a list inside an object, as interfaces answer
{"text": {"0": "nice", "1": "bad"}, "label": {...}}        columns, as pandas writes unless told otherwise
{                                                          objects over several lines, one after the other
  "text": "nice"
}
"""

import json
from pathlib import Path
from typing import Any

from recipes.data.file_bytes import Look, first_lines, opened
from recipes.data.formats import READ, chat_of
from recipes.errors import Problem

_MOST = 2**26  # characters that are looked at; of a longer object each line tells


def no_records(path: Path, look: Look) -> Problem | None:
    """What is wrong with a whole file that begins with an object; None where each line is one, as it should be."""
    first, *more = first_lines(path, look, 2)
    if not first.lstrip().startswith("{"):
        return None
    found = _whole(first)
    if found is not None:
        return _told(path, found) if not more else None
    with opened(path, look, newline="\n") as file:
        text = file.read(_MOST).lstrip()
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None  # broken: each line tells
    if "\n" not in text[:end].strip():
        return None
    if (told := _told(path, found)) is not None and not text[end:].strip():
        return told
    fix = f"Write one whole object per line: jq -c . {_named(path, '.json', '.jsonl')}"
    return Problem(str(path), "an object runs over several lines", fix, line=1)


def _whole(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _told(path: Path, found: Any) -> Problem | None:
    """What one object is that holds all rows."""
    if not isinstance(found, dict):
        return None
    if _is_by_column(found):
        fix = f"Write it by rows, in pandas: frame.to_json({path.stem + '.jsonl'!r}, orient='records', lines=True)"
        return Problem(str(path), "the file holds columns, and no rows", fix, line=1)
    if found.keys() & READ or _is_chat(found):
        return None  # a row itself, the only one
    lists = [name for name, value in found.items() if _is_rows(value)]
    if len(lists) != 1 or any(isinstance(value, str) for value in found.values()):
        return None
    fix = f"Write that list alone, a row a line: jq -c '.[{json.dumps(lists[0])}][]' "
    fix += _named(path, ".json", ".jsonl")
    return Problem(str(path), f"the file is one object, and its rows are the list `{lists[0]}`", fix, line=1)


def _is_chat(found: dict[str, Any]) -> bool:
    return chat_of({name: value for name, value in found.items() if isinstance(value, list)}) is not None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(row, dict) for row in value)


def _is_by_column(found: dict[str, Any]) -> bool:
    """Whether pandas wrote it by columns, by its index, or in parts."""
    values = list(found.values())
    if {"columns", "data"} <= found.keys() and isinstance(found["data"], list):
        return all(isinstance(row, list) for row in found["data"])
    mappings = [value for value in values if isinstance(value, dict) and len(value) > 1]
    numbered = [*map(str.isdigit, found)] if mappings else []
    by_index = bool(numbered) and len(found) > 1 and all(numbered)
    by_column = all(all(map(str.isdigit, value)) for value in mappings)
    same = len({tuple(value) for value in mappings}) == 1
    return len(mappings) == len(values) > 0 and same and (by_column or by_index)


def _named(path: Path, before: str, after: str) -> str:
    out = path.name.removesuffix(before) + ("-rows" if path.suffix == after else "") + after
    return f"'{path}' > '{path.parent / out}'"
