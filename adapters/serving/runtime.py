"""Requests in, answers out: rows of any adapters and both kinds of task in one running batch on one base.

One thread runs the base, in turns, for as long as there is work. A turn is:

    end      requests that were cancelled or are over their deadline
    admit    waiting requests (`adapters.serving.admission`), and copy their adapters into slots
    read     their prompts, heads and texts in one forward: heads are answered, texts begin
    write    one token of every running text; those that are done leave

Any thread may submit, cancel, load, unload and pin meanwhile; what it changes counts from the next turn on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import Any

import torch

from adapters.base.base import Base
from adapters.base.cpu_threads import hand_back_threads
from adapters.collector import without_collector
from adapters.errors import AdapterError, Busy, Cancelled, InternalError, RepertoireError, RequestError
from adapters.serving.admission import Admission
from adapters.serving.counters import Counters
from adapters.serving.fair_queue import FairQueue
from adapters.serving.generate import Batch
from adapters.serving.grouping import by_length
from adapters.serving.limits import Limits
from adapters.serving.process import OwnProcess
from adapters.serving.request import Answer, Completion, Request, Ticket
from adapters.serving.residency import Fetched, Residency
from adapters.serving.resident import Resident
from adapters.serving.turn import Ended, Load, Turn
from adapters.serving.writing import Writing, begun
from adapters.slots.cache import positions_in
from adapters.slots.slots import Slots
from adapters.slots.stems import Stems

_log = logging.getLogger(__name__)
_NOT_FINITE = "its weights gave numbers that are not finite on this text; train it again"
_CACHE_SHARE = 0.3  # of the free memory goes to the KV cache, at the most


class Runtime:
    """Runs requests on one base.

    Args:
        base: that all requests share.
        fetch: gives the adapter of a key, from any thread; what it raises fails only the requests that named the key.
        limits: how much it takes on.

    Attributes:
        base, limits: the same.
        counters: what it has done so far.
    """

    def __init__(self, base: Base, fetch: Callable[[str], Fetched], limits: Limits | None = None) -> None:
        self.base = base
        self.limits = limits or Limits()
        self.counters = Counters()
        self._changed = Condition()
        self._slots = Slots(base, self.limits.slots, shared_rank=self.limits.shared_rank)
        self._residency = Residency(self._slots, fetch, self.limits, self.counters, self._changed)
        self._stems = Stems(self.limits.stem_bytes)
        self._batch = Batch(base, self._slots, self.limits.rows, self._positions(), self._stems)
        self._queue = Admission(
            base,
            self._residency,
            self._batch,
            FairQueue(self.limits.weights, self.limits.aging),
            self.counters,
        )
        self._writing: dict[Writing, Ticket] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repertoire")
        self._driving = False
        self._closed = False
        self._process = OwnProcess()

    def run(self, requests: Sequence[Request]) -> list[Answer | RepertoireError]:
        """Answer every request. Waits for room where a client has more requests than may wait.

        Args:
            requests: rows of any adapters.

        Returns:
            An answer for each, in order; where there is none, the error that says why.
        """
        tickets: list[Ticket] = []
        try:
            tickets = self.submit(requests, wait=True)
            return [ticket.answer() for ticket in tickets]
        except BaseException:
            for ticket in tickets:
                ticket.cancel()
            raise

    def submit(self, requests: Sequence[Request], wait: bool = False) -> list[Ticket]:
        """Put requests in the queue, all or none of them.

        Args:
            requests: rows of any adapters.
            wait: for room, where a client has more requests than may wait.

        Returns:
            A ticket for each, in order. One that can never be answered comes back failed.

        Raises:
            Busy: a client's queue has no room for them, and `wait` is not set.
            RequestError: this process was forked from the one that made the runtime.
        """
        self._process.check()
        hand_back_threads()
        with without_collector():
            tickets = [Ticket(request, self._cancel) for request in requests]
        with self._changed:
            for client in {request.client for request in requests} if not wait else ():
                own = sum(request.client == client for request in requests)
                waiting = self._queue.waiting.count(client)
                if waiting + own > self.limits.waiting:
                    self.counters.refused += own
                    raise Busy(
                        f"{waiting} requests of {client or 'this client'} wait already and {own} more come, at most "
                        f"{self.limits.waiting} may wait; wait for some of them, or raise Limits.waiting"
                    )
            for ticket in tickets:
                client = ticket.request.client
                while self._queue.waiting.count(client) >= self.limits.waiting and not self._closed:
                    self._changed.wait()
                self._push(ticket)
        return tickets

    def offer(self, key: str, fetched: Fetched) -> None:
        """Take an adapter that the caller has fetched into host memory.

        Args:
            key: by which requests name it.
            fetched: the adapter, with its tensors.

        Raises:
            WrongBase: it was made for another base.
            BadAdapter: it does not fit.
        """
        self._residency.offer(key, fetched)

    def holds(self, key: str) -> bool:
        """Whether an adapter is in host memory or in a slot, so that requests for it need no hub."""
        with self._changed:
            return self._residency.find(key) is not None

    def load(self, key: str, pin: bool = False) -> None:
        """Bring an adapter into a slot. Waits for it.

        Args:
            key: by which requests name it.
            pin: keep it there.

        Raises:
            AdapterError: every slot is pinned.
            RequestError: this process was forked from the one that made the runtime.
            RepertoireError: what fetching it raises.
        """
        self.bring(key, pin).result()

    def bring(self, key: str, pin: bool = False) -> Future[None]:
        """As `load`, without waiting: what it raises is the future's."""
        self._process.check()
        load = Load(key, pin)
        hand_back_threads()
        with self._changed:
            if self._closed:
                raise Cancelled("this runtime is closed")
            self._queue.loads.append(load)
            self._wake()
        return load.done

    def unpin(self, key: str) -> None:
        """Let a pinned adapter leave again when its slot is needed."""
        with self._changed:
            self._residency.unpin(key)

    def unload(self, key: str) -> None:
        """Let an adapter go from slot and host memory. Waits for its last running row."""
        self._stems.forget(key)
        with self._changed:
            self._residency.unload(key)
            while self._residency.clearing and not self._closed:
                self._wake()
                self._changed.wait()

    def residency(self) -> list[Resident]:
        """Where adapters are, the least recently used first."""
        with self._changed:
            return self._residency.report()

    def state(self) -> dict[str, Any]:
        """Counters, how many requests wait and are written now, and what first tokens spared (`Stems`); plain JSON."""
        with self._changed:
            now = {"waiting": len(self._queue.waiting), "writing": len(self._writing)}
            return {**now, **self.counters.summary(), "stems": self._stems.summary()}

    def close(self) -> None:
        """End every request with Cancelled, and leave the base as it was found. A forked child has nothing to end."""
        if not self._process.here:
            return
        with self._changed:
            self._closed = True
            for ticket in (*self._queue.waiting, *self._writing.values()):
                self._queue.cancel(ticket)
            loads, self._queue.loads = self._queue.loads, []
            self._changed.notify_all()
        for load in loads:
            load.done.set_exception(Cancelled("the runtime was closed"))
        self._thread.shutdown()
        self._residency.close()
        self._slots.close()

    def _positions(self) -> int:
        room = positions_in(_CACHE_SHARE, self.base.attention, self.base.device, self.base.dtype)
        return self.limits.positions or min(room, self.limits.rows * self.base.max_positions)

    def _push(self, ticket: Ticket) -> None:
        """Put a request in the queue; one that can never be answered fails."""
        try:
            if self._closed:
                raise Cancelled("this runtime is closed")
            self._queue.push(ticket)
            self._wake()
        except RequestError as error:
            self.counters.errors += 1
            ticket.set_exception(error)

    def _cancel(self, ticket: Ticket) -> None:
        with self._changed:
            self._queue.cancel(ticket)
            self._changed.notify_all()

    def _wake(self) -> None:
        """Let the thread run that takes turns, where it does not yet."""
        if not self._driving:
            self._driving = True
            self._thread.submit(self._drive)
        self._changed.notify_all()

    def _drive(self) -> None:
        with torch.inference_mode():
            while self._safe_turn():
                pass
        hand_back_threads()

    def _safe_turn(self) -> bool:
        """One turn. A mistake in it is logged, and ends the requests that took part in it and no others."""
        turn = Turn()
        try:
            return self._turn(turn)
        except Exception:
            _log.exception("a turn failed; the requests in it are told, and the next turn begins")
            return self._lose(turn)

    def _turn(self, turn: Turn) -> bool:
        """One turn; False when there is nothing left to do."""
        with self._changed:
            self._end(turn.ended)
            self._queue.admit(self.limits.read_tokens, turn)
            if turn.ended:  # what left the queue made room for who waits in `submit`
                self._changed.notify_all()
            if not (turn.any or self._writing or self._residency.clearing):
                if not self._queue.waiting and not self._queue.loads:
                    self._queue.rest()
                    self._driving = False
                    return False
                self._changed.wait(self._queue.time_left())
                return True
        for future, error in turn.ended:
            self._fail(future, error)
        failed = self._residency.copy_in()
        self._finish_loads(turn.loads, failed)
        for ticket in turn.admitted:
            if ticket.request.adapter in failed:
                ticket.slot = None
                self._fail(ticket, failed[ticket.request.adapter])
        for group in by_length([t for t in turn.admitted if not t.done()], self.base.reads_forward):
            self._read(group)
        if self._writing:
            self._write()
        return True

    def _end(self, ended: Ended) -> None:
        """Take out what was given up, waiting or running, and what waits for an adapter that cannot be had."""
        if self._closed:  # also those that were being read when it was closed
            for ticket in self._writing.values():
                self._queue.cancel(ticket)
        given_up = self._queue.given_up()
        self._queue.end(given_up, ended)
        for text, ticket in list(self._writing.items()) if given_up else ():
            if ticket in given_up:
                self._batch.drop(text)
                del self._writing[text]
                self._release(ticket)
                ended.append((ticket, given_up[ticket]))

    def _finish_loads(self, loads: Sequence[Load], failed: Mapping[str, RepertoireError]) -> None:
        for load in loads:
            if load.key in failed:
                load.done.set_exception(failed[load.key])
                continue
            with self._changed:
                if load.pin:
                    self._residency.pin(load.key)
                self._residency.release(load.key)
            load.done.set_result(None)

    def _read(self, group: Sequence[Ticket]) -> None:
        """Read a group's prompts. Should that fail, each is tried alone, so that one cannot fail the others."""
        heads = sorted((t for t in group if t.request.sampling is None), key=lambda t: t.slot or 0)
        texts = {begun(ticket): ticket for ticket in group if ticket.request.sampling is not None}
        try:
            with self.base.lock, self.counters.prefill.measured():
                rows, poolings = [(t.slot, t.request.ids) for t in heads], [t.request.pooling for t in heads]
                logits, done = self._batch.read(list(texts), rows, poolings)
        except Exception as error:
            if len(group) > 1:
                for ticket in group:
                    self._read([ticket])
                return
            self._fail(group[0], AdapterError(f"its forward failed: {error!r}"))
            return
        self._writing |= texts
        self._deliver(done)
        # One look at the numbers of all rows, and one word to whoever waits for room.
        sound = not heads or bool(torch.isfinite(torch.cat(logits)).all())
        with self._changed:
            for ticket in heads:
                self._release(ticket)
        for ticket, own in zip(heads, logits, strict=True):
            if sound or torch.isfinite(own).all():
                self._answer(ticket, own)
            else:
                self._fail(ticket, AdapterError(_NOT_FINITE))

    def _write(self) -> None:
        """One token of every running text."""
        try:
            with self.base.lock, self.counters.step.measured():
                done = self._batch.step()
        except Exception as error:  # such as no memory: all rows are lost, the runtime is not
            self._batch.clear()
            lost, self._writing = list(self._writing.values()), {}
            for ticket in lost:
                self._fail(ticket, AdapterError(f"the step that wrote it failed: {error!r}"))
            return
        self._deliver(done)

    def _deliver(self, done: Sequence[Writing]) -> None:
        for text in done:
            ticket = self._writing.pop(text)
            self._release(ticket)
            if text.finish in ("end", "stop", "length"):
                self.counters.tokens += len(text.written)
                told = Completion(tuple(text.written), text.text, text.finish, tuple(text.chances))
                self._answer(ticket, told)
            else:
                self._fail(ticket, AdapterError(_NOT_FINITE))

    def _release(self, ticket: Ticket) -> None:
        if ticket.slot is not None and ticket.request.adapter is not None:
            ticket.slot = None
            with self._changed:
                self._residency.release(ticket.request.adapter)

    def _answer(self, ticket: Ticket, answer: Answer) -> None:
        with self._changed:
            self.counters.answered += 1
        ticket.set_result(answer)

    def _fail(self, future: Future[Any], error: RepertoireError) -> None:
        if isinstance(future, Ticket):
            self._release(future)
        with self._changed:
            self.counters.count(error)
        future.set_exception(error)

    def _lose(self, turn: Turn) -> bool:
        """End what took part in a turn that failed; where nothing did, all that waits. False where nothing is left."""
        self._batch.clear()
        with self._changed:
            lost: list[Future[Any]] = [*turn.admitted, *self._writing.values()]
            lost += [load.done for load in turn.loads]
            self._writing = {}
            if not (lost or turn.ended):
                lost += self._queue.clear()
            if not (lost or turn.ended):
                self._driving = False
            self._changed.notify_all()
        mistake = InternalError("a mistake of Repertoire's own ended it; the log tells more")
        for future, error in (*turn.ended, *((each, mistake) for each in lost)):
            if not future.done():
                self._fail(future, error)
        return self._driving
