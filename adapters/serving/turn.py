"""What takes part in one turn of a runtime."""

from concurrent.futures import Future
from dataclasses import dataclass, field

from adapters.errors import RepertoireError
from adapters.serving.request import Ticket

Ended = list[tuple[Future, RepertoireError]]  # type: ignore[type-arg]
"""Futures that end with an error, to be told so without the lock."""


@dataclass(eq=False)
class Load:
    """An adapter that is to be brought into a slot, without a request for it."""

    key: str
    pin: bool
    done: Future[None] = field(default_factory=Future)


@dataclass
class Turn:
    """What takes part in a turn, beside the texts that are written already."""

    admitted: list[Ticket] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    ended: Ended = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether anything does."""
        return bool(self.admitted or self.loads or self.ended)
