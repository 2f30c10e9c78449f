"""What commands print: a document for programs, words and tables for people, and one way to fail.

Exit codes
    0    done
    1    doctor found a fault; or an error that Repertoire did not expect, with its traceback
    2    the command line, a name, a search, a recipe or a request is wrong
    3    there is no such adapter, hub or base
    4    the data, the adapter or the base cannot be used, for the reasons that are listed
    5    stored bytes are damaged, or the operating system refused (disk full, no permission)
    130  interrupted
"""

import json
import sys
import traceback
from typing import Any

from rich.console import Console, RenderableType

_WIDTH = 120  # where the output is no terminal


def document(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def show(*parts: RenderableType) -> None:
    """Words and tables on standard output."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    for part in parts:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))


def fail(error: Exception, as_json: bool) -> int:
    """Say what went wrong, on standard error or as a document; returns the exit code."""
    code, message = exit_code(error), told(error)
    if as_json:
        problems = [str(problem) for problem in getattr(error, "problems", ())]
        about: dict[str, Any] = {"type": type(error).__name__, "message": message, "exit_code": code}
        document({"error": about | ({"problems": problems} if problems else {})})
    else:
        print(f"repertoire: {message}", file=sys.stderr)
    if code == 1:
        traceback.print_exception(error)
    return code


def told(error: Exception) -> str:
    """The message of an error, without Python around it."""
    usage = getattr(error, "format_message", None)  # the command-line library's own errors
    if usage is not None:
        context = getattr(error, "ctx", None)
        return f"{usage()} ({context.command_path if context else 'repertoire'} --help shows how)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def exit_code(error: Exception) -> int:
    """Which of the codes above an error means."""
    if hasattr(error, "format_message"):
        return 2
    if isinstance(error, OSError):
        return 5
    from adapters.errors import BaseNotFound, RepertoireError, RequestError
    from hub.errors import BadName, BadSearch, Damaged, NoHub, NotInHub
    from recipes.errors import RecipeError

    kinds: tuple[tuple[type[Exception], int], ...] = (
        (BadName, 2),
        (BadSearch, 2),
        (RecipeError, 2),
        (RequestError, 2),
        (NoHub, 3),
        (NotInHub, 3),
        (BaseNotFound, 3),
        (Damaged, 5),
        (RepertoireError, 4),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), 1)
