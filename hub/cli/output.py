"""What commands print: a document for programs, words and tables for people."""

import json
import logging
import sys
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from adapters.unseen import escaped, visible

# Characters, where the output is no terminal.
_WIDTH = 120


def document(value: Any) -> None:
    """One JSON document on standard output."""
    print(escaped(json.dumps(value, ensure_ascii=False, indent=2, default=str)))


def show(*parts: RenderableType) -> None:
    """Words and tables on standard output; words are not wrapped."""
    console = _Visible(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    for part in parts:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))


def say(text: str, error: bool = False, end: str = "\n") -> None:
    """Words as they are, on standard output or standard error, with nothing in them that acts on a terminal."""
    typer.echo(visible(text) + end, nl=False, err=error)


class _Visible(Console):
    """Whatever text it is given, in tables and their titles too, is made visible before it is laid out."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


class _VisibleLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def show_warnings_visibly() -> None:
    """What is logged and nobody handles, which Python writes to standard error, is made visible too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_VisibleLine())


def help_alone(context: typer.Context) -> None:
    """The help of a group, where nothing stands behind its name."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def minute(when: str) -> str:
    """`2026-03-01T09:30:12.5+00:00` -> `2026-03-01 09:30`."""
    return when[:16].replace("T", " ")


def in_bytes(count: int) -> str:
    """`1234567` -> `1.2 MB`."""
    if count < 1000:
        return f"{count} bytes"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B"
