"""A process that is gone at its n-th call into the operating system."""

import os
from collections.abc import Sequence
from typing import Any

import pytest

CALLS = ("open", "fsync", "link", "unlink", "rename", "replace", "mkdir", "close", "listdir", "utime")


class Killed(BaseException):
    """The process is gone: no handler may catch this, and no call works after it."""


class Mortal:
    """Counts the calls into the operating system and dies instead of the n-th (which is: just after the one before)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, names: Sequence[str] = CALLS) -> None:
        self.calls, self.at = 0, at
        for name in names:
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls >= self.at:
                raise Killed
            return real(*args, **options)

        return call
