"""A refresh: campaigns are trained again on what their users did, and what is better than production becomes a canary.

    decide the canary that runs  ->  rows that production has not learned  ->  train all campaigns together, from it
    ->  better than production on the newest rows, and than a canary that is undecided?  ->  publish  ->  canary

Rows of a candidate that never came into production are new to the next one, which waits until there are as many again:
the canary has that time to be decided, and no more is trained than twice what there is. Where what happens moved
against what production predicts (`drift.change`), only the rows since then are true: older ones are neither trained on
nor replayed. A canary that is undecided is replaced by what is better on the newest rows, unless it is halfway to a
decision.

    OUT/refresh.md                            what happened to each campaign, and why
    OUT/<client>/<campaign>/<task>/state.json how far its round is; written whole or not at all
    OUT/<client>/<campaign>/<task>/000003/    rows and adapter of round 3
    OUT/snapshots-.../                        of the training that goes on

Killed at any moment, the same command goes on: rows are written before a round is opened, a training resumes from its
snapshots, publishing with the same id gives the same version.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapters.errors import RepertoireError
from hub.feedback import canary as canaries
from hub.feedback.claims import Claims
from hub.feedback.gating import Gained, gained
from hub.feedback.live import live
from hub.feedback.training_rows import moved_at, one_sided, training_rows

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from hub.feedback.campaigns import Campaign
    from hub.feedback.log import Feedback
    from hub.hub import Hub
    from recipes import Order, Recipe
    from recipes.runs import TrainMany

Happened = Literal["canary", "not better", "waits", "failed"]


@dataclass(frozen=True)
class Refreshed:
    """What happened to a campaign. why: in a sentence; version: that was published."""

    name: str
    happened: Happened
    why: str
    version: int | None = None


@dataclass(frozen=True)
class _Round:
    """A round under way, as its file says. until: of its rows; production: the version that it began from; again: rows
    that were trained on before; moved: since when what happens moved; first: no refresh has made production;
    alarm: of drift, which it answers."""

    number: int
    until: float
    production: int
    new: int
    replayed: int
    again: int = 0
    moved: float | None = None
    first: bool = False
    alarm: str = ""


class Refresh:
    """One refresh of some campaigns.

    Args:
        hub: where versions and aliases are.
        log: what users did.
        base: to train on.
        out: folder of its own.
        train_many: trains elsewhere, such as on Ray; None trains here, on `base`.
        claims: what is refreshed here, also between two runs; None holds each campaign while it runs.
    """

    def __init__(
        self,
        hub: "Hub",
        log: "Feedback",
        base: "Base",
        out: Path,
        train_many: "TrainMany | None" = None,
        claims: Claims | None = None,
    ) -> None:
        self._hub, self._log, self._base, self._out = hub, log, base, out
        self._train_many, self._claims = train_many, claims

    def run(self, campaigns: Sequence["Campaign"], on_drift: bool = False) -> list[Refreshed]:
        """Do what is to be done. What is wrong with one campaign is its own, and the others are refreshed.

        Args:
            campaigns: of a file.
            on_drift: train only those of which something moved, as `live` tells it, since production learned.

        Returns:
            What happened to each, in order; it stands in `refresh.md` too. One that another process refreshes has
            failed.
        """
        with ExitStack() as held:
            claims = self._claims or held.enter_context(closing(Claims()))
            return self._run(campaigns, on_drift, claims)

    def _run(self, campaigns: Sequence["Campaign"], on_drift: bool, claims: Claims) -> list[Refreshed]:
        found: dict[str, Refreshed] = {}
        opened: dict[str, _Round] = {}
        for each in campaigns:
            with _own(each.name, found):
                claims.take(self._log.database, each.name)
                begun = self._open(each, on_drift)
                if isinstance(begun, Refreshed):
                    found[each.name] = begun
                else:
                    opened[each.name] = begun
        trained = self._train({each.name: each for each in campaigns if each.name in opened}, opened, found)
        for each in campaigns:
            if each.name in trained:
                with _own(each.name, found):
                    found[each.name] = self._finish(each, opened[each.name])
        told = [found[each.name] for each in campaigns]
        self._page(told)
        return told

    def _open(self, campaign: "Campaign", on_drift: bool) -> "_Round | Refreshed":
        """The round that is under way, or the next one; why there is none, where there is none."""
        state = self._state(campaign.name)
        if state.get("round") is not None:
            return _Round(**state["round"])
        standing = canaries.running(self._log, campaign.name)
        runs = ""
        if standing is not None:
            decided = canaries.decide(self._hub, self._log, campaign.name)
            standing = canaries.running(self._log, campaign.name)
            runs = f"; its canary still runs: {decided.why}" if standing else ""
            if standing is not None and (standing.held or standing.shadow or _halfway(decided)):
                return Refreshed(campaign.name, "waits", runs[2:])
        production = self._hub.aliases(campaign.name).get(canaries.PRODUCTION)
        if production is None:
            return Refreshed(
                campaign.name, "failed", "it has no production to go on from; set the alias first"
            )
        number, last = int(state.get("done", 0)) + 1, float(state.get("until", 0.0))
        learned = state.get("learned", {str(production): last} if last else {})
        since = float(learned.get(str(production), 0.0))
        first = str(production) not in learned
        alarms = live(self._log, campaign.name, campaign.outcome, since).drift if on_drift else [""]
        if not alarms:
            return Refreshed(campaign.name, "waits", f"nothing moved{runs}")
        moved = moved_at(self._log, campaign, production, since)
        head = self._hub.read(f"{campaign.name}@{production}").head if campaign.task == "behavior" else None
        rows = training_rows(
            self._log, campaign, moved or since, last, moved is None, number, head.labels if head else None
        )
        wanted = max(campaign.min_rows, rows.again)
        if rows.new < wanted:
            return Refreshed(
                campaign.name, "waits", f"{rows.new:,} new rows, and it is trained from {wanted:,} on{runs}"
            )
        if one_sided(campaign, rows.train) or one_sided(campaign, rows.test):
            return Refreshed(campaign.name, "waits", f"{rows.new:,} new rows, which all say the same{runs}")
        rows.write(self._folder(campaign.name, number))
        begun = _Round(
            number, rows.until, production, rows.new, rows.replayed, rows.again, moved, first, alarms[0]
        )
        self._write(campaign.name, state | {"learned": learned, "round": asdict(begun)})
        return begun

    def _train(
        self,
        campaigns: Mapping[str, "Campaign"],
        opened: Mapping[str, _Round],
        found: dict[str, Refreshed],
    ) -> list[str]:
        """Train all rounds together. Returns the names of those that are trained."""
        from recipes.runs import Settings, last_snapshot, train_many

        key = hashlib.sha256(json.dumps({name: opened[name].number for name in sorted(opened)}).encode())
        snapshots = self._out / f"snapshots-{key.hexdigest()[:12]}"
        left = [
            name
            for name in sorted(opened)
            if last_snapshot(snapshots) is not None or not self._is_trained(name, opened[name])
        ]
        orders: list[Order] = []
        names = []
        for name in left:
            with _own(name, found):
                orders.append(self._order(campaigns[name], opened[name]))
                names.append(name)
        if orders:
            train = self._train_many or partial(train_many, base=self._base)
            results = train(orders, settings=Settings(state=snapshots))
            for name, result in zip(names, results, strict=True):
                if isinstance(result, Exception):
                    found[name] = Refreshed(name, "failed", f"it could not be trained: {result}")
                    self._close(name, opened[name])
            shutil.rmtree(snapshots, ignore_errors=True)
        return [name for name in opened if name not in found]

    def _order(self, campaign: "Campaign", begun: _Round) -> "Order":
        from recipes.runs import Order

        reference = f"{campaign.name}@{begun.production}"
        parent, folder = self._hub.read(reference), self._folder(campaign.name, begun.number)
        return Order(
            self._recipe(parent, campaign, begun.first),
            [folder / "train.jsonl"],
            test=[folder / "test.jsonl"],
            out=folder / "adapter",
            name=campaign.name,
            parent=(parent, reference),
        )

    def _recipe(self, parent: "Adapter", campaign: "Campaign", first: bool) -> "Recipe":
        """Production's own, on rows whose columns are called by their roles. first: no refresh has made production, so
        that its rate is that of a training from nothing."""
        from recipes import Recipe
        from recipes.answer import Voice

        said = Voice.of(parent).recipe.to_dict()
        for block in ("columns", "labels", "format"):
            said["data"].pop(block, None)
        said["data"] |= {"repeats": "keep", "pii": "allow"}  # what is stored is masked already
        for rate in ("learning_rate", "head_learning_rate"):
            if first and said["train"].get(rate):
                said["train"][rate] *= campaign.rate
        return Recipe.from_dict(said, **campaign.set)

    def _finish(self, campaign: "Campaign", begun: _Round) -> Refreshed:
        """Gate, publish and let it prove itself."""
        from recipes.answer import Voice

        folder = self._folder(campaign.name, begun.number)
        standing = canaries.running(self._log, campaign.name)
        # A canary may have been promoted while the round was trained.
        production = self._hub.aliases(campaign.name).get(canaries.PRODUCTION, begun.production)
        versions = (begun.production, production, *([standing.version] if standing else []))
        others = list(dict.fromkeys(versions))
        gains = gained(self._hub, self._base, campaign.name, others, folder, begun.number)
        told = _told(begun, gains)
        kept = standing is not None and (standing.held or standing.shadow)
        # What loses nothing to the candidate may be the candidate itself, in a round that was killed.
        if kept or gains[0].value <= 0 or any(gain.value < 0 for gain in gains[1:]):
            self._close(campaign.name, begun)
            stays = f"; its canary @{standing.version} stays" if standing else ""
            return Refreshed(campaign.name, "not better", told + stays)
        key = hashlib.sha256(f"{self._out.resolve()}\0{begun.number}\0{begun.until!r}".encode()).hexdigest()[
            :32
        ]
        version = self._hub.publish(
            folder / "adapter", campaign.name, base=self._base, publish_id=f"refresh-{key}", message=told
        )
        if standing is None and version.number != production:
            canaries.start(
                self._hub,
                self._log,
                campaign.name,
                version.number,
                campaign.share,
                campaign.outcome,
                campaign.max_days,
                why=told,
                grouped=Voice.of(self._hub.read(f"{campaign.name}@{version.number}")).recipe.grouped,
            )
        elif standing is not None and standing.version != version.number:
            told += f"; it takes the place of the canary @{standing.version}, which was undecided"
            canaries.replace(self._hub, self._log, campaign.name, version.number, told)
        self._close(campaign.name, begun, version.number)
        return Refreshed(campaign.name, "canary", told, version.number)

    def _is_trained(self, name: str, begun: _Round) -> bool:
        return (self._folder(name, begun.number) / "adapter" / "adapter_config.json").exists()

    def _close(self, name: str, begun: _Round, version: int | None = None) -> None:
        """The round is over; version: what it published, which has learned its rows."""
        learned = self._state(name).get("learned", {})
        learned |= {} if version is None else {str(version): begun.until}
        self._write(name, {"done": begun.number, "until": begun.until, "round": None, "learned": learned})

    def _folder(self, name: str, number: int) -> Path:
        return self._out / name / f"{number:06d}"

    def _state(self, name: str) -> dict[str, Any]:
        path = self._out / name / "state.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}

    def _write(self, name: str, state: Mapping[str, Any]) -> None:
        _replace(self._out / name / "state.json", json.dumps(state))

    def _page(self, told: Sequence[Refreshed]) -> None:
        lines = ["# Refresh", "", "| campaign | what happened | version | why |", "| --- | --- | --- | --- |"]
        for each in told:
            why = " ".join(each.why.split()).replace("|", "\\|")
            lines.append(f"| {each.name} | {each.happened} | {each.version or ''} | {why} |")
        _replace(self._out / "refresh.md", "\n".join(lines) + "\n")


def _told(begun: _Round, gains: Sequence[Gained]) -> str:
    again = f", {begun.again:,} of earlier rounds" if begun.again else ""
    moved = ""
    if begun.moved is not None:
        day = datetime.fromtimestamp(begun.moved, UTC).strftime("%Y-%m-%d %H:%M")
        moved = f", all since {day}, when what happens moved against what @{begun.production} predicts"
    better = " and ".join(
        f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] better than that of @{gain.over}"
        for gain in gains
    )
    alarm = f"; it was trained since {begun.alarm}" if begun.alarm else ""
    return (
        f"trained on {begun.new:,} new{again} and {begun.replayed:,} older rows{moved}; on the {gains[0].rows:,} "
        f"newest its log loss is {better}{alarm}"
    )


def _halfway(decided: canaries.Compared) -> bool:
    """Whether a canary has half of the evidence, in nats, that lets it be promoted: it is left to finish."""
    return decided.better**2 >= decided.needed


@contextmanager
def _own(name: str, found: dict[str, Refreshed]) -> Iterator[None]:
    """What is wrong with a campaign is its own result."""
    try:
        yield
    except RepertoireError as error:
        found[name] = Refreshed(name, "failed", str(error))


def _replace(path: Path, text: str) -> None:
    """A file that is whole at any moment, and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
