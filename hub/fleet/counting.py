"""What the replicas of a fleet agree on: what each key has left, how many of its requests run, and who is there.

One small actor holds a `Counts`. It writes nothing down: each replica says every second what it runs and is told what
is left of each key, and a new actor, after the old one died, goes on from what the replicas say (see `shares`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from adapters.errors import Busy
from hub.server.budgets import Budgets, Levels
from hub.server.caller import Caller
from hub.server.failing import TooFast
from hub.server.peers import Peer

SILENT = 5.0
"""Seconds after which a replica that says nothing is taken for dead."""


@dataclass(frozen=True)
class Heard:
    """What a replica is told: who is there, and what each key has left."""

    peers: Mapping[str, Peer]
    levels: Mapping[str, Levels]


@dataclass(frozen=True)
class Refused:
    """A request that its key may not send now. seconds: until it may, where that is known."""

    message: str
    seconds: float | None

    def error(self) -> Busy:
        """As a server of its own would raise it."""
        return Busy(self.message) if self.seconds is None else TooFast(self.message, self.seconds)


@dataclass
class _Member:
    """peer: as it said last; running: Caller's id -> requests of it; at: seconds of the clock."""

    peer: Peer
    running: dict[str, int]
    callers: dict[str, Caller]
    at: float


class Counts:
    """Those of one fleet. working: requests at a time of a key that says nothing of its own."""

    def __init__(self, working: int) -> None:
        self._budgets = Budgets(working)
        self._members: dict[str, _Member] = {}

    def sync(
        self, peer: Peer, running: Mapping[Caller, int], levels: Mapping[str, Levels], again: bool
    ) -> Heard:
        """A replica says what it is and runs, and what it heard last; it is told of the others. again: it did not hear
        some answer, so that what it runs is what it says."""
        known = self._members.get(peer.id)
        if again and known is not None:
            self._end(peer.id)
            known = None
        if known is None:
            if not self._members:
                self._budgets.go_on(levels)
            known = self._members[peer.id] = _Member(peer, {}, {}, 0.0)
            for caller, count in running.items():
                self._begin(known, caller, count)
        known.peer, known.at = peer, monotonic()
        self._forget()
        return Heard({id: each.peer for id, each in self._members.items()}, self._budgets.levels())

    def take(self, id: str, caller: Caller) -> Refused | bool:
        """Whether a request of a caller may run at a replica; False where the replica has not said yet what it runs."""
        self._forget()
        member = self._members.get(id)
        if member is None:
            return False
        try:
            self._budgets.begin(caller)
        except Busy as error:
            return Refused(str(error), getattr(error, "seconds", None))
        self._note(member, caller, 1)
        return True

    def leave(self, id: str, caller: Caller, tokens: int) -> None:
        """A request has ended, and read and wrote so many tokens."""
        self._budgets.spent(caller, tokens)
        member = self._members.get(id)
        if member is not None and member.running.get(caller.id):
            self._note(member, caller, -1)
            self._budgets.end(caller)

    def _forget(self) -> None:
        """Requests of replicas that are silent no longer run."""
        now = monotonic()
        for id in [id for id, each in self._members.items() if now - each.at > SILENT]:
            self._end(id)

    def _end(self, id: str) -> None:
        gone = self._members.pop(id)
        for key, count in gone.running.items():
            for _ in range(count):
                self._budgets.end(gone.callers[key])

    def _begin(self, member: _Member, caller: Caller, count: int) -> None:
        self._budgets.running(caller, count)
        self._note(member, caller, count)

    @staticmethod
    def _note(member: _Member, caller: Caller, change: int) -> None:
        member.callers[caller.id] = caller
        member.running[caller.id] = member.running.get(caller.id, 0) + change
        if not member.running[caller.id]:
            del member.running[caller.id], member.callers[caller.id]
