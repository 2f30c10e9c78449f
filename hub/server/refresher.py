"""A refresh beside a server, in a process of its own, so that no answer waits for a training.

this process    starts the other, listens, and starts it again where it was killed    -> /ready, lines of the log
the other       refresh, tell, sleep, refresh ...                                     gives way, ends with this one

Where it was killed, the next one goes on: all that it does is kept in its folder (`hub/feedback/refreshing.py`).
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.errors import RepertoireError

if TYPE_CHECKING:
    from hub.feedback.refreshing import Refreshed
    from recipes.runs import TrainMany

_log = logging.getLogger("repertoire.refresh")
_SPAWN = multiprocessing.get_context("spawn")
_PAUSES = 2.0, 600.0  # seconds before it is started again: the first, and the longest
_NICE = 10  # of what is trained; a machine that is busy with answers does those first
_PATIENCE = 10.0  # seconds that it has to end


@dataclass(frozen=True)
class Plan:
    """What is refreshed, from where: as of `repertoire refresh`. every: seconds between the end of one and the next;
    train_many: trains elsewhere, such as on Ray, and can be pickled; None trains in the refresher's process."""

    hub: str
    base: str
    quantization: str
    file: Path
    out: Path
    every: float
    trust: str | None = None
    train_many: "TrainMany | None" = None


@dataclass
class RefreshState:
    """How it stands.

    Attributes:
        state: `starts`, `runs`, `waits` for its next time, or `ended`.
        process: its number; None where there is none.
        rounds: since the server began.
        last: when a round ended, ISO 8601; empty before the first.
        trouble: why the last round was none; empty where it was one.
        campaigns: name -> what happened, the version that was published, and why.
    """

    state: str = "starts"
    process: int | None = None
    rounds: int = 0
    last: str = ""
    trouble: str = ""
    campaigns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Refresher:
    """The process that refreshes, looked after by a thread of this one.

    Args:
        plan: of what.
    """

    def __init__(self, plan: Plan) -> None:
        self.now = RefreshState()
        self._plan = plan
        self._over = threading.Event()
        self._child: Any = None
        self._thread = threading.Thread(target=self._look_after, name="refresh", daemon=True)
        _log.setLevel(logging.INFO)

    def start(self) -> None:
        """Begin, and go on."""
        self._thread.start()

    def end(self) -> None:
        """Tell it to end; nothing is waited for."""
        self._over.set()
        if self._child is not None and self._child.is_alive():
            self._child.terminate()

    def close(self) -> None:
        """End it, if need be by force."""
        self.end()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive() and self._child is not None:
            self._child.kill()

    def _look_after(self) -> None:
        pause = _PAUSES[0]
        while not self._over.is_set():
            before, how = self.now.rounds, self._one_process()
            if self._over.is_set():
                break
            if self.now.rounds > before:
                pause = _PAUSES[0]
            _log.warning("it ended by itself (%s); it goes on in %g s", how, pause)
            self._over.wait(pause)
            pause = min(2 * pause, _PAUSES[1])

    def _one_process(self) -> object:
        """From its start to its end. Returns how it ended, or why it could not start."""
        try:
            ours, theirs = _SPAWN.Pipe(duplex=False)
            with ours:
                with theirs:
                    child = _SPAWN.Process(target=_refresh, args=(self._plan, theirs), daemon=True)
                    child.start()
                self._child = child
                if self._over.is_set():
                    child.terminate()
                self.now.state, self.now.process = "starts", child.pid
                self._listen(ours)
            child.join()
            return child.exitcode
        except OSError as error:  # no process, memory or file can be had
            return error.strerror
        finally:
            self.now.state, self.now.process = "ended", None

    def _listen(self, ours: Connection) -> None:
        """Take in what it tells, to its end."""
        while True:
            try:
                told = ours.recv()
            except (EOFError, OSError):
                return
            if told is None:
                self.now.state = "runs"
                continue
            self.now.state, self.now.last = "waits", datetime.now(UTC).isoformat(timespec="seconds")
            self.now.trouble = told if isinstance(told, str) else ""
            self.now.rounds += 1
            if isinstance(told, str):
                _log.warning("no campaign was refreshed")  # why may hold a text: /ready tells it
                continue
            self.now.campaigns = {each["name"]: each for each in told}
            for each in told:
                published = "" if each["version"] is None else f", version {each['version']}"
                _log.info("%s: %s%s", each["name"], each["happened"], published)


def _refresh(plan: Plan, told: Connection) -> None:
    """The other process. Tells what happened, or why nothing did, and None when a round begins."""
    threading.Thread(target=_end_with_server, daemon=True).start()
    from hub.server.lines import log_lines

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # of a terminal it reaches both, and the server ends this one
    os.dup2(2, 1)  # standard output is the server's
    log_lines()
    try:
        for happened in _rounds(plan):
            told.send(happened)
            if happened is not None:
                time.sleep(plan.every)
    except Exception:
        _log.exception("it cannot go on")
        raise SystemExit(1) from None


def _rounds(plan: Plan) -> Iterator[list[dict[str, Any]] | str | None]:
    """None and then what happened, round after round. Campaigns of a file that was changed are read anew; who trains
    them is as it was."""
    from adapters import load_base
    from hub.feedback.campaigns import load_campaigns
    from hub.feedback.claims import Claims
    from hub.feedback.log import Feedback
    from hub.feedback.refreshing import Refresh
    from hub.hub import Hub

    quantization: Any = plan.quantization
    hub, base = Hub(plan.hub, create=False, trust=plan.trust), load_base(plan.base, quantization)
    os.nice(_NICE)
    claims = Claims()  # until this process ends
    while True:
        yield None
        try:
            log = Feedback(hub)
            try:
                refresh = Refresh(hub, log, base, plan.out, plan.train_many, claims)
                found: Sequence[Refreshed] = refresh.run(load_campaigns(plan.file))
            finally:
                log.close()
        except (RepertoireError, OSError) as error:
            yield str(error)
        else:
            yield [asdict(each) for each in found]


def _end_with_server() -> None:
    """End when the server is gone, however it went."""
    server = multiprocessing.parent_process()
    if server is not None:
        server.join()
        os._exit(1)
