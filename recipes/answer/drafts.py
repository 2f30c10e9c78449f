"""Several drafts of one text, and which of them is given: the one that is most like the others.

    Alpine is a pub.                  0.52
    Alpine is a pub by the river.     0.66    is given
    Alpine is a cafe by the river.    0.56    a slip that hardly another draft shares

That is decoding by minimum Bayes risk (Kumar and Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine
Translation"; by sampling, Eikema and Aziz 2020, arXiv:2005.10283). The likeness is chrF1, that is chrF
with equal weights for both sides.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from adapters.serving import Sampling

# Temperature and min_p of drafts that must differ, where no temperature is given. Tokens that a small base never met,
# such as bytes of other scripts, are thousands, each of them unlikely: of 72 texts of the demo's adapters 53 held some
# at 0.8 without min_p, and 9 so; 72 and 67 were different. Since the rows of these tokens were told apart
# (`adapters/starter/build/unmet.py`), 23 of 72 and 10, of an adapter of acme's; 72 and 69 were different.
_WARM, _LEAST = 0.6, 0.2
_ORDER, _COMPARED = 6, 2_000  # characters: of the longest runs, and of a text


def warm(how: Sampling, min_p: float | None = None) -> Sampling:
    """How drafts that must differ are drawn: as it says, unless that always writes the likeliest words.

    Args:
        how: as it says.
        min_p: in place of ours, where it says none.
    """
    least = _LEAST if min_p is None else min_p
    return how if how.temperature else replace(how, temperature=_WARM, min_p=how.min_p or least)


def draws(how: Sampling, drafts: int, others: int, min_p: float | None = None) -> list[Sampling]:
    """How each draft of one text is drawn: the first as it says, the others so that they differ.

    Args:
        how: of the first one.
        drafts: how many.
        others: the seed of the second one; those of the others follow.
        min_p: as in `warm`.
    """
    differ = warm(how, min_p)
    return [how, *(seeded(differ, others + at) for at in range(drafts - 1))]


def seeded(how: Sampling, seed: int) -> Sampling:
    """With another seed, which goes on at the other end where it leaves 64 bits."""
    return replace(how, seed=(seed + 2**63) % 2**64 - 2**63)


def chosen(texts: Sequence[str]) -> int:
    """The place of the text that is most like the others, by the mean of its chrF1 with each (of the first 2,000
    characters); of several the earliest, and one of nothing only where all are."""
    if len(texts) == 1:
        return 0
    counts = Counter(texts)
    grams = {text: _grams(text) for text in counts}
    likeness = {text: (count - 1) * _chrf1(grams[text], grams[text]) for text, count in counts.items()}
    for one, other in combinations(counts, 2):
        alike = _chrf1(grams[one], grams[other])
        likeness[one] += alike * counts[other]
        likeness[other] += alike * counts[one]
    return max(range(len(texts)), key=lambda at: (likeness[texts[at]], bool(texts[at].strip()), -at))


def _grams(text: str) -> list[Counter[str]]:
    """How often each run of one to six characters stands in it, without spaces."""
    close = "".join(text[:_COMPARED].split())
    return [Counter(close[at : at + n] for at in range(len(close) - n + 1)) for n in range(1, _ORDER + 1)]


def _chrf1(one: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> float:
    """chrF of beta 1, from 0 to 1 (Popović 2015, doi:10.18653/v1/W15-3049), as sacrebleu has it: the harmonic mean of
    precision and recall, each the mean of those orders that both texts have. Which is which makes no difference."""
    both = [(a, b) for a, b in zip(one, other, strict=True) if a and b]
    if not both:
        return 0.0
    same = [(a & b).total() for a, b in both]
    precision = sum(s / a.total() for s, (a, _) in zip(same, both, strict=True)) / len(both)
    recall = sum(s / b.total() for s, (_, b) in zip(same, both, strict=True)) / len(both)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
