"""The header of a safetensors file, which says what follows: looked at, and held against the file's size, before any of
that is read.

    8 bytes      the header's length, little-endian
    header       JSON, `name: {dtype, shape, data_offsets}`, and `__metadata__` of texts
    tensors      without gaps, to the end of the file
"""

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from adapters.bounds import DIMENSIONS, HEADER_BYTES, TENSORS, WEIGHTS_BYTES
from adapters.errors import BadAdapter

FLOATS = {"F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2)}
"""A type of safetensors -> of torch, and its bytes."""


class Entry(NamedTuple):
    """A tensor of a file.

    Attributes:
        name: as it stands there.
        dtype: of torch.
        shape: its dimensions.
        numbers: how many it has.
        begin: its first byte, counted from the end of the header.
    """

    name: str
    dtype: str
    shape: list[int]
    numbers: int
    begin: int


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
        entries: its tensors, in the order of their bytes.
        metadata: texts by name.
        end: where the tensors begin, in bytes.
    """

    entries: list[Entry]
    metadata: dict[str, str]
    end: int


def read_header(first: Callable[[int], bytes | bytearray], size: int) -> Header:
    """The header of a safetensors file whose tensors, by their sizes, are all there is behind it.

    Args:
        first: gives so many bytes of the file's beginning, or all that it has.
        size: bytes of the whole file.

    Returns:
        The header. What is behind it was not asked for.

    Raises:
        BadAdapter: more than is taken (`adapters.bounds`).
        ValueError: it is wrong; or what else a wrong header leads to: KeyError, TypeError, AttributeError,
            RecursionError.
    """
    _bounded(WEIGHTS_BYTES.problem(size, "the file of weights"))
    start = first(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 0 < length <= size - 8:
        raise ValueError("the header is longer than the file")
    _bounded(HEADER_BYTES.problem(length, "the weights' header"))
    header = json.loads(bytes(first(8 + length)[8:]).decode(), object_pairs_hook=_once)
    metadata = header.pop("__metadata__", {})
    if not all(type(value) is str for value in metadata.values()):
        raise ValueError("the metadata holds other things than text")
    _bounded(TENSORS.problem(len(header), "the file of weights"))
    # A ValueError where JSON's escapes are no Unicode.
    "".join((*header, *metadata, *metadata.values())).encode()
    entries, at = [], 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        found, at = _entry(name, entry, at)
        entries.append(found)
    if at != size - 8 - length:
        raise ValueError(
            "there are bytes that belong to no tensor"
            if at < size - 8 - length
            else "its tensors are longer than the file"
        )
    return Header(entries, metadata, 8 + length)


def _entry(name: str, entry: Any, at: int) -> tuple[Entry, int]:
    """A tensor that begins at a byte, and where the next one does."""
    begin, end = entry["data_offsets"]
    kind, shape = FLOATS.get(entry["dtype"]), entry["shape"]
    if kind is None:
        raise ValueError(f"{name} is of type {entry['dtype']}; weights are floating-point numbers")
    _bounded(DIMENSIONS.problem(len(shape), name[:200]))
    if not all(type(number) is int and number >= 0 for number in (begin, end, *shape)):
        raise ValueError(f"{name} has an impossible shape or offset")
    if begin != at:
        raise ValueError(f"{name} is not where it should be")
    count = math.prod(shape)
    if end != begin + count * kind[1]:
        raise ValueError(f"{name} does not have the size of its shape")
    return Entry(name, kind[0], shape, count, begin), end


def _bounded(problem: str | None) -> None:
    if problem is not None:
        raise BadAdapter(problem)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which a name may stand once only: readers differ in which of two they believe."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the header says something twice")
    return found
