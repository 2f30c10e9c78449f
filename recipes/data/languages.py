"""Which languages a client's texts are in. A few words alone are a guess ("wuu", "pcm"): they count as a language only
where longer texts of the same data show it, else as unsure."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

UNSURE, NONE = "unsure", "none"
"""Of texts whose language nobody can tell, and of those without letters."""

_SURE = 0.5  # of the model's probability
_SHOWN = 0.02  # of the sure texts that a language must have before it explains unsure ones


def language_shares(texts: Sequence[str]) -> dict[str, float]:
    """Share of the texts in each language, the commonest first.

    Args:
        texts: what people wrote, without what a template adds.

    Returns:
        ISO 639 code, "unsure" or "none" -> share.
    """
    lettered = [text for text in texts if any(map(str.isalpha, text))]
    guesses = [_guess(text) for text in lettered]
    sure = Counter(code for code, probability in guesses if probability >= _SURE)
    shown = {code for code, count in sure.items() if count >= _SHOWN * sure.total()}
    if not sure and lettered:  # nothing but short ones: all of them are one long text
        code, probability = _guess("\n".join(lettered))
        shown = {code} if probability >= _SURE else set()
    found = Counter(code if p >= _SURE or code in shown else UNSURE for code, p in guesses)
    found[NONE] = len(texts) - len(lettered)
    return {code: count / len(texts) for code, count in found.most_common() if count}


def _guess(text: str) -> tuple[str, float]:
    """The likeliest language of a text and its probability."""
    code, probability = _model().classify(text)
    return str(code), float(probability)


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # reads its model of all languages

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
