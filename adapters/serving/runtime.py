"""Requests in, answers out: rows of any adapters and both kinds of task in one running batch on one base.

One thread runs the base, in turns, for as long as there is work. A turn is:

    end      requests that were cancelled or are over their deadline
    admit    waiting requests (`adapters.serving.admission`), and copy their adapters into slots
    read     their prompts, heads and texts in one forward: heads are answered, texts begin
    write    one token of every running text; those that are done leave

Any thread may submit, cancel, load, unload and pin meanwhile; what it changes counts from the next turn on.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import Any

import torch
from torch import Tensor

from adapters.base.base import Base
from adapters.base.cpu_threads import hand_back_threads
from adapters.errors import AdapterError, Busy, Cancelled, RepertoireError, RequestError
from adapters.serving.admission import Admission, Ended, Load
from adapters.serving.counters import Counters
from adapters.serving.fair_queue import FairQueue
from adapters.serving.generate import Batch, Writing, head_logits
from adapters.serving.grouping import by_length
from adapters.serving.limits import Limits
from adapters.serving.request import Answer, Completion, Request, Ticket
from adapters.serving.residency import Fetched, Residency, Resident
from adapters.slots.cache import positions_in
from adapters.slots.forward_pass import forward, pad
from adapters.slots.rows import RowSlots
from adapters.slots.slots import Slots

_CACHE_SHARE = 0.3  # of the free memory goes to the KV cache, at the most


class Runtime:
    """Runs requests on one base.

    Args:
        base: that all requests share.
        fetch: gives the adapter of a key, from any thread; what it raises fails only the requests that named the key.
        limits: how much it takes on.

    Attributes:
        base: the same.
        limits: the same.
        counters: what it has done so far.
    """

    def __init__(self, base: Base, fetch: Callable[[str], Fetched], limits: Limits | None = None) -> None:
        self.base = base
        self.limits = limits or Limits()
        self.counters = Counters()
        self._changed = Condition()
        self._slots = Slots(base, self.limits.slots)
        self._residency = Residency(self._slots, fetch, self.limits.host_bytes, self.counters, self._changed)
        self._batch = Batch(base, self._slots, self.limits.rows, self.limits.positions or self._positions())
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
        """
        hand_back_threads()
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
            tickets = []
            for request in requests:
                while self._queue.waiting.count(request.client) >= self.limits.waiting and not self._closed:
                    self._changed.wait()
                tickets.append(self._push(request))
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
            RepertoireError: what fetching it raises.
        """
        self.bring(key, pin).result()

    def bring(self, key: str, pin: bool = False) -> Future[None]:
        """As `load`, without waiting: what it raises is the future's."""
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
        with self._changed:
            self._residency.unload(key)

    def residency(self) -> list[Resident]:
        """Where adapters are, the least recently used first."""
        with self._changed:
            return self._residency.report()

    def state(self) -> dict[str, Any]:
        """Counters (see `Counters`), and how many requests wait and are written now, as plain JSON."""
        with self._changed:
            now = {"waiting": len(self._queue.waiting), "writing": len(self._writing)}
            return {**now, **self.counters.summary()}

    def close(self) -> None:
        """End every request with Cancelled, and leave the base as it was found."""
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
        base = self.base
        room = positions_in(_CACHE_SHARE, base.attention, base.device, base.dtype)
        return min(room, self.limits.rows * base.max_positions)

    def _push(self, request: Request) -> Ticket:
        """Put a request in the queue; one that can never be answered comes back failed."""
        ticket = Ticket(request, self._cancel)
        try:
            if self._closed:
                raise Cancelled("this runtime is closed")
            self._queue.push(ticket)
            self._wake()
        except RequestError as error:
            self.counters.errors += 1
            ticket.set_exception(error)
        return ticket

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
        try:
            with torch.inference_mode():
                while self._turn():
                    pass
            hand_back_threads()
        except BaseException as error:
            # A mistake in this package must not leave anybody waiting for ever.
            self._abort(error)
            raise

    def _turn(self) -> bool:
        """One turn; False when there is nothing left to do."""
        ended: Ended = []
        with self._changed:
            self._end(ended)
            admitted, loads = self._queue.admit(self.limits.read_tokens, ended)
            if ended:  # what left the queue made room for who waits in `submit`
                self._changed.notify_all()
            if not (ended or admitted or loads or self._writing):
                if not self._queue.waiting and not self._queue.loads:
                    self._driving = False
                    return False
                self._changed.wait(self._queue.time_left())
                return True
        for future, error in ended:
            self._fail(future, error)
        failed = self._residency.copy_in()
        self._finish_loads(loads, failed)
        for ticket in admitted:
            if ticket.request.adapter in failed:
                self._fail(ticket, failed[ticket.request.adapter])
        for group in by_length([ticket for ticket in admitted if not ticket.done()]):
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
        """Read the prompts of a group. Should that fail, each is tried alone, so that one cannot fail the others."""
        try:
            with self.base.lock, self.counters.prefill.measured():
                answers = self._begin(group)
        except Exception as error:
            if len(group) > 1:
                for ticket in group:
                    self._read([ticket])
                return
            self._release(group[0])
            self._fail(group[0], AdapterError(f"its forward failed: {error!r}"))
            return
        for ticket, logits in answers:
            self._release(ticket)
            if torch.isfinite(logits).all():
                self._answer(ticket, logits)
            else:
                self._fail(ticket, _not_finite())

    def _begin(self, group: Sequence[Ticket]) -> list[tuple[Ticket, Tensor]]:
        """One forward over a group: the logits of its heads; its texts join the batch. Heads that would not fit into
        the cache beside the texts run by themselves."""
        heads = sorted((t for t in group if t.request.sampling is None), key=lambda t: t.slot or 0)
        texts: dict[Writing, Ticket] = {}
        for ticket in group:
            request = ticket.request
            if request.sampling is not None:
                on_text = ticket.add_piece if request.stream else None
                texts[Writing(request.ids, ticket.slot, request.sampling, on_text)] = ticket
        rows = [(ticket.slot, ticket.request.ids) for ticket in heads]
        logits: list[Tensor] = []
        if texts:
            needs = [self._batch.need(text) for text in texts]
            shared = self._batch.fits(
                needs, [self._slots.prefix_length(slot) + len(ids) for slot, ids in rows]
            )
            logits, done = self._batch.join(list(texts), rows if shared else [])
            self._writing |= texts
            self._deliver(done)
        if heads and not logits:
            own = RowSlots(tuple(slot for slot, _ in rows))
            hidden = forward(self.base, self._slots, pad(self.base, [ids for _, ids in rows]), own)
            logits = head_logits(self._slots, own, hidden, range(len(rows)))
        return list(zip(heads, logits, strict=True))

    def _write(self) -> None:
        """One token of every running text."""
        try:
            with self.base.lock, self.counters.step.measured():
                done = self._batch.step()
        except Exception as error:
            # Such as a device that is out of memory: all rows are lost, the runtime is not.
            self._batch.clear()
            lost, self._writing = list(self._writing.values()), {}
            for ticket in lost:
                self._release(ticket)
                self._fail(ticket, AdapterError(f"the step that wrote it failed: {error!r}"))
            return
        self._deliver(done)

    def _deliver(self, done: Sequence[Writing]) -> None:
        for text in done:
            ticket = self._writing.pop(text)
            self._release(ticket)
            if text.finish in ("end", "stop", "length"):
                self.counters.tokens += len(text.written)
                self._answer(ticket, Completion(tuple(text.written), text.text, text.finish))
            else:
                self._fail(ticket, _not_finite())

    def _release(self, ticket: Ticket) -> None:
        if ticket.request.adapter is not None:
            with self._changed:
                self._residency.release(ticket.request.adapter)

    def _answer(self, ticket: Ticket, answer: Answer) -> None:
        with self._changed:
            self.counters.answered += 1
        ticket.set_result(answer)

    def _fail(self, future: Future[Any], error: RepertoireError) -> None:
        with self._changed:
            self.counters.count(error)
        future.set_exception(error)

    def _abort(self, error: BaseException) -> None:
        """End everything with an error."""
        with self._changed:
            self._closed = True
            futures: list[Future[Any]] = [*self._queue.waiting, *self._writing.values()]
            futures += [load.done for load in self._queue.loads]
            self._driving = False
            self._changed.notify_all()
        for future in futures:
            if not future.done():
                future.set_exception(error)


def _not_finite() -> AdapterError:
    return AdapterError("its weights gave numbers that are not finite on this text; train it again")
