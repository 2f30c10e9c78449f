"""Is a candidate better than other versions on the newest rows? By the log loss of what users did: the click, the label
that is right, the text that was kept."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters import read
from adapters.errors import RepertoireError
from hub.feedback.arms import task_of
from hub.registry.requests import Analysis, Analyze, Ranked, Recommend

if TYPE_CHECKING:
    from adapters import Base
    from hub.hub import Hub


@dataclass(frozen=True)
class Gained:
    """How much lower a candidate's log loss is than that of a version, in nats, with a 95 % interval over users, on so
    many rows."""

    over: int
    value: float
    low: float
    high: float
    rows: int


def gained(
    hub: "Hub", base: "Base", name: str, others: Sequence[int], folder: Path, seed: int
) -> list[Gained]:
    """How much better a candidate is than others on the newest rows.

    Args:
        hub: of the other versions.
        base: of all.
        name: `client/campaign/task`.
        others: version numbers, the one that the candidate was trained from first.
        folder: of the round: its `test.jsonl` and `adapter`.
        seed: of the bootstrap.

    Returns:
        One for each of the others.
    """
    from recipes.answer import Voice
    from recipes.data import load_splits
    from recipes.learn import text_losses

    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text("utf-8").splitlines()]
    if task_of(name) == "ad-copy":
        candidate = read(folder / "adapter")
        adapters = [*(hub.read(f"{name}@{number}") for number in others), candidate]
        recipe = Voice.of(candidate).recipe
        splits = load_splits(recipe, [folder / "train.jsonl"], test=[folder / "test.jsonl"])
        losses = text_losses(base, adapters, recipe, splits.test)
    else:
        losses = _losses(hub, base, name, others, folder, rows)
    told = [str(row.get("user", row.get("text", at))) for at, row in enumerate(rows)]
    users = (
        np.unique(told, return_inverse=True)[1]
        if len(told) == len(losses[-1])
        else np.arange(len(losses[-1]))
    )
    return [
        _gained(number, loss - losses[-1], users, seed) for number, loss in zip(others, losses, strict=False)
    ]


def _losses(
    hub: "Hub",
    base: "Base",
    name: str,
    others: Sequence[int],
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
) -> "list[np.ndarray[Any, np.dtype[np.float64]]]":
    """Of the others and of the candidate, `[rows]` each."""
    from hub.hub import Hub
    from hub.registry.registry import Registry
    from recipes.measure import multilabel_losses

    shutil.rmtree(folder / "gate", ignore_errors=True)
    gate = Hub(folder / "gate")
    for number in others:
        gate.publish(hub.read(f"{name}@{number}"), name, force_reason="to compare with")
    gate.publish(folder / "adapter", name, force_reason="to be compared")
    registry, losses = Registry(gate, base, follow=False), []
    try:
        for number in range(1, len(others) + 2):
            answers: list[Any] = registry.run([_request(name, number, row) for row in rows])
            if error := next((each for each in answers if isinstance(each, RepertoireError)), None):
                raise error
            said = [[_probability(each[0], row)] for each, row in zip(answers, rows, strict=True)]
            truth = [[row.get("clicked", 1)] for row in rows]
            losses.append(multilabel_losses(truth, said))
    finally:
        registry.close()
        shutil.rmtree(folder / "gate", ignore_errors=True)
    return losses


def _request(name: str, number: int, row: Mapping[str, Any]) -> Recommend | Analyze:
    """What a version is asked for a row. Whatever else a column is called, such as label, the model reads it."""
    reference, behavior = f"{name}@{number}", task_of(name) == "behavior"
    said = ("label", "weight") if behavior else ("user", "clicked", "weight")
    columns = {key: cell for key, cell in row.items() if key not in said}
    if behavior:
        return Analyze(reference, [columns])
    return Recommend(reference, str(row.get("user", "")), [columns])


def _probability(answer: Ranked | Analysis, row: Mapping[str, Any]) -> float:
    """Of a click, or of the label that is right."""
    return answer.probability if isinstance(answer, Ranked) else answer.probabilities[row["label"]]


def _gained(over: int, gain: Any, users: Any, seed: int) -> Gained:
    """With a bootstrap over users (Efron 1979). gain: `[rows]`; users: of each row, by number."""
    from recipes.measure import interval, ratio, resample

    means = {"gain": ratio(gain, np.ones(len(gain)), users)}
    drawn = interval(resample(means, int(users.max()) + 1, seed=seed)["gain"])
    return Gained(over, float(gain.mean()), drawn["low"], drawn["high"], len(gain))
