"""Which files of a hub are read, and which folders listed, while something is done; counts never depend on time."""

from types import TracebackType

import pytest

from hub.storage.local import Local

_LISTING = ("files", "folders", "taken", "walk")


class Counted:
    """Paths that were read, and folders that were listed, since it was entered, or since `clear`."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.listed: list[str] = []
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> "Counted":
        self._wrap("read", self.read)
        for name in _LISTING:
            self._wrap(name, self.listed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._patch.undo()

    def _wrap(self, name: str, paths: list[str]) -> None:
        real = getattr(Local, name)

        def counted(storage: Local, path: str, *more: object) -> object:
            paths.append(path)
            return real(storage, path, *more)

        self._patch.setattr(Local, name, counted)
