"""Answers to any number of requests, in their order, while only so many rows are under way.

requests    read as they are needed, a window of rows at a time: 0 1 2 3 | 4 5 6 7 | ...
rows        of a window, sorted by length, so that those of one forward are alike: 2 0 3 1
answers     given in the order of the requests: 0 1 2 3

One window runs while the next is read, and none is read before the answers ahead of it were taken. The first ones are
small, so that answers come soon; they grow as long as they are answered in seconds, since rows of a larger window are
more alike (short texts, 10,000 of them: 2.4 % less of the processor than by windows of 1,024, in five rounds of both).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

from adapters.collector import coming_and_going, walk_at_times, without_frames
from adapters.errors import RepertoireError
from hub.registry.pending import Asked, Pending, Submit, labels_of, rows_of, submitted
from hub.registry.requests import Answer, Request, Result, Write

Ask = Callable[[Sequence[Request | RepertoireError]], list[Asked | RepertoireError]]
"""Reads requests into rows, each or its error."""

_FIRST = 256  # rows of the first window
_SOON, _GROWS = 5.0, 4  # seconds of one, below which the next may be larger, and how many times
_AHEAD = 1  # windows that are read and submitted while the oldest runs
_WRITTEN = 4  # rows that a draft counts as
_DRAWING = 32  # products whose refused texts are drawn again beside each other


def mapped(
    requests: Iterable[Request | RepertoireError], ask: Ask, submit: Submit, rows: int
) -> Iterator[Answer]:
    """An answer for each request, or the error in its place.

    What the iterable itself raises is raised when every request before it was answered. Where the answers are not taken
    to their end, what is under way is given up.

    Args:
        requests: any number of them; an error among them is its own answer.
        ask: reads those of a window.
        submit: hands rows on.
        rows: of a window at the most; a request of more has one to itself.
    """
    source = iter(requests)
    ended: Exception | None = None
    under_way: deque[list[_UnderWay | RepertoireError]] = deque()
    size, began, dearer = min(rows, _FIRST), monotonic(), 1
    again = ThreadPoolExecutor(_DRAWING, thread_name_prefix="drafts")
    try:
        while ended is None or under_way:
            if ended is None:
                walk_at_times()
                window, ended = _window(source, max(1, size // dearer))
                under_way.append(_submitted(window, ask, submit, again))
                dearer = _dearer(window, under_way[-1])
            if ended is not None or len(under_way) > _AHEAD:
                yield from _answers(under_way[0])
                under_way.popleft()
                size = min(rows, _GROWS * size) if monotonic() - began < _SOON else size
                began = monotonic()
    finally:
        again.shutdown(wait=False, cancel_futures=True)
        for each in (each for window in under_way for each in window):
            if isinstance(each, _UnderWay):
                each.pending.cancel()
    if not isinstance(ended, StopIteration):
        raise ended


def _answers(window: "Sequence[_UnderWay | RepertoireError]") -> Iterator[Answer]:
    """In order, each waited for. Labels of what has ended with it are made together."""
    at = 0
    while at < len(window):
        each = window[at]
        if isinstance(each, RepertoireError) or not each.pending.labels:
            yield each if isinstance(each, RepertoireError) else each.answer()
            at += 1
            continue
        each.pending.wait()
        together = [each.pending]
        for other in window[at + 1 :]:
            if isinstance(other, RepertoireError) or not (other.pending.labels and other.pending.done()):
                break
            together.append(other.pending)
        with coming_and_going():
            answers = labels_of(together)
        yield from answers
        at += len(together)


class _UnderWay:
    """A request whose rows run. Texts that break a rule are drawn again on a thread of their own, so that the next
    product need not wait for it."""

    def __init__(self, pending: Pending, again: ThreadPoolExecutor) -> None:
        self.pending = pending
        writes = isinstance(pending.request, Write)
        self._result: Future[Result] | None = again.submit(pending.result) if writes else None

    def answer(self) -> Answer:
        """Waited for."""
        try:
            return self.pending.result() if self._result is None else self._result.result()
        except RepertoireError as error:
            return without_frames(error)


def _window(
    source: Iterator[Request | RepertoireError], most: int
) -> tuple[list[Request | RepertoireError], Exception | None]:
    """The next requests, of so many rows, and what ended the source, if that ended: StopIteration, or what it
    raised."""
    window: list[Request | RepertoireError] = []
    rows = 0
    while rows < most:
        try:
            request = next(source)
        except StopIteration:
            return window, StopIteration()
        except Exception as error:
            return window, error
        window.append(request)
        rows += _rows(request)
    return window, None


def _dearer(window: Sequence[Any], under_way: "Sequence[_UnderWay | RepertoireError]") -> int:
    """How many times as many rows the texts of a window had as `_rows` counts: a recipe may ask for drafts."""
    written = [
        (request, each.pending.rows)
        for request, each in zip(window, under_way, strict=True)
        if isinstance(request, Write) and isinstance(each, _UnderWay)
    ]
    counted = sum(_rows(request) for request, _ in written)
    return max(1, _WRITTEN * sum(rows for _, rows in written) // counted) if counted else 1


def _rows(request: Any) -> int:
    """About how many rows a request has; it is not checked yet. A text that is written costs as much as several that
    are read, and their lengths matter less to each other."""
    if isinstance(request, Write):
        return _WRITTEN * request.drafts_asked
    texts = getattr(request, "ads", None) or getattr(request, "texts", None)
    return max(1, len(texts)) if isinstance(texts, Sequence) else 1


def _submitted(
    window: Sequence[Request | RepertoireError],
    ask: Ask,
    submit: Submit,
    again: ThreadPoolExecutor,
) -> "list[_UnderWay | RepertoireError]":
    """The requests of a window under way, their rows in the order of their lengths."""
    with coming_and_going():
        asked = [
            without_frames(each) if isinstance(each, RepertoireError) and each is not request else each
            for request, each in zip(window, ask(window), strict=True)
        ]
    rows = rows_of(asked)
    order = sorted(range(len(rows)), key=lambda at: rows[at].cost)
    tickets = dict(zip(order, submit([rows[at] for at in order]), strict=True))
    own = [tickets[at] for at in range(len(rows))]
    with coming_and_going():
        return [
            each if isinstance(each, RepertoireError) else _UnderWay(each, again)
            for each in submitted(window, asked, own, submit)
        ]
