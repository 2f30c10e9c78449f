"""Several drafts of one text, and which of them is given: the one that is most like the others.

    Alpine is a pub by the river.        0.71
    Alpine is a riverside pub.           0.74    is given
    Alpine, a coffee shop in town.       0.42    a slip that hardly another draft shares

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


def warm(how: Sampling, min_p: float | None = None) -> Sampling:
    """How drafts that must differ are drawn: as it says, unless that always writes the likeliest words.

    Args:
        how: as it says.
        min_p: in place of ours, where it says none.
    """
    least = _LEAST if min_p is None else min_p
    return how if how.temperature else replace(how, temperature=_WARM, min_p=how.min_p or least)


def draws(how: Sampling, drafts: int, min_p: float | None = None) -> list[Sampling]:
    """How each draft of one text is drawn: the first as it says, the others so that they differ.

    Args:
        how: of the first one; the others have the seeds that follow its own.
        drafts: how many.
        min_p: as in `warm`.
    """
    others = warm(how, min_p)
    return [how, *(replace(others, seed=how.seed + at) for at in range(1, drafts))]


def chosen(texts: Sequence[str]) -> int:
    """The place of the text that is most like the others, by the mean of its chrF1 with each; the earliest of
    several."""
    if len(texts) <= 2:
        return 0
    from sacrebleu.metrics import CHRF  # not for those who draw one draft

    metric, counts = CHRF(beta=1), Counter(texts)
    likeness = {text: 100.0 * (count - 1) for text, count in counts.items()}
    for one, other in combinations(counts, 2):  # either way: the precision of one is the recall of the other
        alike = metric.sentence_score(one, [other]).score
        likeness[one] += alike * counts[other]
        likeness[other] += alike * counts[one]
    return max(range(len(texts)), key=lambda at: (likeness[texts[at]], -at))
