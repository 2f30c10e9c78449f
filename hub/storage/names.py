"""Names and references: what may stand in `client/campaign/task`, `name@alias` and `name@3`.

A name has three parts, and each of them becomes a folder, so that the grammar is that of folders (`layout.is_part`). No
name holds a `+`, so that `a+b` can mean two adapters that answer as one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.bounds import PART_CHARACTERS
from hub.errors import BadName
from hub.storage.layout import is_device, is_part

LATEST = "latest"
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Reference:
    """One adapter and which of its versions: a number, or an alias (`latest` where neither was given)."""

    name: str
    version: int | None = None
    alias: str = LATEST

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}@{self.version}"
        return self.name if self.alias == LATEST else f"{self.name}@{self.alias}"


def parse(text: str) -> Reference:
    """Read a reference.

    Args:
        text: `acme/spring/behavior`, `acme/spring/behavior@production` or `acme/spring/behavior@3`.

    Raises:
        BadName: for what the grammar does not allow, with what to write instead.
    """
    name, at, which = text.partition("@")
    check_name(name)
    if not at:
        return Reference(name)
    if _VERSION.fullmatch(which):
        return Reference(name, version=int(which))
    if which.isdigit():
        raise BadName(f"{which!r} is no version number; versions count from 1: {name}@1, {name}@2 ...")
    return Reference(name, alias=_check_part(which, "alias"))


def members(reference: str | Sequence[str]) -> tuple[str, ...]:
    """The references of an ensemble; of a single adapter its own.

    Args:
        reference: `"a@1 + a@2"` or `["a@1", "a@2"]`.

    Raises:
        BadName: for none at all.
    """
    found = tuple(map(str.strip, reference.split("+")) if isinstance(reference, str) else reference)
    if not found:
        raise BadName("no adapter is named; give client/campaign/task, or several such references")
    return found


def client_of(reference: str) -> str:
    """The first part of a name."""
    return reference.split("/", 1)[0]


def check_name(name: str) -> str:
    """The name itself, when it is one. Raises BadName."""
    parts = name.split("/")
    if len(parts) != 3:
        raise BadName(
            f"{name!r} is no adapter name; expected client/campaign/task, such as acme/spring/behavior"
        )
    for part, role in zip(parts, ("client", "campaign", "task"), strict=True):
        _check_part(part, role)
    return name


def check_alias(alias: str) -> str:
    """The alias itself, when it can be set: like a part of a name, no number, and not `latest`. Raises BadName."""
    if alias == LATEST:
        raise BadName(f"{LATEST!r} always means the newest version and cannot be set; choose another alias")
    if alias.isdigit():
        raise BadName(f"alias {alias!r} would read as a version number; choose one with a letter")
    return _check_part(alias, "alias")


def _check_part(text: str, role: str) -> str:
    if is_part(text):
        return text
    if is_device(text):
        raise BadName(f"{role} {text!r} is a device name on Windows; choose another")
    raise BadName(
        f"{role} {text[:80]!r} is not allowed; use 1 to {PART_CHARACTERS.most} lowercase ASCII letters, digits, '-', "
        "'_' and '.', beginning with a letter or a digit and not ending with '.'"
    )
