"""The process that a runtime belongs to: a fork copies neither its threads nor PyTorch's, and would wait for ever."""

import os

from adapters.errors import RequestError


class OwnProcess:
    """The process in which it was made."""

    def __init__(self) -> None:
        self._number = os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is still that process, and no fork of it."""
        return os.getpid() == self._number

    def check(self) -> None:
        """Raises RequestError in a fork."""
        if not self.here:
            raise RequestError(
                f"this runtime was made in process {self._number}, of which this one is a fork; load the base and "
                "make the registry in each process (gunicorn: without preload; multiprocessing: spawn)"
            )
