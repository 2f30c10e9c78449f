"""An endless, seeded stream of English and Chinese documents about the made-up market: what the starter learns from.

`documents(seed)` yields plain text and chats; nothing is downloaded and nothing is copied from real text. About two
documents in three are English. Names and prices are made up anew in each document, so that a model can only get
them right by copying them from the prompt.
"""

import random
from collections.abc import Callable, Iterator

from adapters.starter.build.ads import chat_ad, copying, plain_ad
from adapters.starter.build.clicks import clicks, summary, will_click
from adapters.starter.build.grammar import any_language
from adapters.starter.build.talk import facts, general, intent, review, search, service
from adapters.starter.words import Language

_KINDS: tuple[tuple[float, Callable[[random.Random, Language, bool], str]], ...] = (
    (0.28, chat_ad),
    (0.06, plain_ad),
    (0.06, copying),
    (0.22, clicks),
    (0.05, will_click),
    (0.04, summary),
    (0.06, intent),
    (0.08, review),
    (0.05, service),
    (0.03, search),
    (0.03, facts),
    (0.04, general),
)

_WEIGHTS = [weight for weight, _ in _KINDS]

_MAKERS = [maker for _, maker in _KINDS]


def document(rng: random.Random, held_out: bool = False) -> str:
    """One document; with `held_out` its product names are from the eighth that training text never has."""
    language = any_language(rng)
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng, language, held_out)


def documents(seed: int, held_out: bool = False) -> Iterator[str]:
    """The endless stream for a seed; the same seed gives the same documents."""
    rng = random.Random(f"starter corpus {seed} {held_out}")
    while True:
        yield document(rng, held_out)
