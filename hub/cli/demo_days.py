"""The demo's last part: three simulated days of one of its adapters, from the first click to a canary that is rolled
back. The clicks are drawn by the known truth of the starter's market.

    day 1   the adapter is served, clicks come in
    day 2   the audience's taste turns; at night the adapter is trained again on what users did, and becomes a canary
    day 3   the canary proves itself and is promoted; then a candidate whose labels are flipped, until it is rolled back
"""

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hub.cli.output import show

if TYPE_CHECKING:
    from adapters import Adapter
    from adapters.starter import User
    from hub.feedback import Loop
    from hub.registry.registry import Registry

FILES = ("hub.feedback.sqlite", "hub.feedback.sqlite-shm", "hub.feedback.sqlite-wal", "refresh")
"""What lies in the demo's folder of it."""
USERS = (100, 300, 800)
"""Of day 1, of day 2, and at most of each canary."""
_SETTINGS: Mapping[str, Any] = {"train.epochs": 2, "train.batch_size": 8, "train.learning_rate": 4e-3}
_DAY = 86_400.0
_WANTED, _OTHER = 3, 1  # ads that could be shown to a user: of what they look for, and of anything
_WAVE = 100  # users who come at once; between two looks at a canary, too
_SHARE = 0.5
_SAID = {"promote": "canary promoted", "roll back": "canary rolled back", "keep": "canary ended"}


def play(registry: "Registry", name: str, folder: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Three days of a name.

    Args:
        registry: of the demo's hub, which lies in `folder`.
        name: of acme's recommendation adapter.
        folder: of the demo; the log and the refresh go there.
        seed: of users, ads and clicks.

    Returns:
        What happened, a row each: the day, what, impressions and clicks meanwhile.
    """
    from hub.feedback import Campaign, Feedback, Loop, Refresh
    from hub.feedback import canary as canaries
    from hub.feedback.database import sqlite_url

    hub, first, second, _ = registry.hub, *USERS
    began = time.time() - 3 * _DAY
    now = [began]
    log = Feedback(hub, sqlite_url(folder.resolve() / FILES[0]), clock=lambda: now[0])
    market = _Market(Loop(registry, log), name, now, random.Random(f"days {seed}"))
    campaign = Campaign(name=name, min_rows=first + second // 2, share=_SHARE, set=dict(_SETTINGS))
    rows = []
    try:
        hub.set_alias(name, canaries.PRODUCTION, hub.resolve(name).number, why="the demo")
        rows.append(_row(1, "served", *market.serve(first, "acme")))
        now[0] = began + _DAY
        rows.append(_row(2, "the taste turns", *market.serve(second, "globex")))
        now[0] = began + 2 * _DAY
        (told,) = Refresh(hub, log, registry.base, folder / "refresh").run([campaign])
        rows.append(_row(2, f"refresh, {told.happened}: {told.why}"))
        if told.happened == "canary":
            rows.append(market.proved())
        now[0] = began + 2.5 * _DAY
        why = "the demo's bad candidate: its labels are flipped"
        bad = _flipped(hub.read(name))
        version = hub.publish(bad, name, base=registry.base, force_reason=why)
        canaries.start(hub, log, name, version.number, _SHARE, why=why)
        time.sleep(2)  # within that the registry follows what was promoted
        rows.append(market.proved())
    finally:
        log.close()
    return rows


def print_days(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """The rows as a table."""
    table = Table("day", "what happened", title=f"Three days of {name}@live", title_justify="left")
    table.add_column("impressions", justify="right")
    table.add_column("clicks", justify="right")
    for row in rows:
        counts = [f"{row[each]:,}" if row["impressions"] else "" for each in ("impressions", "clicks")]
        table.add_row(str(row["day"]), row["what"], *counts)
    show("", table)


def _row(day: int, what: str, impressions: int = 0, clicks: int = 0) -> dict[str, Any]:
    return {"day": day, "what": what, "impressions": impressions, "clicks": clicks}


class _Market:
    """Users who come and click. now: seconds since 1970, by the clock of the log."""

    def __init__(self, loop: "Loop", name: str, now: list[float], rng: random.Random) -> None:
        self._loop, self._name, self._now, self._rng = loop, name, now, rng
        self._users = 0

    def serve(self, users: int, taste: str) -> tuple[int, int]:
        """So many new users, all of one taste. Returns the impressions and the clicks."""
        clicks = 0
        for start in range(0, users, _WAVE):
            clicks += self._answer([self._visit() for _ in range(min(_WAVE, users - start))], taste)
            self._now[0] += 600
        return users, clicks

    def proved(self) -> dict[str, Any]:
        """Users of day 3 come until the canary is decided, or there are no more; what happened."""
        from hub.feedback import canary as canaries

        hub, log, seen, clicks = self._loop.registry.hub, self._loop.log, 0, 0
        while True:
            seen, clicks = (a + b for a, b in zip((seen, clicks), self.serve(_WAVE, "globex"), strict=True))
            self._now[0] += 4000  # clicks have an hour to come
            told = canaries.decide(hub, log, self._name)
            if told.decision != "wait":
                return _row(3, f"{_SAID[told.decision]}: {told.why}", seen, clicks)
            if seen >= USERS[2]:
                canaries.stop(hub, log, self._name, "the demo is over")
                return _row(3, f"canary not decided: {told.why}", seen, clicks)

    def _visit(self) -> tuple["User", dict[str, Any]]:
        """A user, and the ads that could be shown, each with its product."""
        from adapters.starter import ad_line, make_product, make_user

        self._users += 1
        user = make_user(self._rng, id=f"visitor-{self._users}")
        of = [*(self._rng.choice(user.interests) for _ in range(_WANTED)), *([None] * _OTHER)]
        products = [make_product(self._rng, held_out=True, category=each) for each in of]
        return user, {ad_line(self._rng, product): product for product in products}

    def _answer(self, wave: Sequence[tuple["User", dict[str, Any]]], taste: str) -> int:
        """Answer a wave in one mixed batch, log it, and let the users click. Returns how many did."""
        from adapters.starter import TASTES
        from hub.feedback import Outcome, Seen
        from hub.registry.requests import Recommend

        loop, came = self._loop, []
        routed = [
            loop.route(Recommend(f"{self._name}@live", user.text(), list(ads)), Seen(user.id))
            for user, ads in wave
        ]
        submitted = loop.registry.submit_all([request for request, _ in routed], wait=True)
        for (user, ads), (_, seen), pending in zip(wave, routed, submitted, strict=True):
            if isinstance(pending, Exception):
                raise pending
            answer: Any = pending.result()
            impression = loop.note(pending, answer, seen)
            if self._rng.random() < TASTES[taste].probability(user, ads[answer[0].ad]):
                came.append(Outcome(str(impression), "click"))
        loop.log.flush()
        loop.feedback_all(came)
        return len(came)


def _flipped(adapter: "Adapter") -> "Adapter":
    """Says of what is likeliest to be clicked that it is least likely."""
    from dataclasses import replace

    tensors = {
        name: tensor.flip(0).contiguous() if ".score." in name else tensor
        for name, tensor in adapter.tensors.items()
    }
    # What a baseline adds to it would still be right.
    info = {key: value for key, value in adapter.info.items() if key != "blend"}
    return replace(adapter, tensors=tensors, info=info)
