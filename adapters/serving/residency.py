"""Where adapters are: in a slot on the device, ready in host memory, or in the hub only.

    hub  --fetch, check, pack-->  host memory  --one copy-->  slot
         (any thread, ahead of time)           (between two steps, by the thread that runs them)

Adapters are known by keys that name content, never by references, so that a name that moves on cannot find stale
weights. In both tiers the one that was used least often lately leaves first (`uses.py`), but never an adapter that
running rows use, that is pinned, or, in host memory, that waiting requests are about to use.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from time import perf_counter
from typing import NamedTuple

from adapters.base.cpu_threads import hand_back_threads
from adapters.errors import AdapterError, RepertoireError
from adapters.format.config import Adapter
from adapters.serving.counters import Counters
from adapters.serving.limits import Limits
from adapters.serving.resident import Resident, Tier
from adapters.serving.slot_choice import InSlot, choose_slot
from adapters.serving.uses import Uses
from adapters.slots.packed import Packed, pack
from adapters.slots.slots import Slots

_LOADERS = 2
# Uses for each slot: of 1 to 32 the most with which no traffic that was tried had fewer hits than by recency.
HALF = 8


class Fetched(NamedTuple):
    """An adapter from the hub.

    Attributes:
        adapter: with its tensors.
        read: seconds that reading its bytes took.
        verify: seconds that checking them took.
    """

    adapter: Adapter
    read: float = 0.0
    verify: float = 0.0


class Residency:
    """The tiers of one runtime.

    fetch: gives the adapter of a key, from any thread; what it raises becomes the answer of the requests that named the
    key. limits: how much it takes on. changed: the runtime's lock, held around every call but `copy_in`;
    notified when a load ends or an adapter is let go.
    """

    def __init__(
        self,
        slots: Slots,
        fetch: Callable[[str], Fetched],
        limits: Limits,
        counters: Counters,
        changed: Condition,
    ) -> None:
        self._slots = slots
        self._fetch = fetch
        self._limits = limits
        self._counters = counters
        self._changed = changed
        self._in_slots: OrderedDict[str, InSlot] = OrderedDict()
        self._host: OrderedDict[str, Packed] = OrderedDict()
        self._uses = Uses(HALF * limits.slots)
        self._loading: set[str] = set()
        self._failures: dict[str, RepertoireError] = {}
        self._wanted: frozenset[str] = frozenset()
        self._to_copy: list[str] = []
        self._to_clear: list[int] = []
        self._pinned: set[str] = set()
        self._loaders = ThreadPoolExecutor(_LOADERS, thread_name_prefix="repertoire-load")

    def find(self, key: str) -> Packed | None:
        """What is known of an adapter that is at least in host memory."""
        held = self._in_slots.get(key)
        return held.packed if held else self._host.get(key)

    def offer(self, key: str, fetched: Fetched) -> None:
        """Take an adapter that was fetched. Called without the lock.

        Raises:
            AdapterError: it is larger than the limit.
            RepertoireError: as `pack`.
        """
        began = perf_counter()
        packed = pack(fetched.adapter, self._slots.base, self._slots.dtype)
        if packed.size > self._limits.adapter_bytes:
            raise AdapterError(
                f"it takes {packed.size:,} bytes on the device, and Limits.adapter_bytes is "
                f"{self._limits.adapter_bytes:,}; train it with a lower rank, or raise the limit"
            )
        with self._changed:
            self._counters.fetched += 1
            self._counters.read.add(fetched.read)
            self._counters.verify.add(fetched.verify + perf_counter() - began)
            self._keep(key, packed)
            self._changed.notify_all()

    def want(self, keys: frozenset[str]) -> None:
        """Keys that requests are about to use: they are fetched ahead and stay in host memory, and `failures` tells of
        those that cannot be had."""
        self._wanted = keys
        for key in keys:
            if key not in self._loading and self.find(key) is None:
                self._loading.add(key)
                self._loaders.submit(self._load, key)

    def failures(self) -> dict[str, RepertoireError]:
        """Why wanted adapters could not be loaded, since the last call. What is wanted again is tried again."""
        found, self._failures = self._failures, {}
        return found

    def acquire(self, key: str) -> int | None:
        """A slot for one more row of an adapter that `find` knows; None while every slot is in use. Where the adapter
        was not in it yet, `copy_in` must come before the row runs."""
        held = self._in_slots.get(key)
        if held is not None:
            if held.leaving:
                return None
            self._in_slots.move_to_end(key)
            self._uses.note(key)
            held.rows += 1
            self._counters.hits += 1
            return held.slot
        packed = self._host[key]
        large = self._slots.is_large(packed)
        slot = self._free(large)
        if slot is None:
            return None
        self._counters.misses += 1
        self._uses.note(key)
        self._host.move_to_end(key)
        self._in_slots[key] = InSlot(slot, packed, large, rows=1)
        self._to_copy.append(key)
        return slot

    def copy_in(self) -> dict[str, RepertoireError]:
        """Give back the memory of large adapters that left, and copy newly acquired ones into their slots.

        By the thread that runs the steps, between two of them, and without the lock. Returns why some could not be
        copied: those are in no slot, whoever acquired them.
        """
        failed: dict[str, RepertoireError] = {}
        self._uses.end_turn()
        while self._to_clear:
            self._slots.clear(self._to_clear[-1])
            with self._changed:
                self._to_clear.pop()
                self._changed.notify_all()
        for key in self._to_copy:
            held = self._in_slots[key]
            try:
                with self._counters.copy.measured():
                    self._slots.put(held.slot, held.packed, key)
                held.packed = held.packed.bare()
            except Exception as error:
                # Such as a device that is out of memory.
                failed[key] = AdapterError(f"it could not be copied into a slot: {error!r}")
                with self._changed:
                    self._let_go(key)
        self._to_copy.clear()
        return failed

    def release(self, key: str) -> None:
        """One row fewer uses an adapter."""
        held = self._in_slots[key]
        held.rows -= 1
        if held.rows == 0 and held.leaving:
            self._let_go(key)
        self._changed.notify_all()

    def unload(self, key: str) -> None:
        """Let an adapter go from slot and host memory once its last row is done. New requests for it wait meanwhile,
        and then load it again. Waits for it."""
        self._pinned.discard(key)
        while (held := self._in_slots.get(key)) is not None:
            held.leaving = True
            if held.rows == 0:
                self._let_go(key)
            else:
                self._changed.wait()
        self._host.pop(key, None)
        self._uses.forget(key)

    def pin(self, key: str) -> None:
        """Keep an adapter that is in a slot there."""
        self._pinned.add(key)

    def unpin(self, key: str) -> None:
        """Let a pinned adapter leave again."""
        self._pinned.discard(key)
        self._changed.notify_all()

    def shut_out(self, key: str) -> bool:
        """Whether other adapters are pinned to every slot that it could have."""
        if key in self._in_slots:
            return False
        packed = self._host.get(key)
        large = packed is not None and self._slots.is_large(packed)
        others = sum(self._in_slots[other].large for other in self._pinned & self._in_slots.keys())
        return len(self._pinned) >= self._slots.count or (large and others >= self._limits.large)

    def why_shut_out(self) -> str:
        """What stands against an adapter that is shut out, and what to do."""
        if len(self._pinned) >= self._slots.count:
            return f"all {self._slots.count} slots hold pinned adapters; unpin one, or raise Limits.slots"
        return (
            "its rank is over Limits.shared_rank, and as many such adapters as Limits.large allows, "
            f"{self._limits.large}, are pinned; unpin one, or raise Limits.large"
        )

    @property
    def clearing(self) -> bool:
        """Whether `copy_in` has memory to give back."""
        return bool(self._to_clear)

    @property
    def slots(self) -> int:
        """How many adapters the device takes."""
        return self._slots.count

    def report(self) -> list[Resident]:
        """Every adapter that is nearer than the hub: those in host memory only, those in slots, those on their way;
        each the least recently used first."""
        found = []
        in_host_only = [key for key in self._host if key not in self._in_slots]
        for key in dict.fromkeys((*in_host_only, *self._in_slots, *self._loading)):
            held, packed = self._in_slots.get(key), self._host.get(key)
            tier: Tier = "slot" if held else "host" if packed else "loading"
            found.append(
                Resident(
                    key,
                    tier,
                    held.slot if held else None,
                    held.rows if held else 0,
                    key in self._pinned,
                    packed.size if packed else 0,
                )
            )
        return found

    def close(self) -> None:
        """Forget everything. Loads that run are waited for."""
        self._loaders.shutdown(cancel_futures=True)
        self._in_slots.clear()
        self._host.clear()
        self._pinned.clear()

    def _load(self, key: str) -> None:
        error: RepertoireError | None = None
        try:
            self.offer(key, self._fetch(key))
        except RepertoireError as expected:
            error = expected
        except Exception as unexpected:
            # A bug or a broken disk: the requests that named this key are told.
            error = AdapterError(f"it could not be loaded: {unexpected!r}")
        with self._changed:
            self._loading.discard(key)
            if error is not None:
                self._counters.failed += 1
                if key in self._wanted:
                    self._failures[key] = error
            self._changed.notify_all()
        hand_back_threads()

    def _keep(self, key: str, packed: Packed) -> None:
        self._host[key] = packed
        self._host.move_to_end(key)
        self._uses.note(key)
        over = sum(held.size for held in self._host.values()) - self._limits.host_bytes
        for other in self._uses.rarest(self._host) if over > 0 else ():
            if over <= 0:
                return
            if other != key and other not in self._wanted:
                over -= self._host.pop(other).size
                self._counters.evicted_host += 1
                if other not in self._in_slots:
                    self._uses.forget(other)

    def _free(self, large: bool) -> int | None:
        """The slot that `choose_slot` finds, its adapter let go."""
        most = self._limits.large if large else None
        rarest = {key: self._in_slots[key] for key in self._uses.rarest(self._in_slots)}
        chosen = choose_slot(rarest, self._slots.count, self._pinned, most)
        if chosen is None:
            return None
        if chosen.leaves is not None:
            self._let_go(chosen.leaves)
            self._counters.evicted_slots += 1
        return chosen.slot

    def _let_go(self, key: str) -> None:
        held = self._in_slots.pop(key)
        if held.large:
            self._to_clear.append(held.slot)
        if key not in self._host:
            self._uses.forget(key)
        self._changed.notify_all()
