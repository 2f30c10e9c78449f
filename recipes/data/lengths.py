"""How long rows are in tokens, and that each has some to learn from."""

from collections.abc import Callable
from dataclasses import dataclass

from recipes.errors import DataError, Problem
from recipes.examples import Example, Splits


@dataclass(frozen=True)
class Lengths:
    """How long the examples are in tokens: the longest, and how many of how many are cut at `max_tokens`."""

    longest: int
    cut: int
    rows: int
    max_tokens: int

    def __str__(self) -> str:
        if not self.cut:
            return f"the longest of {self.rows} rows has {self.longest} tokens; none is cut"
        return (
            f"{self.cut} of {self.rows} rows have more than {self.max_tokens} tokens and are cut (the longest has "
            f"{self.longest}); data.max_tokens says where"
        )


def check_lengths(
    splits: Splits, count_tokens: Callable[[Example], tuple[int, int]], max_tokens: int
) -> Lengths:
    """Make sure that every row has tokens to learn from.

    count_tokens: an example's tokens as (what is read, what is to be written: 0 for heads). Raises DataError with every
    row whose prompt alone fills `max_tokens`, so that no token of its copy is left, and every row without any token.
    """
    problems = []
    longest = cut = rows = 0
    for example in (*splits.train, *splits.validation, *splits.test):
        read, written = count_tokens(example)
        rows, longest, cut = rows + 1, max(longest, read + written), cut + (read + written > max_tokens)
        if example.copy is not None and read >= max_tokens:
            fix = f"Set data.max_tokens above {read + min(written, 16)}, or shorten the product's text"
            message = (
                f"the prompt alone has {read} tokens of {max_tokens}, so that nothing of the copy is left"
            )
            problems.append(Problem(example.file, message, fix, line=example.line))
        elif read + written == 0:
            problems.append(
                Problem(example.file, "the text has no token", "Write words the model can read", example.line)
            )
    if problems:
        raise DataError(problems)
    return Lengths(longest, cut, rows, max_tokens)
