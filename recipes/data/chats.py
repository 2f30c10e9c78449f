"""Chats in JSON lines as ad copy: which turn describes the product, and which is its copy.

    {"messages": [{"role": "system", "content": "You write ads."},
                  {"role": "user", "content": "Trail shoes, light"},        the product
                  {"role": "assistant", "content": "Run where it is wet"}]}   its copy

ChatML has `messages` of `role` and `content`, ShareGPT `conversations` of `from` and `value`, in which `human` and
`gpt` are called user and assistant here. What stands beside the turns stays a column.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recipes.data.formats import CHATS
from recipes.data.records import Row
from recipes.errors import Problem

if TYPE_CHECKING:
    from recipes.options.data import FormatName

TURNS = {"product": "user", "copy": "assistant"}
_ALSO = {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
}


def as_copy(
    name: str,
    records: Callable[[], "Iterator[Row | Problem | str]"],
    kind: "FormatName",
    turns: Mapping[Any, str],
) -> "Callable[[], Iterator[Row | Problem | str]]":
    """Records of chats as rows of product and copy. turns: as `data.format.turns`."""
    wanted = {**TURNS, **turns}
    key, role, content = CHATS[kind]

    def read() -> "Iterator[Row | Problem | str]":
        for record in records():
            yield _row(name, record, key, role, content, wanted) if isinstance(record, Row) else record

    return read


def _row(
    name: str, row: Row, key: str, role: str, content: str, wanted: Mapping[str, str]
) -> "Row | Problem":
    turns = row.cells.get(key)
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) and role in turn for turn in turns):
        fix = f'Write {{"{key}": [{{"{role}": "user", "{content}": "..."}}, ...]}}, or leave data.format.name out'
        return Problem(name, f"the record holds no `{key}` with a `{role}` each", fix, line=row.line)
    said: dict[str, list[str]] = {}
    for turn in turns:
        called = str(turn[role]).lower()
        said.setdefault(_ALSO.get(called, called), []).append(_text(turn.get(content)))
    cells = {column: cell for column, cell in row.cells.items() if column != key}
    for column, turn in wanted.items():
        if column == "copy" and wanted == TURNS and said.keys() <= {"system", "user"}:
            continue  # a copy is still to be written
        found = _turn(said, turn)
        if isinstance(found, tuple):
            message, fix = found
            return Problem(name, message, f"{fix}: data.format.turns.{column}", line=row.line)
        cells[column] = found
    return Row(row.line, cells)


def _turn(said: Mapping[str, Sequence[str]], wanted: str) -> "str | tuple[str, str]":
    """The text of a turn; or why it is none, and what to do."""
    role, _, number = wanted.partition(" ")
    role = _ALSO.get(role.lower(), role.lower())
    texts = said.get(role, ())
    if not texts:
        return f"the chat has no turn of `{role}`, only of {', '.join(map(repr, said))}", "Name another role"
    if not number and len(texts) > 1:
        return (
            f"the chat has {len(texts)} turns of `{role}`, and which one is meant is not said",
            f'Say which: "{role} 1" is the first, "{role} -1" the last',
        )
    at = int(number or 1)
    if abs(at) > len(texts):
        return f"the chat has {len(texts)} turns of `{role}`, and none is number {at}", "Name another one"
    return texts[at - 1 if at > 0 else at]


def _text(content: Any) -> str:
    """A turn's text; of parts, as some tools write them, those that are texts."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
        return "\n".join(part for part in parts if isinstance(part, str)).strip()
    return content.strip() if isinstance(content, str) else ""
