"""A request that was read into rows, and its answer on the way."""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from adapters.errors import RepertoireError
from adapters.serving import Ticket
from hub.registry.labelling import Labelling, Member
from hub.registry.requests import Request, Result
from hub.registry.writing import Drafting

Asked = Labelling | Drafting
"""A request as rows of the adapters that it names; it makes its answer of theirs."""


class Pending:
    """A request that was submitted: its answer on the way."""

    def __init__(self, request: Request, asked: Asked, tickets: Sequence[Ticket]) -> None:
        self.request = request
        self._asked = asked
        self._tickets = tickets

    def result(self, timeout: float | None = None) -> Result:
        """The answer, waited for at most `timeout` seconds. Raises the RepertoireError that stands in its place, and
        TimeoutError; the request goes on then."""
        ends = None if timeout is None else monotonic() + timeout
        found: list[Any] = []
        for ticket in self._tickets:
            try:
                found.append(ticket.result(None if ends is None else max(0.0, ends - monotonic())))
            except RepertoireError as error:
                found.append(error)
                break
        return self._asked.answer(found)

    @property
    def members(self) -> Mapping[str, Member]:
        """The adapters that answer, by their references."""
        return self._asked.members

    def done(self) -> bool:
        """Whether the first draft of the answer is there. Texts that break a rule are drawn again in `result`."""
        return all(ticket.done() for ticket in self._tickets)

    def cancel(self) -> None:
        """Give the request up: what of it is not answered yet ends with Cancelled."""
        for ticket in self._tickets:
            ticket.cancel()
