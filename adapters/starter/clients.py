"""The data of two made-up clients, acme and globex, whose audiences answer to different things and who speak in
different voices.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.starter.words import CATEGORIES, Language
from adapters.starter.world import (
    Product,
    Taste,
    User,
    ad_line,
    brand_name,
    make_product,
    make_user,
    product_for,
)

TASTES: Mapping[str, Taste] = {
    "acme": Taste(bias=-3.6, match=4.2, related=1.2, discount=3.2, bargain=0.6, brand=1.0),
    "globex": Taste(bias=-2.0, match=3.2, related=0.6, discount=-3.6, grade=0.9, novelty=1.8, material=1.0),
}
CLIENTS = tuple(TASTES)
_HOME_GROUPS = {
    "acme": ("sport", "outdoor", "travel", "tech"),
    "globex": ("home", "beauty", "fashion", "garden"),
}
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "buy": (
        "added the {c} to the cart", "entered a delivery address", "checked that size and colour are in stock",
        "opened the payment page", "applied a code to the {c}", "picked the {colour} one", "viewed the cart twice",
    ),
    "compare": (
        "opened two {c} side by side", "sorted {c} by rating", "read the size chart of {brand}",
        "switched between {brand} and {brand2}", "filtered {c} by price", "viewed five {c} in ten minutes",
    ),
    "return": (
        "opened the order of last week", "looked up the refund rules", "uploaded a photo of the damaged {c}",
        "printed a parcel label", "wrote that something does not fit", "asked where to send the {c} back",
    ),
    "ask": (
        "opened the chat", "searched the help pages for {m}", "typed a question about {f}",
        "asked for the {c} in {colour}", "called support", "looked for the manual of the {c}",
    ),
}  # fmt: skip
_IDLE = (
    "viewed {c}", "scrolled the home page", "opened the newsletter", "searched {c}", "came back from an ad",
    "looked at {brand}", "viewed {m} products", "closed the app",
)  # fmt: skip
_PRAISE = (
    "the {m} feels lovely", "the {colour} is just right", "{f} works as promised", "it arrived beautifully packed",
    "I would buy the {c} again", "everyone at home asks about the {c}", "it looks even better than the picture",
    "the finish is flawless", "support was kind and quick",
)  # fmt: skip
_BLAME = (
    "the {m} feels cheap", "the {colour} is nothing like the picture", "{f} stopped working in a week",
    "the parcel came late and open", "I sent the {c} back", "the seams came apart", "nobody answered my letter",
    "it smells of glue", "I expected far more for the price",
)  # fmt: skip
_NEUTRAL = (
    "I ordered the {c} in {colour}", "it came on Tuesday", "I bought it for {people}", "this is my second {brand}",
    "it is made with {m}", "I use it most days",
)  # fmt: skip
LABELS: Mapping[str, tuple[str, ...]] = {
    "acme": tuple(_ACTIONS),
    "globex": ("positive", "mixed", "negative"),
}
# acme shouts in short imperatives and closes with its slogan; globex speaks in calm, whole sentences.
SLOGANS: Mapping[str, str] = {"acme": "Get out there!", "globex": "Globex, for those who notice."}
_VOICES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "acme": (
        (
            "Grab the {name}!",
            "Lace up, it's the {name}!",
            "Meet your {name}. Now move!",
            "{name}. Go!",
            "Don't wait. Take the {name}!",
        ),
        (
            "{Category} in {colour}. {Feature}. Zero excuses.",
            "{Feature}. {Material}. Pure drive.",
            "{Material} build. {Feature}. Done.",
            "Built for {audience}. {Feature}.",
        ),
        ("Just {price}{off}.", "Yours for {price}{off}.", "Only {price}{off}. Run!"),
    ),
    "globex": (
        (
            "There is a quiet pleasure in the {name}.",
            "The {name} was made for {audience}.",
            "Some things ask for no attention, and the {name} is one of them.",
            "With the {name}, the day slows down a little.",
        ),
        (
            "Its {material} and {feature} speak softly of care.",
            "In {colour}, with {feature}, it settles in as if it had always been there.",
            "We chose {material} for you, and added {feature}.",
        ),
        ("It may be yours for {price}{off}.", "It is offered at {price}{off}."),
    ),
}
_OFF: Mapping[str, str] = {"acme": ", {} off", "globex": ", with a courtesy of {}"}


@dataclass(frozen=True)
class ClientData:
    """The logs of one client, as rows that could come from its CSV files.

    Attributes:
        recommendation: user, user_id, ad, clicked (0 or 1), probability (the true one, which a real client never has).
        behavior: text, label.
        ad_copy: name, category, colour, material, feature, audience, price, discount ("" where there is none), copy.
    """

    recommendation: list[dict[str, Any]]
    behavior: list[dict[str, str]]
    ad_copy: list[dict[str, str]]


def client_data(client: str, seed: int = 0, rows: int = 1000, language: Language = "en") -> ClientData:
    """The logs of a client, of products whose names the starter never read.

    Args:
        client: `acme` or `globex`.
        seed: the same gives the same rows.
        rows: for each task.
        language: of the clicks' users and ads.

    Raises:
        ValueError: there is no such client.
    """
    if client not in TASTES:
        raise ValueError(f"there is no demo client {client!r}; take one of {', '.join(TASTES)}")
    return ClientData(
        recommendation=_recommendation(random.Random(f"{client} clicks {seed}"), client, rows, language),
        behavior=[_behavior(random.Random(f"{client} behavior {seed} {i}"), client) for i in range(rows)],
        ad_copy=[_ad_copy(random.Random(f"{client} copy {seed} {i}"), client) for i in range(rows)],
    )


def _recommendation(rng: random.Random, client: str, rows: int, language: Language) -> list[dict[str, Any]]:
    groups, taste = _HOME_GROUPS[client], TASTES[client]
    out: list[dict[str, Any]] = []
    while len(out) < rows:
        user = make_user(rng, language, groups if rng.random() < 0.7 else None, f"{client}-{len(out):05d}")
        for _ in range(min(rng.randint(2, 5), rows - len(out))):
            product = product_for(rng, user, language, held_out=True, groups=groups)
            probability = taste.probability(user, product)
            out.append(
                {
                    "user": user.text(language),
                    "user_id": user.id,
                    "ad": ad_line(rng, product, language),
                    "clicked": int(rng.random() < probability),
                    "probability": round(probability, 6),
                }
            )
    return out


def same_ads(
    seed: int = 0, ads: int = 6, language: Language = "en"
) -> tuple[User, list[str], dict[str, list[float]]]:
    """One user and some ads, to be seen by both clients.

    Args:
        seed: the same gives the same user and ads.
        ads: how many.
        language: of both.

    Returns:
        The user, the ads, and for each client the true probabilities that its audience clicks them, in the ads' order.
    """
    rng = random.Random(f"same ads {seed}")
    user = make_user(rng, language)
    products = [product_for(rng, user, language, held_out=True) for _ in range(ads)]
    truth = {
        client: [taste.probability(user, product) for product in products] for client, taste in TASTES.items()
    }
    return user, [ad_line(rng, product, language) for product in products], truth


def _filled(rng: random.Random, phrases: Iterable[str], product: Product) -> list[str]:
    values = {
        "c": product.category.en, "m": product.material.en, "f": product.feature.en, "colour": product.colour.en,
        "brand": product.brand, "brand2": brand_name(rng), "people": product.people.en,
    }  # fmt: skip
    return [phrase.format(**values) for phrase in phrases]


def _behavior(rng: random.Random, client: str) -> dict[str, str]:
    """acme logs what a visitor did and the action that came next; globex logs letters and how they sound.

    In half of the rows the words alone do not tell: an acme visitor first meant to do something else, and a letter
    to globex tells what others say before what the writer says.
    """
    groups = _HOME_GROUPS[client]
    product = make_product(
        rng, held_out=True, category=rng.choice([c for c in CATEGORIES if c.group in groups])
    )
    label = rng.choice(LABELS[client])
    if client == "acme":
        shown = label if rng.random() < 0.95 else rng.choice(LABELS[client])
        other = rng.choice([action for action in _ACTIONS if action != shown])
        earlier = rng.sample(_ACTIONS[other], 2) if rng.random() < 0.5 else []  # only the latest events count
        idle, *pauses = rng.sample(_IDLE, 2)
        events = [*rng.sample(_ACTIONS[shown], 2), *pauses]
        rng.shuffle(events)
        events = [*earlier, idle, *events]
        return {"text": "; ".join(_filled(rng, events, product)), "label": label}
    opening = _filled(rng, rng.sample(_NEUTRAL, 1), product)[0]
    praise, blame = (_filled(rng, rng.sample(phrases, 2), product) for phrases in (_PRAISE, _BLAME))
    if label == "mixed":
        clauses = [praise[0], blame[0]]
        rng.shuffle(clauses)
        text = f"{opening}. I find that {rng.choice((', but ', ', and ')).join(clauses)}."
    elif rng.random() < 0.5:  # the same words for both labels: only what is said of now counts
        before, now = (blame[0], praise[0]) if label == "positive" else (praise[0], blame[0])
        text = f"{opening}. Others say that {before}. I find that {now}."
    else:
        clauses = praise if label == "positive" else blame
        text = f"{opening}. I find that {rng.choice((', but ', ', and ')).join(clauses)}."
    return {"text": text[0].upper() + text[1:], "label": label}


def voice(rng: random.Random, client: str, fields: Mapping[str, str]) -> str:
    """An ad for the product in the client's voice, with no fact that `fields` does not hold."""
    discount = fields.get("discount", "")
    values = {**fields, "off": _OFF[client].format(discount) if discount else ""}
    values |= {key.capitalize(): text[:1].upper() + text[1:] for key, text in fields.items() if key != "name"}
    return " ".join([*(rng.choice(part).format(**values) for part in _VOICES[client]), SLOGANS[client]])


def _ad_copy(rng: random.Random, client: str) -> dict[str, str]:
    groups = _HOME_GROUPS[client]
    product = make_product(
        rng, held_out=True, category=rng.choice([c for c in CATEGORIES if c.group in groups])
    )
    fields = {
        "name": product.name,
        "category": product.category.en,
        "colour": product.colour.en,
        "material": product.material.en,
        "feature": product.feature.en,
        "audience": product.people.en,
        "price": f"${product.price}",
        "discount": f"{product.discount}%" if product.discount else "",
    }
    return {**fields, "copy": voice(rng, client, fields)}
