"""Serving with churn, for as long as it is told: `python -m benchmarks.soak --budget MINUTES` (30 unless given).

16 threads ask mixed requests of LoRA, Prefix, heads and ad copy, more adapters than slots, one more thread changes the
hub beside them (`soak_churn.py`), and every answer is held against the same adapter alone (`soak_requests.py`). After
each of its rounds everything is still for a moment and is counted:

wrong     an answer that is not the adapter's own, or an error that was not to be
lost      a request without an answer, or an acknowledged publication that is not what it was
stuck     a request without an answer for ten minutes
leaked    tickets, threads and file descriptors that are more than after the first round; memory that grows; hooks that
          are on the base when the registry is closed (before, adapters of high ranks that are in slots have their own)

It ends by itself, with 1 where any of these is not zero.
"""

import argparse
import faulthandler
import gc
import json
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import TimeoutError as Late
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from adapters import Base, RepertoireError
from adapters.serving import Ticket
from benchmarks.measure import machine, now, versions
from benchmarks.soak_churn import Churn
from benchmarks.soak_requests import LIMITS, Question, Shop, draw, open_shop
from hub import Hub, Registry
from tests.adapters import models

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "soak.json"
THREADS = 16
ROUNDS = 12
_STUCK = 600.0
"""Seconds."""
_GROWTH = 48 * 2**20
"""Bytes of resident memory between the second round and the last."""


@dataclass
class Counted:
    """What is there while nothing runs.

    Attributes:
        tickets: of requests.
        hooks: on the base's modules.
        threads: of this process, but for those of the pool that reads adapters, which starts them when it needs them.
        files: descriptors that are open.
        objects: that the collector knows.
        bytes: resident.
    """

    tickets: int
    hooks: int
    threads: int
    files: int
    objects: int
    bytes: int


@dataclass
class Soaked:
    """What came of it.

    Attributes:
        requests: that were asked, by how they ended.
        operations: on the hub, by kind.
        wrong, lost, stuck: the first of each, in words; `counts` holds how many.
        counts: how many of each.
        rounds: what was counted after each.
    """

    requests: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    rounds: list[Counted] = field(default_factory=list)

    def leaks(self) -> list[str]:
        """What grew while it ran."""
        if len(self.rounds) < 2:
            return []
        first, last = self.rounds[0], self.rounds[-1]
        found = [
            f"{name}: {getattr(first, name)} after the first round, {getattr(last, name)} after the last"
            for name in ("tickets", "threads", "files")
            if getattr(last, name) > getattr(first, name)
        ]
        grown = last.bytes - self.rounds[1].bytes
        if grown > _GROWTH:
            found.append(f"memory: {grown:,} bytes more after the last round than after the second")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = {
            key: dict(value) if isinstance(value, Counter) else value for key, value in vars(self).items()
        }
        return {**plain, "rounds": [asdict(each) for each in self.rounds], "leaked": self.leaks()}

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.wrong or self.lost or self.stuck or self.leaks())

    def note(self, kind: str, what: str) -> None:
        """Count something that must not be; the first twenty are kept."""
        self.counts[kind] += 1
        kept: list[str] = getattr(self, kind)
        if len(kept) < 20:
            kept.append(what)


def soak(
    seconds: float,
    rounds: int = ROUNDS,
    threads: int = THREADS,
    told: Callable[[Soaked], None] = lambda _: None,
) -> Soaked:
    """Run it.

    Args:
        seconds: of all rounds together; what is begun by then is ended.
        rounds: how often everything is still and is counted.
        threads: that ask.
        told: called after each round.
    """
    found = Soaked()
    base = models.base("llama")
    before = _hooks(base)
    with TemporaryDirectory() as folder:
        hub = Hub(folder)
        shop = open_shop(hub, base)
        registry = Registry(hub, base, limits=LIMITS)
        churn = Churn(hub, registry, base, shop, random.Random(0))
        for number in range(rounds):
            _round(found, registry, shop, churn, number, threads, monotonic() + seconds / rounds)
            found.rounds.append(_count(base))
            told(found)
            if found.stuck:
                break
        if not found.stuck:
            churn.mend()
            registry.close()
        for broken in churn.wrong:
            found.note("lost", broken)
        found.operations = churn.done
        del churn, registry
        if not found.stuck and _count(base).hooks != before:
            found.note(
                "wrong", f"{_hooks(base)} hooks are on the base after the registry closed, before it {before}"
            )
    return found


def _round(
    found: Soaked, registry: Registry, shop: Shop, churn: Churn, number: int, threads: int, ends: float
) -> None:
    """All threads until a moment, and then until what they began is ended."""
    asking = [
        threading.Thread(
            target=_ask, args=(found, registry, shop, random.Random(f"{number}.{each}"), ends), daemon=True
        )
        for each in range(threads)
    ]
    asking.append(threading.Thread(target=_change, args=(found, churn, ends), daemon=True))
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(max(0.0, ends - monotonic()) + _STUCK)
        if thread.is_alive():
            faulthandler.dump_traceback(all_threads=True)
            found.note("stuck", f"a thread of round {number} did not end")
            return


def _ask(found: Soaked, registry: Registry, shop: Shop, stream: random.Random, ends: float) -> None:
    while True:
        questions = [draw(shop, stream) for _ in range(stream.choice([1, 1, 2, 6]))]
        waited = [each for each in questions if each.way == "wait"]
        try:
            for question, answer in zip(waited, registry.run([each.request for each in waited]), strict=True):
                _hold(found, question, answer)
            for question in questions:
                if question.way != "wait":
                    _hold(found, question, _answer(registry, question))
        except Late:
            found.note("stuck", f"no answer in {_STUCK:.0f} s")
        except BaseException as error:
            found.note("lost", f"{len(questions)} questions ended in {error!r}"[:400])
        if monotonic() > ends:
            return


def _answer(registry: Registry, question: Question) -> Any:
    """An answer that is given up, or comes in pieces."""
    try:
        if question.way == "stream":
            given = {**vars(question.request)}
            reference, product = given.pop("reference"), given.pop("product")
            given.pop("n")
            return _Streamed("".join(registry.stream(reference, product, **given)))
        pending = registry.submit(question.request)
        pending.cancel()
        return pending.result(_STUCK)
    except RepertoireError as error:
        return error


class _Streamed(str):
    """A text that came in pieces."""


def _hold(found: Soaked, question: Question, answer: Any) -> None:
    """Hold an answer against what is right."""
    from hub import Texts

    given = Texts([answer]) if isinstance(answer, _Streamed) else answer
    kind = type(answer).__name__ if isinstance(answer, RepertoireError) else f"answered ({question.way})"
    found.requests[kind] += 1
    if not question.fits(given):
        found.note("wrong", f"{question.request!r} was answered {answer!r}, not {question.expected!r}"[:1000])


def _change(found: Soaked, churn: Churn, ends: float) -> None:
    while monotonic() < ends:
        try:
            churn.step()
        except Exception as error:
            found.note("wrong", f"a change of the hub ended in {error!r}"[:1000])


def _count(base: Base) -> Counted:
    gc.collect()
    objects = gc.get_objects()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Counted(
        tickets=sum(type(each) is Ticket for each in objects),
        hooks=_hooks(base),
        threads=sum(not each.name.startswith("repertoire-load") for each in threading.enumerate()),
        files=len(os.listdir("/proc/self/fd")),
        objects=len(objects),
        bytes=pages * os.sysconf("SC_PAGE_SIZE"),
    )


def _hooks(base: Base) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in base.model.modules())


def main() -> int:
    """Soak, and write the result after each round."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--budget", type=float, default=30.0, metavar="MINUTES")
    minutes = options.parse_args().budget
    about = machine()

    def told(found: Soaked) -> None:
        result = {
            "benchmark": "soak",
            "command": f"python -m benchmarks.soak --budget {minutes:g}",
            "minutes": minutes,
            "threads": THREADS,
            **found.to_dict(),
            "machine": about,
            "versions": versions("torch", "transformers", "peft"),
            "date": now(),
        }
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(
            f"round {len(found.rounds)} of {ROUNDS}: {sum(found.requests.values()):,} requests, "
            f"{dict(found.counts) or 'nothing wrong'}, {asdict(found.rounds[-1])}",
            flush=True,
        )

    found = soak(60 * minutes, told=told)
    told(found)
    print("sound" if found.sound else f"not sound: {found.wrong + found.lost + found.stuck + found.leaks()}")
    return int(not found.sound)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Threads that are stuck end with the process.
    os._exit(code)
