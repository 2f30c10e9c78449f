"""How long rows are in tokens, and that each has some to learn from."""

from collections.abc import Callable
from dataclasses import dataclass

from recipes.errors import DataError, Problem
from recipes.examples import Example, Splits

_PRODUCT = 8  # tokens of a product that a prompt must have room for


@dataclass(frozen=True)
class Lengths:
    """How long the examples are in tokens: the longest, and how many of how many are cut at `max_tokens`. products: of
    which the product's own text is cut, since its prompt alone would fill them."""

    longest: int
    cut: int
    rows: int
    max_tokens: int
    products: int = 0

    def __str__(self) -> str:
        if not self.cut:
            return f"the longest of {self.rows} rows has {self.longest} tokens; none is cut"
        products = (
            f"; the products of {self.products} of them are cut at their end, to leave room for the copy"
            if self.products
            else ""
        )
        return (
            f"{self.cut} of {self.rows} rows have more than {self.max_tokens} tokens and are cut (the longest has "
            f"{self.longest}); data.max_tokens says where{products}"
        )


def check_lengths(
    splits: Splits, count_tokens: Callable[[Example], tuple[int, int]], max_tokens: int, least: int = 0
) -> Lengths:
    """Make sure that every row has tokens to learn from.

    count_tokens: an example's tokens as (what is read, what is to be written: 0 for heads). least: tokens of a prompt
    without any product. Raises DataError where that alone leaves less than half of `max_tokens`, so that no product can
    be cut to fit, and with every row without any token.
    """
    problems = []
    longest = cut = rows = products = 0
    for example in (*splits.train, *splits.validation, *splits.test):
        read, written = count_tokens(example)
        rows, longest, cut = rows + 1, max(longest, read + written), cut + (read + written > max_tokens)
        if example.copy is not None and read >= max_tokens and 2 * (least + _PRODUCT) > max_tokens:
            fix = f"Set data.max_tokens above {2 * (least + _PRODUCT)}, or shorten data.prompt"
            message = f"the prompt has {least} tokens of {max_tokens} without its product, and nothing fits beside it"
            problems.append(Problem(example.file, message, fix, line=example.line))
        elif example.copy is not None and read >= max_tokens:
            products += 1
        elif read + written == 0:
            problems.append(
                Problem(example.file, "the text has no token", "Write words the model can read", example.line)
            )
    if problems:
        raise DataError(problems)
    return Lengths(longest, cut, rows, max_tokens, products)
