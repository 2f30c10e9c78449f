"""What a client's data is like, before anything is trained on it: rows, labels, languages, lengths, repetitions."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rich.table import Table

from recipes.data import pii
from recipes.data.facts import PARTS, Near, Profile, Tokens
from recipes.data.languages import language_shares
from recipes.data.near_duplicates import near_any
from recipes.examples import Example, Splits
from recipes.measure.baselines import labels_of

if TYPE_CHECKING:
    from recipes.recipe import Recipe

_LANGUAGES, _TOKENS, _NEAR = 1_000, 10_000, 10_000  # rows that are looked at, spread over the data
_LISTED = 8  # labels that the table spells out
_KINDS = {"email": "e-mail addresses", "phone": "phone numbers"}
T = TypeVar("T")


def profile(
    splits: Splits, recipe: "Recipe", count: Callable[[Example], int] | None = None, limit: int = 0
) -> Profile:
    """Look at data that `load_splits` found sound.

    count: an example's tokens, all that the model reads and writes; limit: the most that it sees of them.
    """
    parts: dict[str, list[Example]] = {part: list(_rows(getattr(splits, part))) for part in PARTS}
    texts = {part: [_text(example) for example in rows] for part, rows in parts.items()}
    every = list(chain.from_iterable(parts.values()))
    return Profile(
        rows={part: len(rows) for part, rows in parts.items()},
        labels={part: _balance(getattr(splits, part), splits.labels) for part in PARTS if splits.labels},
        languages=language_shares([_own_words(example) for example in spread(every, _LANGUAGES)]),
        repeated={part: len(each) - len(set(each)) for part, each in texts.items()},
        near=_near(texts),
        private=_private(every, recipe.data.pii),
        tokens=None if count is None else _lengths([count(e) for e in spread(every, _TOKENS)], limit),
    )


def profile_table(found: Profile) -> Table:
    """A profile as a table, one column per split; what is said of all rows stands below."""
    result = Table(title="The data", caption=_caption(found), title_justify="left", caption_justify="left")
    result.add_column("")
    for part in PARTS:
        result.add_column(part, justify="right")
    result.add_row("rows", *(f"{found.rows.get(part, 0):,}" for part in PARTS))
    names = list(found.labels.get("train", ()))
    if len(names) > _LISTED:
        rarest = (min(shares.values()) for shares in map(found.labels.__getitem__, PARTS))
        result.add_row(f"share of the rarest of {len(names)} labels", *map(_percent, rarest))
        names = []
    for name in names:
        result.add_row(name, *(_percent(found.labels[part][name]) for part in PARTS))
    result.add_row("text seen before in the split", *(f"{found.repeated.get(part, 0):,}" for part in PARTS))
    near = (found.near.get(part, Near()) for part in PARTS[1:])
    looked = (f"{each.near:,} of {each.looked_at:,}" for each in near)
    result.add_row("all but repeats a training row", "", *looked)
    return result


def spread(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the items, at even distances."""
    if len(items) <= most:
        return items
    return [items[number * len(items) // most] for number in range(most)]


def _rows(examples: Sequence[Example]) -> Iterator[Example]:
    """One example of each row: the two halves of impressions and clicks follow each other."""
    last: Hashable = None
    for example in examples:
        if example.origin != last:
            yield example
        last = example.origin


def _text(example: Example) -> str:
    return example.text if example.copy is None else f"{example.text}\n{example.copy}"


def _balance(examples: Sequence[Example], labels: Sequence[str]) -> dict[str, float]:
    sums = [0.0] * len(labels)
    total = 0.0
    for example in examples:
        total += example.weight
        for label in labels_of(example):
            sums[label] += example.weight
    return {name: gained / total for name, gained in zip(labels, sums, strict=True)}


def _near(texts: Mapping[str, Sequence[str]]) -> dict[str, Near]:
    looked_at = {part: spread(texts[part], _NEAR) for part in PARTS[1:]}
    found = iter(near_any(list(chain.from_iterable(looked_at.values())), list(dict.fromkeys(texts["train"]))))
    return {
        part: Near(looked_at=len(each), near=sum(next(found) for _ in each))
        for part, each in looked_at.items()
    }


def _own_words(example: Example) -> str:
    """The cells, not the text: what a template adds is in the template's language."""
    return "\n".join([*example.fields.values(), example.copy or ""])


def _private(examples: Sequence[Example], handling: str) -> dict[str, int]:
    """How many were masked or let through; what was refused is not here."""
    counts = dict.fromkeys(_KINDS.values(), 0)
    for example in examples if handling != "refuse" else ():
        cells = {**example.fields, "copy": example.copy or ""}
        for kind, name in _KINDS.items():
            found = chain.from_iterable(pii.find(cell, column) for column, cell in cells.items())
            counts[name] += sum(private.kind == kind for private in found) if handling != "mask" else 0
            counts[name] += (
                sum(cell.count(f"<{kind}>") for cell in cells.values()) if handling != "allow" else 0
            )
    return counts


def _lengths(counts: Sequence[int], limit: int) -> Tokens:
    median, p95 = (int(value) for value in np.percentile(counts, [50, 95], method="inverted_cdf"))
    over = sum(count > limit for count in counts)
    return Tokens(looked_at=len(counts), median=median, p95=p95, longest=max(counts), limit=limit, over=over)


def _caption(found: Profile) -> str:
    commonest = list(found.languages.items())[:4]
    lines = [f"languages: {', '.join(f'{code} {_percent(share)}' for code, share in commonest)}"]
    if (tokens := found.tokens) is not None:
        lines.append(
            f"tokens: half of {tokens.looked_at:,} rows have at most {tokens.median}, 95 of 100 at most "
            f"{tokens.p95}, the longest {tokens.longest}; {tokens.over:,} are over the limit of "
            f"{tokens.limit} and are cut"
        )
    lines += [f"{name}: {count:,}" for name, count in found.private.items() if count]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
