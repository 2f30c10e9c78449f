"""Adapters that a registry was told to keep in slots, by the references that said so, and how they move along.

    pin  acme/spring/behavior               version 7
    pin  acme/spring/behavior@production    version 6      moves to 7: 7 is pinned, and 6 let go
    load globex/launch/ad-copy              version 2      moves to 3: 3 is brought into a slot, for as long as it lasts

The runtime pins by content; one content stays pinned for as long as any reference holds it.
"""

import logging
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from adapters.errors import Cancelled
from adapters.serving import Runtime

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Hold:
    """key: of the content, None while the reference means nothing; pinned: or only brought in."""

    key: str | None
    pinned: bool


class Held:
    """What references hold in the slots of one runtime. Any thread may call it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = Lock()
        self._holds: dict[str, _Hold] = {}

    def __contains__(self, reference: str) -> bool:
        return reference in self._holds

    def bring(self, reference: str, key: str, pin: bool) -> None:
        """Bring an adapter into a slot, and with `pin` keep it there. Waits for it. Raises as `Runtime.load`."""
        with self._lock:
            before = self._holds.get(reference)
            own = self._holds[reference] = _Hold(key, pin or (before is not None and before.pinned))
        if before is not None and before.key != key:
            self._settle(before.key)
        try:
            self._begin(own).result()
        except BaseException:
            with self._lock:
                if self._holds.get(reference) is own:
                    del self._holds[reference]
            raise

    def move(self, reference: str, key: str | None) -> None:
        """A reference means other content now, or nothing: what it holds moves along. Does not wait."""
        with self._lock:
            before = self._holds.get(reference)
            if before is None or before.key == key:
                return
            own = self._holds[reference] = _Hold(key, before.pinned)
        self._settle(before.key)  # first: its slot may be the only one that the next can have
        if key is not None:
            with suppress(Cancelled):  # the runtime is closed, and the watch is about to end
                self._begin(own).add_done_callback(lambda done: _tell(reference, done))

    def let_go(self, key: str) -> None:
        """Nothing holds this content any more, whichever reference did."""
        with self._lock:
            self._holds = {reference: hold for reference, hold in self._holds.items() if hold.key != key}
            self._runtime.unpin(key)

    def _begin(self, hold: _Hold) -> Future[None]:
        assert hold.key is not None
        key, done = hold.key, self._runtime.bring(hold.key, hold.pinned)
        done.add_done_callback(lambda _: self._settle(key))  # it may have moved on while this one came
        return done

    def _settle(self, key: str | None) -> None:
        """Unpin content that nothing holds."""
        with self._lock:
            if key is not None and not any(hold == _Hold(key, True) for hold in self._holds.values()):
                self._runtime.unpin(key)


def _tell(reference: str, done: Future[None]) -> None:
    error = done.exception()
    if error is not None and not isinstance(error, Cancelled):
        _log.warning(
            "%s moved on, but its new version could not be brought into a slot: %s", reference, error
        )
