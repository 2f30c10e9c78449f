"""From phrases to sentences: symbols are expanded again and again, and the facts about a product are put in."""

import random
import re
from collections.abc import Mapping

from adapters.starter.build.phrases import EN_WORDS, GRAMMAR
from adapters.starter.words import Language
from adapters.starter.world import Product

ENGLISH_SHARE = 0.65

_SYMBOL = re.compile(r"\[(\w+)(!?)\]")

_VOWELS = tuple("aeiou")


def any_language(rng: random.Random) -> Language:
    """English for about two documents in three."""
    return "en" if rng.random() < ENGLISH_SHARE else "zh"


def expand(rng: random.Random, text: str, language: Language) -> str:
    """Replaces every [symbol] by one of its phrases, and [symbol!] by one that starts with a capital."""
    grammar = GRAMMAR[language]

    def choose(match: re.Match[str]) -> str:
        phrase = expand(rng, rng.choice(grammar[match[1]]), language)
        return phrase[:1].upper() + phrase[1:] if match[2] else phrase

    return _SYMBOL.sub(choose, text)


def with_article(phrase: str) -> str:
    """The phrase with its English article."""
    return ("an " if phrase.startswith(_VOWELS) else "a ") + phrase


def capital(text: str) -> str:
    """The text with a capital in front."""
    return text[:1].upper() + text[1:]


def product_values(rng: random.Random, p: Product, language: Language) -> dict[str, str]:
    """What the templates may say about a product."""
    f, m, people, colour, c = (
        getattr(w, language) for w in (p.feature, p.material, p.people, p.colour, p.category)
    )
    values = {
        "name": p.name,
        "brand": p.brand,
        "model": p.model,
        "c": c,
        "m": m,
        "f": f,
        "F": capital(f),
        "people": people,
        "People": capital(people),
        "colour": colour,
        "Colour": capital(colour),
    }
    if language == "zh":
        sign = rng.choice(("元", "元", "块"))
        return values | {"price": f"{p.price}{sign}", "off": f"{p.discount}%"}
    adj, plural = rng.choice(EN_WORDS["adj"]), p.category.plural
    return values | {
        "price": f"${p.price}",
        "off": f"{p.discount}%",
        "a_c": c if plural else with_article(c),
        "a_adj_c": f"{adj} {c}" if plural else with_article(f"{adj} {c}"),
        "a_adj": with_article(adj),
        "is": "are" if plural else "is",
        "has": "have" if plural else "has",
        "s": "" if plural else "s",
        "it": "they" if plural else "it",
        "It": "They" if plural else "It",
        "it_o": "them" if plural else "it",
        "s_m": "s",
        "s_f": "s",
        "s_w": "s",
    }


def say(rng: random.Random, template: str, values: Mapping[str, str], language: Language) -> str:
    """A phrase with its symbols expanded and these facts put in."""
    return expand(rng, template, language).format_map(values)
