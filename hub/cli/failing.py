"""One way to fail: a message on standard error, or a document with `--json`, and an exit code."""

import traceback
from typing import Any

from adapters.errors import without_credentials
from hub.cli.output import document, say
from hub.cli.stopping import Stopped

EXIT_CODES = {
    0: "done",
    1: "doctor found a fault; or an error that Repertoire did not expect, with its traceback",
    2: "the command line, a name, a search, a recipe, a request, a key or a trust file is wrong",
    3: "there is no such adapter, hub or base",
    4: "the data, the adapter or the base cannot be used, two hubs disagree, or nobody trusted signed it, for the "
    "reasons that are listed",
    5: "stored bytes are damaged, also where `verify` found it; or the operating system or a remote store refused "
    "(disk full, no permission, network)",
    6: "an alias moved meanwhile: somebody was faster, and nothing was changed",
    130: "interrupted by Ctrl-C (SIGINT); a training says what is kept and how to go on",
    143: "ended by SIGTERM; a training says what is kept and how to go on",
}


def fail(error: Exception, as_json: bool) -> int:
    """Say what went wrong, on standard error or as a document.

    Args:
        error: what a command raised.
        as_json: as a document, on standard output.

    Returns:
        The exit code, one of EXIT_CODES.
    """
    code, message = exit_code(error), without_credentials(told(error))
    if as_json:
        problems = [without_credentials(str(problem)) for problem in getattr(error, "problems", ())]
        about: dict[str, Any] = {"type": type(error).__name__, "message": message, "exit_code": code}
        document({"error": about | ({"problems": problems} if problems else {})})
    else:
        say(f"repertoire: {message}", error=True)
    if code == 1:
        say("".join(traceback.format_exception(error)), error=True, end="")
    return code


def told(error: Exception) -> str:
    """The message of an error, without Python around it."""
    # The command-line library's own errors have one.
    usage = getattr(error, "format_message", None)
    if usage is not None:
        context = getattr(error, "ctx", None)
        return f"{usage()} ({context.command_path if context else 'repertoire'} --help shows how)"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def exit_code(error: Exception) -> int:
    """Which of EXIT_CODES an error means."""
    if hasattr(error, "format_message"):
        return 2
    if isinstance(error, Stopped):
        return error.exit_code
    if isinstance(error, OSError):
        return 5
    from adapters.errors import BaseNotFound, RepertoireError, RequestError
    from hub.errors import BadKey, BadName, BadSearch, BadTrust, Damaged, Moved, NoHub, NotInHub, Unreachable
    from recipes.errors import RecipeError

    kinds: tuple[tuple[type[Exception], int], ...] = (
        (BadName, 2),
        (BadSearch, 2),
        (BadKey, 2),
        (BadTrust, 2),
        (RecipeError, 2),
        (RequestError, 2),
        (NoHub, 3),
        (NotInHub, 3),
        (BaseNotFound, 3),
        (Damaged, 5),
        (Unreachable, 5),
        (Moved, 6),
        (RepertoireError, 4),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), 1)
