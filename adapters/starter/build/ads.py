"""Documents that hold an ad: in any voice, of any product, and of names that are made of any letters."""

import random
from dataclasses import replace

from adapters.starter.build.chat import END, chat
from adapters.starter.build.grammar import any_language, expand, product_values, say
from adapters.starter.build.phrases import ASK_AD, EN_WORDS, FIELDS, GRAMMAR, NEEDS
from adapters.starter.words import Language
from adapters.starter.world import Product, brand_name, make_product, model_name

_STYLES: tuple[tuple[str, ...], ...] = (
    ("open", "body", "price"),
    ("open", "body", "body", "price", "end"),
    ("open", "price"),
    ("open", "body", "end"),
    ("body", "open", "price"),
    ("open", "more", "body", "price"),
    ("open", "body", "end", "price"),
)

_CONSONANTS, _LETTERS = "bcdfghjklmnpqrstvwxz", "abcdefghijklmnopqrstuvwxyz"

# The 3,755 everyday characters of GB 2312, level 1: rows 0xB0 to 0xD7, of which the last has five gaps.
_COMMON_HAN = bytes(
    byte for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF) for byte in (high, low)
).decode("gb2312", "ignore")


def write_ad(rng: random.Random, p: Product, language: Language, given: frozenset[str]) -> str:
    """An ad in one of many voices that says only what is in `given` (field names; the name always is)."""
    values = product_values(rng, p, language)
    parts: list[str] = []
    for part in rng.choice(_STYLES):
        symbol = part
        if part == "price":
            priced, off = "price" in given, "discount" in given and p.discount > 0
            symbol = {(True, True): "price_off", (True, False): "price", (False, True): "off"}.get(
                (priced, off), "end"
            )
        parts.append(_pick(rng, symbol, given, language))
    joiner = " " if language == "en" else ""
    text = joiner.join(say(rng, part, values, language) for part in dict.fromkeys(parts))
    if rng.random() < 0.15:
        text = text.replace(". ", "! ", 1) if language == "en" else text.replace("。", "！", 1)
    return text


def _pick(rng: random.Random, symbol: str, given: frozenset[str], language: Language) -> str:
    """A phrase of this symbol that needs no field that is not given."""
    phrases = GRAMMAR[language][symbol]
    for _ in range(12):
        phrase = rng.choice(phrases)
        if all(field in given for mark, field in NEEDS.items() if mark in phrase):
            return phrase
    return rng.choice(GRAMMAR[language]["end"])


def product_lines(rng: random.Random, p: Product, language: Language) -> tuple[str, frozenset[str]]:
    """The product as the prompt gives it, in lines or in a sentence, and the names of the fields that it gives."""
    off = f"{p.discount}%" if p.discount else ""
    cells = {"name": p.name, "price": f"${p.price}" if language == "en" else f"{p.price}元", "discount": off}
    for field in ("category", "colour", "material", "feature", "people"):
        cells[field] = getattr(getattr(p, field), language)
    order = ["name", "category", "colour", "material", "feature", "people", "price", "discount"]
    if rng.random() < 0.5:
        keep = rng.randint(2, 7)
        order = ["name", *rng.sample(order[1:], keep)]
        if rng.random() < 0.4:
            rng.shuffle(order)
    given = frozenset(order) | ({"brand"} if p.name.startswith(p.brand) else frozenset())
    if rng.random() < 0.15:
        joint, colon = (", ", " ") if language == "en" else ("，", "")
        bare = [
            ("" if f in ("name", "category", "price") else f"{FIELDS[language][f][0]}{colon}") + cells[f]
            for f in order
        ]
        return joint.join(cell for cell, field in zip(bare, order, strict=True) if cells[field]), given
    colon = rng.choice((": ", ": ", ": ", "=", " - ")) if language == "en" else rng.choice(("：", "：", ": "))
    own = rng.random() < 0.6
    lines = []
    for field in order:
        names = FIELDS[language][field]
        label = names[0] if own else rng.choice(names)
        if cells[field] or rng.random() < 0.3:
            lines.append(f"{label}{colon}{cells[field]}".rstrip(" "))
    return "\n".join(lines), given


def chat_ad(rng: random.Random, language: Language, held_out: bool) -> str:
    """A request for an ad and the ad, sometimes a second one."""
    p = make_product(rng, language, held_out)
    lines, given = product_lines(rng, p, language)
    ask, ad = rng.choice(ASK_AD[language]), write_ad(rng, p, language, given)
    text = chat(f"{ask}\n{lines}", ad)
    if rng.random() < 0.12:
        again = ("Another one.", "Again.", "One more.") if language == "en" else ("再来一句。", "换一个。")
        text += END + chat(rng.choice(again), write_ad(rng, p, language, given))
    return text


def plain_ad(rng: random.Random, language: Language, held_out: bool) -> str:
    """An ad without anybody who asks for it."""
    p = make_product(rng, language, held_out)
    everything = frozenset(
        {"name", "brand", "category", "colour", "material", "feature", "people", "price", "discount"}
    )
    if rng.random() < 0.5:
        return write_ad(rng, p, language, everything)
    lines, given = product_lines(rng, p, language)
    return f"{lines}\n{write_ad(rng, p, language, given)}"


def copying(rng: random.Random, language: Language, held_out: bool) -> str:
    """Names and prices to say again."""
    names = [f"{brand_name(rng, language)} {model_name(rng, language)}" for _ in range(rng.randint(1, 4))]
    joint = ", " if language == "en" else "，"
    kind = rng.random()
    if kind < 0.4:
        ask = rng.choice(("Repeat: ", "Say again: ") if language == "en" else ("重复：", "再说一遍："))
        return chat(ask + joint.join(names), joint.join(names))
    prices = {name: rng.randint(3, 999) for name in names}
    sign = "${}" if language == "en" else "{}元"
    listing = "\n".join(f"{name}: {sign.format(price)}" for name, price in prices.items())
    wanted = rng.choice(names)
    if kind < 0.7:
        ask = f"How much is {wanted}?" if language == "en" else f"{wanted}多少钱？"
        return chat(f"{listing}\n{ask}", sign.format(prices[wanted]))
    cheap = min(prices, key=lambda name: prices[name])
    return chat(f"{listing}\n" + ("Which is the cheapest?" if language == "en" else "哪个最便宜？"), cheap)


def free_name(rng: random.Random, language: Language = "en") -> str:
    """A name out of any letters at all, such as Wuqopi, QXT-9 or Golden Harbour; in Chinese any common characters."""
    if language == "zh" and rng.random() < 0.8:
        return "".join(rng.choices(_COMMON_HAN, k=rng.randint(2, 5)))
    words = []
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        kind = rng.random()
        if kind < 0.4:
            word = "".join(rng.choice(_CONSONANTS) + rng.choice("aeiouy") for _ in range(rng.randint(1, 4)))
            word += rng.choice(("", rng.choice(_CONSONANTS)))
        elif kind < 0.6:
            word = "".join(rng.choices(_LETTERS, k=rng.randint(2, 7)))
        elif kind < 0.9:
            word = rng.choice(EN_WORDS[rng.choice(("adj", "noun", "verb", "adv"))])
        else:
            letters = "".join(rng.choices(_LETTERS, k=rng.randint(1, 4))).upper()
            word = letters + rng.choice(("", "-")) + str(rng.randint(1, 9999))
        words.append(word[:1].upper() + word[1:])
    return rng.choice((" ", " ", " ", "-", " & ")).join(words)


def free_document(rng: random.Random) -> str:
    """A chat whose names and facts are made of any words: what a client writes who never saw this market."""
    language = any_language(rng)
    joint = ", " if language == "en" else "，"
    if rng.random() < 0.25:
        said = joint.join(free_name(rng, language) for _ in range(rng.randint(1, 4)))
        return chat(("Repeat: " if language == "en" else "重复：") + said, said)
    p = make_product(rng, language)
    name = free_name(rng, language)
    quality = "[adj] [noun]" if language == "en" else "[adj][noun]"
    thing, feature, material = (expand(rng, pattern, language) for pattern in ("[noun]", quality, quality))
    p = replace(
        p,
        brand=name,
        model="",
        price=rng.choice((p.price, rng.randint(1, 99), rng.randint(1, 9999))),
        category=replace(p.category, plural=False, en=thing, zh=thing) if rng.random() < 0.7 else p.category,
        feature=replace(p.feature, en=feature, zh=feature) if rng.random() < 0.7 else p.feature,
        material=replace(p.material, en=material, zh=material) if rng.random() < 0.4 else p.material,
    )
    lines, given = product_lines(rng, p, language)
    return chat(f"{rng.choice(ASK_AD[language])}\n{lines}", write_ad(rng, p, language, given - {"brand"}))
