"""A refresh: campaigns are trained again on what their users did, and what is better than production becomes a canary.

    decide the canary that runs  ->  rows since the last time  ->  train all campaigns together, from production
    ->  better than production on the newest rows?  ->  publish  ->  canary

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
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from adapters.errors import RepertoireError
from hub.feedback import canary as canaries
from hub.feedback.training_rows import training_rows
from hub.registry.requests import Recommend

if TYPE_CHECKING:
    from adapters import Adapter, Base
    from hub.feedback.campaigns import Campaign
    from hub.feedback.log import Feedback
    from hub.hub import Hub
    from recipes import Order, Recipe

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
    """A round under way, as its file says. until: of its rows; production: the version that it began from."""

    number: int
    until: float
    production: int
    new: int
    replayed: int


class Refresh:
    """One refresh of some campaigns.

    Args:
        hub: where versions and aliases are.
        log: what users did.
        base: to train on.
        out: folder of its own.
    """

    def __init__(self, hub: "Hub", log: "Feedback", base: "Base", out: Path) -> None:
        self._hub, self._log, self._base, self._out = hub, log, base, out

    def run(self, campaigns: Sequence["Campaign"]) -> list[Refreshed]:
        """Do what is to be done. What is wrong with one campaign is its own, and the others are refreshed.

        Args:
            campaigns: of a file.

        Returns:
            What happened to each, in order; it stands in `refresh.md` too.
        """
        found: dict[str, Refreshed] = {}
        opened: dict[str, _Round] = {}
        for each in campaigns:
            with _own(each.name, found):
                begun = self._open(each)
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

    def _open(self, campaign: "Campaign") -> "_Round | Refreshed":
        """The round that is under way, or the next one; why there is none, where there is none."""
        state = self._state(campaign.name)
        if state.get("round") is not None:
            return _Round(**state["round"])
        if canaries.running(self._log, campaign.name) is not None:
            decided = canaries.decide(self._hub, self._log, campaign.name)
            if canaries.running(self._log, campaign.name) is not None:
                return Refreshed(campaign.name, "waits", f"its canary still runs: {decided.why}")
        production = self._hub.aliases(campaign.name).get(canaries.PRODUCTION)
        if production is None:
            return Refreshed(
                campaign.name, "failed", "it has no production to go on from; set the alias first"
            )
        number, since = int(state.get("done", 0)) + 1, float(state.get("until", 0.0))
        rows = training_rows(self._log, campaign, since, number)
        if rows.new < campaign.min_rows:
            return Refreshed(
                campaign.name,
                "waits",
                f"{rows.new:,} new rows, and it is trained from {campaign.min_rows:,} on",
            )
        for part in (rows.train, rows.test):
            if len({row["clicked"] for row in part}) < 2:
                return Refreshed(
                    campaign.name, "waits", f"{rows.new:,} new rows, of which all or none had the outcome"
                )
        rows.write(self._folder(campaign.name, number))
        begun = _Round(number, rows.until, production, rows.new, rows.replayed)
        self._write(campaign.name, state | {"round": asdict(begun)})
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
            results = train_many(orders, self._base, settings=Settings(state=snapshots))
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
            self._recipe(parent, campaign),
            [folder / "train.jsonl"],
            test=[folder / "test.jsonl"],
            out=folder / "adapter",
            name=campaign.name,
            parent=(parent, reference),
        )

    def _recipe(self, parent: "Adapter", campaign: "Campaign") -> "Recipe":
        """Production's own, on rows whose columns are called by their roles."""
        from recipes import Recipe
        from recipes.answer import Voice

        said = Voice.of(parent).recipe.to_dict()
        for block in ("columns", "labels", "format"):
            said["data"].pop(block, None)
        said["data"] |= {"repeats": "keep", "pii": "allow"}  # what is stored is masked already
        return Recipe.from_dict(said, **campaign.set)

    def _finish(self, campaign: "Campaign", begun: _Round) -> Refreshed:
        """Gate, publish and let it prove itself."""
        folder = self._folder(campaign.name, begun.number)
        gain, low, high, rows = self._gain(campaign.name, begun, folder)
        told = (
            f"trained on {begun.new:,} new and {begun.replayed:,} older rows; on the {rows:,} newest its log loss is "
            f"{gain:+.4f} [{low:+.4f}, {high:+.4f}] better than that of @{begun.production}"
        )
        if gain <= 0:
            self._close(campaign.name, begun)
            return Refreshed(campaign.name, "not better", told)
        key = hashlib.sha256(f"{self._out.resolve()}\0{begun.number}\0{begun.until!r}".encode()).hexdigest()[
            :32
        ]
        version = self._hub.publish(
            folder / "adapter", campaign.name, base=self._base, publish_id=f"refresh-{key}", message=told
        )
        running = canaries.running(self._log, campaign.name)
        if running is None:
            canaries.start(
                self._hub,
                self._log,
                campaign.name,
                version.number,
                campaign.share,
                campaign.outcome,
                campaign.max_days,
                why=told,
            )
        self._close(campaign.name, begun)
        return Refreshed(campaign.name, "canary", told, version.number)

    def _gain(self, name: str, begun: _Round, folder: Path) -> tuple[float, float, float, int]:
        """How much lower the candidate's log loss is than production's on the newest rows, in nats, with a 95 %
        bootstrap interval over users (Efron 1979), and the rows."""
        from hub.hub import Hub
        from hub.registry.registry import Registry
        from recipes.measure import interval, multilabel_losses, ratio, resample

        rows = [json.loads(line) for line in (folder / "test.jsonl").read_text("utf-8").splitlines()]
        shutil.rmtree(folder / "gate", ignore_errors=True)
        both = Hub(folder / "gate")
        both.publish(self._hub.read(f"{name}@{begun.production}"), name, force_reason="to compare with")
        both.publish(folder / "adapter", name, force_reason="to be compared")
        registry = Registry(both, self._base, follow=False)
        try:
            losses = []
            for number in (1, 2):
                asked = [_request(f"{name}@{number}", row) for row in rows]
                answers: list[Any] = registry.run(asked)
                if error := next((each for each in answers if isinstance(each, RepertoireError)), None):
                    raise error
                truth = [[row["clicked"]] for row in rows]
                losses.append(multilabel_losses(truth, [[each[0].probability] for each in answers]))
        finally:
            registry.close()
            shutil.rmtree(folder / "gate", ignore_errors=True)
        gain = losses[0] - losses[1]
        users = np.unique([str(row.get("user", at)) for at, row in enumerate(rows)], return_inverse=True)[1]
        means = {"gain": ratio(gain, np.ones(len(gain)), users)}
        drawn = interval(resample(means, int(users.max()) + 1, seed=begun.number)["gain"])
        return float(gain.mean()), drawn["low"], drawn["high"], len(rows)

    def _is_trained(self, name: str, begun: _Round) -> bool:
        return (self._folder(name, begun.number) / "adapter" / "adapter_config.json").exists()

    def _close(self, name: str, begun: _Round) -> None:
        self._write(name, {"done": begun.number, "until": begun.until, "round": None})

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


@contextmanager
def _own(name: str, found: dict[str, Refreshed]) -> Iterator[None]:
    """What is wrong with a campaign is its own result."""
    try:
        yield
    except RepertoireError as error:
        found[name] = Refreshed(name, "failed", str(error))


def _request(reference: str, row: Mapping[str, Any]) -> Recommend:
    columns = {name: cell for name, cell in row.items() if name not in ("user", "clicked", "weight")}
    return Recommend(reference, str(row.get("user", "")), [columns])


def _replace(path: Path, text: str) -> None:
    """A file that is whole at any moment, and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
