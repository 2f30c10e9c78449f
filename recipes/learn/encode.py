"""Examples as tokens: the same in training, in evaluation and when a registry answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.examples import Example, Splits
from recipes.learn.frame import PromptFrame, rendered
from recipes.tasks.task import task_for, text_task

if TYPE_CHECKING:
    from adapters.base import Base, Reader
    from recipes.recipe import Recipe


@dataclass(frozen=True)
class EncodedRow:
    """One example. ids: what the model reads; target: the copy's tokens with the end token, for ad copy; part: of the
    training rows, see `held_out`."""

    ids: tuple[int, ...]
    target: tuple[int, ...] = ()
    label: int | tuple[int, ...] | None = None
    weight: float = 1.0
    part: int | None = field(default=None, repr=False)  # a snapshot knows rows by what is trained on

    def __len__(self) -> int:
        return len(self.ids) + len(self.target)


def encode(
    base: "Base", recipe: "Recipe", examples: Sequence[Example], frame: PromptFrame | None = None
) -> list[EncodedRow]:
    """Tokenize examples, each cut to the recipe's `max_tokens` (a head's text at its less telling end,
    copy at its end). frame: what stands around a prompt.
    """
    limit = token_limit(base, recipe)
    if task_for(recipe.task).ANSWERS == "texts":
        rows = []
        for example in examples:
            ids = encode_prompt(base, recipe, example.text, frame)
            target = encode_copy(base, example.copy or "")[: max(0, limit - len(ids))]
            rows.append(EncodedRow(ids, target, None, example.weight))
        return rows
    texts = encode_texts(base, recipe, [example.text for example in examples])
    return [EncodedRow(ids, (), e.label, e.weight) for ids, e in zip(texts, examples, strict=True)]


def encode_texts(base: "Base", recipe: "Recipe", texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Token ids of texts for a head.

    Args:
        base: whose tokenizer is asked.
        recipe: a text over its limit is cut at the task's less telling end.
        texts: as the task rendered them.
    """
    limit, step = token_limit(base, recipe), cut_step(base, recipe)

    def cut(texts: list[str], most: int) -> list[list[int]]:
        return base.tokenizer(texts, truncation=True, max_length=most)["input_ids"]  # type: ignore[no-any-return]

    with base.tokenizing:
        base.tokenizer.truncation_side = task_for(recipe.task).CUT
        ids = cut(list(texts), limit) if step == 1 else base.tokenizer(list(texts))["input_ids"]
        by_length: dict[int, list[int]] = {}
        for place, row in enumerate(ids):
            if (over := len(row) - limit) > 0:
                by_length.setdefault(len(row) - -(-over // step) * step, []).append(place)
        for most, places in by_length.items():
            for place, row in zip(places, cut([texts[place] for place in places], most), strict=True):
                ids[place] = row
    return [tuple(row) for row in ids]


def cut_step(base: "Base", recipe: "Recipe") -> int:
    """By how many tokens at a time a text over the limit is cut at its beginning. Rows of one user and ads of about the
    same length then lose the same tokens, and share what is left of the user; cut to the limit, no two of them would
    begin alike. 1 where nothing could be shared: for an encoder, and where texts are cut at their end."""
    if base.kind == "encoder" or task_for(recipe.task).CUT == "right":
        return 1
    return max(1, min(recipe.data.cut_by, token_limit(base, recipe) // 4))


def encode_prompt(
    base: "Reader", recipe: "Recipe", product: str, frame: PromptFrame | None = None
) -> tuple[int, ...]:
    """Token ids of the prompt for a product: the chat template's user turn, where the base has one. A product whose
    prompt alone would fill the limit is cut at its end, so that room for a text is left.

    Args:
        base: whose tokenizer is asked.
        recipe: whose template the product is put into.
        product: its text, as the task rendered it.
        frame: what stands around the prompt; None for what the base's template has now.
    """
    ids, limit = _prompt(base, recipe, product, frame), token_limit(base, recipe)
    if len(ids) < limit:
        return ids
    most = limit - min(recipe.write.max_new_tokens, limit // 2)
    fits, longest = 0, len(product)
    while fits < longest:  # the most characters whose prompt has at most so many tokens
        middle = (fits + longest + 1) // 2
        if len(_prompt(base, recipe, product[:middle], frame)) <= most:
            fits = middle
        else:
            longest = middle - 1
    return _prompt(base, recipe, product[:fits].rstrip(), frame) if fits else ids


def _prompt(
    base: "Reader", recipe: "Recipe", product: str, frame: PromptFrame | None = None
) -> tuple[int, ...]:
    """The tokens of an uncut product's prompt."""
    text = text_task(recipe.task).prompt(product, recipe)
    with base.tokenizing:
        if frame is not None:
            whole = f"{frame.before}{text}{frame.after}"
            return tuple(_ids(base, whole, add_special_tokens=frame.special))
        if base.tokenizer.chat_template:
            return tuple(_ids(base, rendered(base, text), add_special_tokens=False))
        return tuple(_ids(base, text + "\n"))


def encode_copy(base: "Reader", copy: str) -> tuple[int, ...]:
    """Token ids of a reference text, with the end token: learned like any other, so that writing stops."""
    ids = _ids(base, copy, add_special_tokens=False)
    return (*ids, base.tokenizer.eos_token_id)


def count_tokens(base: "Reader", recipe: "Recipe", example: Example) -> tuple[int, int]:
    """How many tokens an uncut example has: what is read, and what is to be written (0 for heads)."""
    if task_for(recipe.task).ANSWERS == "texts":
        return count_prompt(base, recipe, example.text), len(encode_copy(base, example.copy or ""))
    return count_text(base, example.text), 0


def count_prompt(base: "Reader", recipe: "Recipe", product: str, frame: PromptFrame | None = None) -> int:
    """How many tokens the prompt for an uncut product has."""
    return len(_prompt(base, recipe, product, frame))


def count_text(base: "Reader", text: str) -> int:
    """How many tokens an uncut text has for a head."""
    return len(_ids(base, text))


def _ids(base: "Reader", text: str, **how: Any) -> list[int]:
    """The tokens of an uncut text. `verbose` would warn of a text over the base's limit; whoever reads it cuts it."""
    return list(base.tokenizer(text, verbose=False, **how)["input_ids"])


def token_limit(base: "Reader", recipe: "Recipe") -> int:
    """The most tokens of one row: the recipe's `max_tokens`, or what the base has left beside a prefix."""
    prefix = recipe.prefix.length if recipe.method == "prefix" else 0
    return min(recipe.data.max_tokens, base.max_positions - prefix)


def sample(
    splits: Splits, encoded: list[EncodedRow], most: int, seed: int
) -> tuple[Splits, list[EncodedRow]]:
    """The splits with at most so many training rows, drawn from a seed, and these rows encoded. encoded: all training
    rows, and what may follow them."""
    indices = np.arange(len(splits.train))
    if len(indices) > most:
        indices = np.random.default_rng(seed).choice(len(indices), most, replace=False)
    some = replace(splits, train=tuple(splits.train[index] for index in indices))
    return some, [encoded[index] for index in indices]
