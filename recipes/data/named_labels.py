"""What a label is called says what it means: a name of words is a training row of its label.

    row                             card_arrival
    I am still waiting on my card   weight 10/11
    ... nine others                 weight 10/11 each
    card arrival                    weight 10/11

A label's rows and its name together count as the rows did, so that the shares of labels, and with them probabilities,
stay what they were. Validation and test rows and the baselines' training rows have no names.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from recipes.examples import Example, Splits
from recipes.measure.baselines import labels_of, weights_of
from recipes.measure.claims import CJK
from recipes.tasks.task import label_task
from recipes.tasks.templates import placeholders

if TYPE_CHECKING:
    from recipes.recipe import Recipe

_WORD = re.compile(rf"[^\W\d_]{{2}}|[{CJK}]")
_BETWEEN = re.compile(r"[\s_/.:|\\-]+")  # card_arrival, card.arrival: card arrival
_CAMEL = re.compile(r"[a-z]{2,}([A-Z][a-z]+)+")  # cardArrival


def with_names(rows: Sequence[Example], splits: Splits, recipe: "Recipe") -> tuple[Example, ...]:
    """Training rows, then a row for the name of each label that has some; the rows alone where names are not read.

    rows: the training rows of the splits, and what copies they have.
    """
    if not are_read(splits, recipe):
        return tuple(rows)
    label = [labels_of(example)[0] for example in splits.train]
    count = np.bincount(label, minlength=len(splits.labels))
    total = np.bincount(label, weights=weights_of(splits.train), minlength=len(splits.labels))
    share = (count / (count + 1)).tolist()
    kept = (replace(row, weight=row.weight * share[labels_of(row)[0]]) for row in rows)
    each = (total / (count + 1)).tolist()
    names = (_named(at, each[at], splits, recipe) for at in np.flatnonzero(count).tolist())
    return (*kept, *names)


def are_read(splits: Splits, recipe: "Recipe") -> bool:
    """Whether the labels' names are training rows: not without `data.label_names`, where any of them is no word (a
    number, a letter), where texts are made of several columns, and where a row may have several labels."""
    return (
        recipe.data.label_names
        and not splits.multi_label
        and all(_WORD.search(_letters(name)) for name in splits.labels)
        and set(placeholders(recipe.data.prompt or "{text}")) == {"text"}
        and not label_task(recipe.task).carried(splits.train, recipe)
        and all(example.fields.get("text") for example in splits.train)
    )


def _letters(name: str) -> str:
    """Without the marks that some scripts write over, under and beside their letters."""
    return "".join(each for each in name if not unicodedata.category(each).startswith("M"))


def _named(label: int, weight: float, splits: Splits, recipe: "Recipe") -> Example:
    name = splits.labels[label]
    if _CAMEL.fullmatch(name):
        name = re.sub("(?=[A-Z])", " ", name)
    fields = {"text": _BETWEEN.sub(" ", name).strip()}
    text = label_task(recipe.task).render(fields, recipe)
    return Example(text, line=0, label=label, weight=weight, fields=fields, key=f"the name of label {label}")
