"""Whether a hub can be reached: a disk that was taken away, or does not answer, is no empty hub."""

from collections.abc import Iterator
from contextlib import contextmanager

from hub.errors import Unreachable
from hub.storage.layout import ADAPTERS, MARKER
from hub.storage.storage import Storage


def check_there(storage: Storage) -> None:
    """Raise Unreachable where nothing says that a hub lies there: called before it is said of something that it is not
    in the hub."""
    if not storage.exists(MARKER):
        raise Unreachable(
            f"{storage.address} has no {MARKER} any more, or it may not be seen; bring its disk or its folder back"
        )


def check_readable(storage: Storage) -> None:
    """Raise Unreachable where the files of a hub cannot be read, as far as a look or two can tell."""
    check_there(storage)
    with reached(storage):
        storage.read(MARKER)
        storage.folders(ADAPTERS)


@contextmanager
def reached(storage: Storage) -> Iterator[None]:
    """What the system says of a hub's files is said as of a hub. Raises Unreachable."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unreachable(f"{storage.address} cannot be read ({why}); ask again in a moment") from error
