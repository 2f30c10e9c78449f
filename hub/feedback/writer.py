"""One thread that writes, so that no answer waits for a disk: a bounded queue, and a transaction for all that waits.

    put(impression)            returns at once, and is written with what comes within a moment, so that answers do not
                               meet a transaction each; where the queue is full it is dropped and counted
    put(outcomes, wait=True)   returns when the transaction that holds them is on the disk, or says why not

A transaction that fails as a whole (the database is locked, full, or gone for a minute) is tried again until it
succeeds, and the queue fills meanwhile: what was accepted is not lost while this process lives.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

from adapters.errors import RepertoireError
from hub.errors import FeedbackError

_MOST = 10_000  # items that wait
_BATCH = 1_000  # of a transaction
_PAUSES = (0.05, 5.0)  # seconds between two tries, the first and the longest
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Queued:
    item: Any
    done: "Future[Any]" = field(default_factory=Future)


class Writer:
    """A queue and its thread. Any thread may call it.

    Args:
        write: writes items in one transaction, and gives the result of each, or the error in its place. What it raises
            is tried again.
        most: items that may wait.
        patience: seconds that a caller, or `close`, waits for the disk.
        moment: seconds after the last transaction for which items that nobody waits for lie, so that more are written
            with them.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Any]], Sequence[Any]],
        most: int = _MOST,
        patience: float = 60.0,
        moment: float = 0.2,
    ) -> None:
        self._write, self._most, self._patience, self._moment = write, most, patience, moment
        self._changed = Condition()
        self._waiting: deque[_Queued] = deque()
        self._hurried = False  # somebody waits for what is in the queue
        self._writing = 0
        self._thread: Thread | None = None
        self._closed = False
        self.written, self.dropped, self.trouble = 0, 0, ""

    def put(self, item: Any, wait: bool = False) -> Any:
        """Queue an item.

        Args:
            item: for `write`.
            wait: until it is written.

        Returns:
            With `wait`, its result; without, whether there was room for it.

        Raises:
            FeedbackError: with `wait`: there is no room, or the disk does not answer in time. Whether the item will
                still be written is not known then.
            RepertoireError: with `wait`: the error in the place of its result.
        """
        queued = _Queued(item)
        with self._changed:
            if self._closed or len(self._waiting) >= self._most:
                self.dropped += 1
                if wait:
                    full = (
                        "is closed" if self._closed else f"has {self._most:,} events waiting ({self.trouble})"
                    )
                    raise FeedbackError(
                        f"the feedback log {full}; nothing of this one was taken, send it again"
                    )
                return False
            self._waiting.append(queued)
            self._hurried |= wait
            if self._thread is None:
                self._thread = Thread(target=self._run, name="feedback", daemon=True)
                self._thread.start()
            if len(self._waiting) == 1 or self._in_a_hurry():
                self._changed.notify_all()
        return self._result(queued) if wait else True

    def flush(self) -> None:
        """Wait until all that was put is written. Raises FeedbackError where that takes too long."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: not self._waiting and not self._writing, self._patience):
                raise FeedbackError(
                    f"the feedback log was not written in {self._patience:g} s: {self.trouble}"
                )

    def close(self) -> None:
        """Write what waits, and end. What the disk does not take in time is told in the log of the process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._patience)
        if lost := len(self._waiting) + self._writing:
            _log.error("%d events were not written to the feedback log: %s", lost, self.trouble)

    def waiting(self) -> int:
        """Items that are not on the disk yet."""
        return len(self._waiting) + self._writing

    def _result(self, queued: _Queued) -> Any:
        try:
            return queued.done.result(self._patience)
        except TooLate:
            raise FeedbackError(
                f"the feedback log does not answer ({self.trouble or 'it is busy'}); the event waits and may still be "
                "written: send it again, which changes nothing where it was"
            ) from None

    def _run(self) -> None:
        while batch := self._next():
            found = self._written(batch)
            with self._changed:
                self._writing = 0
                self.written += sum(not isinstance(each, Exception) for each in found)
                self._changed.notify_all()
            for queued, result in zip(batch, found, strict=True):
                if isinstance(result, Exception):
                    queued.done.set_exception(result)
                else:
                    queued.done.set_result(result)

    def _next(self) -> list[_Queued]:
        """What is written next; nothing when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._changed.wait_for(self._in_a_hurry, self._moment)
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            self._hurried &= bool(self._waiting)
            self._writing = len(batch)
            return batch

    def _in_a_hurry(self) -> bool:
        """Whether what waits is written at once."""
        return self._hurried or self._closed or len(self._waiting) >= min(_BATCH, self._most)

    def _written(self, batch: Sequence[_Queued]) -> Sequence[Any]:
        """The results of a batch, after as many tries as it takes. An item that cannot be written is its own error."""
        pause = _PAUSES[0]
        while True:
            try:
                found = self._write([queued.item for queued in batch])
                self.trouble = ""
                return found
            except FeedbackError as error:
                if str(error) != self.trouble:
                    _log.warning("%s; it is tried again", error)
                self.trouble = str(error)
            except Exception as error:
                if len(batch) == 1:
                    _log.exception("an event could not be written")
                    return [error if isinstance(error, RepertoireError) else FeedbackError(str(error))]
                return [self._written([queued])[0] for queued in batch]
            with self._changed:
                self._changed.wait_for(lambda: False, pause)
            pause = min(2 * pause, _PAUSES[1])
