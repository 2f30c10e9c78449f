"""Whatever a library raises at the edge of a file, as a problem of this file: no traceback, and no end of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.errors import RepertoireError
from recipes.errors import Problem


@contextmanager
def at_the_edge(name: str, problems: list[Problem]) -> Iterator[None]:
    """Read a file.

    Args:
        name: of the file.
        problems: get one more, where something was raised that nobody here knows.
    """
    try:
        yield
    except (RepertoireError, MemoryError):
        raise
    except Exception as error:
        told = (str(error) or "no more is said").splitlines()[0]
        fix = "Export the file again, or save it as CSV or JSON lines; where other programs read it, report this"
        problems.append(Problem(name, f"it cannot be read ({type(error).__name__}: {told})", fix))
