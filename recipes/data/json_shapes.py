"""JSON that holds rows, but not one after the other: told once, with the command that writes them so.

{"status": "ok", "items": [{...}, {...}]}                  a list inside an object, as interfaces answer
{"text": {"0": "nice", "1": "bad"}, "label": {...}}        columns, as pandas writes unless told otherwise
["nice", "good"]                                           lists or texts, a line each or in one array
{                                                          objects over several lines, one after the other
  "text": "nice"
}
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from recipes.data.file_bytes import Look, first_lines, opened
from recipes.data.formats import READ, chat_of
from recipes.data.packed import plain_name, through
from recipes.errors import Problem

_VALUE = re.compile(r"[\s,]*([^\s,\]])")  # where the next value of an array begins
_FIRST = 2**20  # characters that the first two records of an array stand in
_MOST = 2**26  # characters that are looked at; of a longer object each line tells


def is_json(path: Path, look: Look) -> bool:
    """Whether a file of any name begins with a JSON object, alone on its lines, or with an array of them."""
    if first_lines(path, look)[0].lstrip()[:1] not in ("{", "["):
        return False
    with opened(path, look, newline="\n") as file:
        text = file.read(_FIRST).lstrip()
    begin = text.startswith("[") and _VALUE.match(text, 1)
    try:
        found, end = json.JSONDecoder().raw_decode(text, begin.start(1) if begin else 0)
    except (ValueError, RecursionError):
        return False
    behind = text[end:].lstrip() if begin else text[end:].partition("\n")[0].strip()
    return isinstance(found, dict) and behind[:1] in ("", ",", "]" if begin else "")


def no_records(path: Path, look: Look) -> Problem | None:
    """What is wrong with a whole file; None where its records are objects, as they should be, or each line tells."""
    first, *more = first_lines(path, look, 2)
    if not first.lstrip().startswith("{"):
        return _no_objects(path, look, first, more)
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
    fix = f"Write one whole object per line: {_by_jq(path, '.')}"
    return Problem(str(path), "an object runs over several lines", fix, line=1)


def _no_objects(path: Path, look: Look, first: str, more: Sequence[str]) -> Problem | None:
    """What a file holds in the place of objects: lists or texts, one a line or in one array; None where the first two
    of them do not agree."""
    begin = {line.lstrip()[:1] for line in (first, *more)}
    if begin == {'"'} or (more and begin == {"["}):
        lines = [_whole(line) for line in (first, *more)]
        if None not in lines:
            return _not_named(path, "", "line", lines)
    if not first.lstrip().startswith("["):
        return None
    with opened(path, look, newline="\n") as file:
        text = file.read(_FIRST)
    some: list[Any] = []
    try:
        at = text.index("[") + 1
        while len(some) < 2 and (found := _VALUE.match(text, at)) is not None:
            value, at = json.JSONDecoder().raw_decode(text, found.start(1))
            some.append(value)
    except (ValueError, RecursionError):
        return None  # the array is broken, which is told when it is read
    alone = len(some) == 1 and text[at:].strip() != "]"
    return _not_named(path, ".[] | ", "record", some) if some and not alone else None


def _not_named(path: Path, each: str, called: str, some: Sequence[Any]) -> Problem | None:
    """Records that name no columns. each: how jq comes to one; called: what messages call it; some: the first ones."""
    lists = all(isinstance(value, list) for value in some)
    if (
        lists
        and called == "line"
        and all(value and all(isinstance(cell, dict) for cell in value) for value in some)
    ):
        fix = f"Write each object on a line of its own: {_by_jq(path, '.[]')}"
        return Problem(str(path), "each line is a list of objects", fix, line=1)
    if lists and not any(isinstance(cell, dict) for value in some for cell in value) and some[0]:
        names = ", ".join(f"column_{at + 1}: .[{at}]" for at in range(len(some[0])))
        wanted = f"{each}{{{names}}}"
        fix = f"Name the cells, such as text and label: {_by_jq(path, wanted)}"
        return Problem(str(path), f"each {called} is a list, and names no columns", fix, line=1)
    if all(isinstance(value, str) for value in some):
        wanted = f"{each}{{text: .}}"
        fix = f"Name what they are, such as text: {_by_jq(path, wanted)}"
        return Problem(str(path), f"each {called} is a text, and names no columns", fix, line=1)
    return None


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
    wanted = f".[{json.dumps(lists[0])}][]"
    fix = f"Write that list alone, a row a line: {_by_jq(path, wanted)}"
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


def _by_jq(path: Path, wanted: str) -> str:
    """The command that writes a file's rows as JSON lines. wanted: of jq."""
    plain = plain_name(path)
    again = "-rows" if plain.suffix == ".jsonl" else ""
    out = plain.name.removesuffix(".json").removesuffix(".jsonl") + f"{again}.jsonl"
    return through(path, f"jq -c {quote(wanted)}", path.with_name(out))
