"""A request that was read into rows, and its answer on the way."""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from adapters.base import hand_back_threads
from adapters.errors import RepertoireError
from adapters.serving import Request as Row
from adapters.serving import Ticket
from hub.registry.embedding import Embedded
from hub.registry.labelling import Labelling, Member, label
from hub.registry.requests import Answer, Request, Result, Texts
from hub.registry.writing import Drafting, next_step

Asked = Labelling | Drafting | Embedded
"""A request as rows of the adapters that it names; it makes its answer of theirs."""


Submit = Callable[[Sequence[Row]], list[Ticket]]
"""Puts rows in the queue, and waits where that is full."""


_Found = TypeVar("_Found")
_FEW = 8  # rows


class Pending:
    """A request that was submitted: its answer on the way.

    `await` it in a loop of asyncio, which goes on meanwhile: nothing there waits on a thread, and a task that is
    cancelled gives its request up. Raises as `result`.
    """

    def __init__(self, request: Request, asked: Asked, tickets: Sequence[Ticket], submit: Submit) -> None:
        self.request = request
        self._asked = asked
        self._tickets = tickets
        self._submit = submit

    @property
    def digests(self) -> tuple[str, ...]:
        """The content that answers, as `Version.digest`: of an ensemble several."""
        return tuple(dict.fromkeys(ticket.request.adapter or "" for ticket in self._tickets))

    @property
    def read(self) -> int:
        """Tokens that its rows read."""
        return sum(len(ticket.request.ids) for ticket in self._tickets)

    def result(self, timeout: float | None = None) -> Result:
        """The answer, waited for at most `timeout` seconds. Raises the RepertoireError that stands in its place, and
        TimeoutError; the request goes on then."""
        return self._asked.answer(self._results(timeout))

    @property
    def rows(self) -> int:
        """How many rows it has under way."""
        return len(self._tickets)

    @property
    def labels(self) -> bool:
        """Whether it asks for labels."""
        return isinstance(self._asked, Labelling)

    def wait(self) -> None:
        """Until its rows have ended."""
        hand_back_threads()  # that labels of many rows were made with, while these are computed
        for ticket in self._tickets:
            ticket.exception()

    def _results(self, timeout: float | None = None) -> list[Any]:
        """What came of its rows, up to the first error."""
        ends = None if timeout is None else monotonic() + timeout
        found: list[Any] = []
        for ticket in self._tickets:
            found.append(ticket.answer(None if ends is None else max(0.0, ends - monotonic())))
            if isinstance(found[-1], RepertoireError):
                break
        return found

    def __await__(self) -> Generator[Any, None, Result]:
        return self._answer().__await__()

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

    async def _answer(self) -> Result:
        """What may take more than a moment, many rows and rules for texts, is done on a thread of the loop's."""
        try:
            found = await _ended(self._tickets)
            away = _at_once if len(found) <= _FEW and self._is_quick else asyncio.to_thread
            if not isinstance(self._asked, Drafting):
                return await away(self._asked.answer, found)
            drawing = self._asked.drawing(found)
            step = await away(next_step, drawing, None)
            while not isinstance(step, Texts):
                self._tickets = await asyncio.to_thread(self._submit, step)
                step = await away(next_step, drawing, await _ended(self._tickets))
            return step
        except asyncio.CancelledError:
            self.cancel()
            raise

    @property
    def _is_quick(self) -> bool:
        return not isinstance(self._asked, Drafting) or self._asked.is_quick


async def _at_once(call: Callable[..., _Found], *given: Any) -> _Found:
    """What a thread would take longer to begin with than to do."""
    return call(*given)


def labels_of(pending: Sequence[Pending]) -> list[Answer]:
    """The answers of requests for labels, each or its error, made together; waited for."""
    asked = [each._asked for each in pending if isinstance(each._asked, Labelling)]
    return [*label(asked, [each._results() for each in pending])]


def answered(asked: Sequence[Asked | RepertoireError], results: Sequence[Any]) -> list[Answer]:
    """The answers of requests that were read, each or its error. results: of `rows_of(asked)`."""
    rest = iter(results)
    own = [[] if isinstance(each, RepertoireError) else [next(rest) for _ in each.rows] for each in asked]
    labelled = [(each, found) for each, found in zip(asked, own, strict=True) if isinstance(each, Labelling)]
    labels = iter(label([each for each, _ in labelled], [found for _, found in labelled]))
    answers: list[Answer] = []
    for each, found in zip(asked, own, strict=True):
        try:
            if isinstance(each, RepertoireError):
                answers.append(each)
            else:
                answers.append(next(labels) if isinstance(each, Labelling) else each.answer(found))
        except RepertoireError as error:
            answers.append(error)
    return answers


def rows_of(asked: Sequence[Asked | RepertoireError]) -> list[Row]:
    """The rows of all requests that were read, in their order."""
    return [row for each in asked if not isinstance(each, RepertoireError) for row in each.rows]


def submitted(
    requests: Sequence[Request | RepertoireError],
    asked: Sequence[Asked | RepertoireError],
    tickets: Sequence[Ticket],
    submit: Submit,
) -> list[Pending | RepertoireError]:
    """Requests that were submitted, each or its error. tickets: of `rows_of(asked)`."""
    own = iter(tickets)
    found: list[Pending | RepertoireError] = []
    for request, each in zip(requests, asked, strict=True):
        if isinstance(each, RepertoireError):
            found.append(each)
        else:
            assert not isinstance(request, RepertoireError), "an error is its own answer"
            found.append(Pending(request, each, [next(own) for _ in each.rows], submit))
    return found


async def _ended(tickets: Sequence[Ticket]) -> list[Any]:
    """The answers and errors of rows, when all have ended: one word to the loop, however many rows there are."""
    loop = asyncio.get_running_loop()
    all_ended: asyncio.Future[None] = loop.create_future()
    left = list(tickets)

    def told() -> None:
        if not all_ended.done():
            all_ended.set_result(None)

    def one_ended(_: object) -> None:
        left.pop()
        if not left:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(told)

    for ticket in tickets:
        ticket.add_done_callback(one_ended)
    await all_ended
    return [ticket.answer() for ticket in tickets]
