"""An endless, seeded stream of English and Chinese documents about the made-up market: what the starter learns from.

`documents(seed)` yields plain text and chats; nothing is downloaded and nothing is copied from real text. About two
documents in three are English. Names and prices are made up anew in each document, so that a model can only get
them right by copying them from the prompt.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from adapters.starter.build.phrases import (ASK_AD, EN_WORDS, FACTS, FIELDS, GRAMMAR, INTENTS, NEEDS, SERVICE)
from adapters.starter.words import (CATEGORIES, COLOURS, GROUP_NAMES, PEOPLE)
from adapters.starter.world import (POPULATION, Language, Product, User, ad_line, brand_name, make_product, make_user, model_name, product_for)

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
ANSWERS: Mapping[Language, tuple[str, str]] = {"en": ("Clicked", "Skipped"), "zh": ("点击", "跳过")}

_SYMBOL = re.compile(r"\[(\w+)(!?)\]")


def expand(rng: random.Random, text: str, language: Language) -> str:
    """Replaces every [symbol] by one of its phrases, and [symbol!] by one that starts with a capital."""
    grammar = GRAMMAR[language]

    def choose(match: re.Match[str]) -> str:
        phrase = expand(rng, rng.choice(grammar[match[1]]), language)
        return phrase[:1].upper() + phrase[1:] if match[2] else phrase

    return _SYMBOL.sub(choose, text)


_VOWELS = tuple("aeiou")


def _a(phrase: str) -> str:
    return ("an " if phrase.startswith(_VOWELS) else "a ") + phrase


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _values(rng: random.Random, p: Product, language: Language) -> dict[str, str]:
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
        "F": _cap(f),
        "people": people,
        "People": _cap(people),
        "colour": colour,
        "Colour": _cap(colour),
    }
    if language == "zh":
        sign = rng.choice(("元", "元", "块"))
        return values | {"price": f"{p.price}{sign}", "off": f"{p.discount}%"}
    adj, plural = rng.choice(EN_WORDS["adj"]), p.category.plural
    return values | {
        "price": f"${p.price}",
        "off": f"{p.discount}%",
        "a_c": c if plural else _a(c),
        "a_adj_c": f"{adj} {c}" if plural else _a(f"{adj} {c}"),
        "a_adj": _a(adj),
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


def _say(rng: random.Random, template: str, values: Mapping[str, str], language: Language) -> str:
    return expand(rng, template, language).format_map(values)


# -- ads ---------------------------------------------------------------------------------------------------------

_STYLES: tuple[tuple[str, ...], ...] = (
    ("open", "body", "price"),
    ("open", "body", "body", "price", "end"),
    ("open", "price"),
    ("open", "body", "end"),
    ("body", "open", "price"),
    ("open", "more", "body", "price"),
    ("open", "body", "end", "price"),
)


def write_ad(rng: random.Random, p: Product, language: Language, given: frozenset[str]) -> str:
    """An ad in one of many voices that says only what is in `given` (field names; the name always is)."""
    values = _values(rng, p, language)
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
    text = joiner.join(_say(rng, part, values, language) for part in dict.fromkeys(parts))
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


def chat(user: str, assistant: str) -> str:
    """One exchange, as the tokenizer's chat template renders it (the stream adds the end)."""
    return f"{USER}{user}{ASSISTANT}{assistant}"


def _chat_ad(rng: random.Random, language: Language, held_out: bool) -> str:
    p = make_product(rng, language, held_out)
    lines, given = product_lines(rng, p, language)
    ask, ad = rng.choice(ASK_AD[language]), write_ad(rng, p, language, given)
    text = chat(f"{ask}\n{lines}", ad)
    if rng.random() < 0.12:
        again = ("Another one.", "Again.", "One more.") if language == "en" else ("再来一句。", "换一个。")
        text += END + chat(rng.choice(again), write_ad(rng, p, language, given))
    return text


def _plain_ad(rng: random.Random, language: Language, held_out: bool) -> str:
    p = make_product(rng, language, held_out)
    everything = frozenset(
        {"name", "brand", "category", "colour", "material", "feature", "people", "price", "discount"}
    )
    if rng.random() < 0.5:
        return write_ad(rng, p, language, everything)
    lines, given = product_lines(rng, p, language)
    return f"{lines}\n{write_ad(rng, p, language, given)}"


def _copying(rng: random.Random, language: Language, held_out: bool) -> str:
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


_CONSONANTS, _LETTERS = "bcdfghjklmnpqrstvwxz", "abcdefghijklmnopqrstuvwxyz"
# The 3,755 everyday characters of GB 2312, level 1: rows 0xB0 to 0xD7, of which the last has five gaps.
_COMMON_HAN = bytes(
    byte for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF) for byte in (high, low)
).decode("gb2312", "ignore")


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
    language: Language = "en" if rng.random() < ENGLISH_SHARE else "zh"
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


# -- people ------------------------------------------------------------------------------------------------------


def _reasons(user: User, p: Product, language: Language) -> list[str]:
    """What there is to say about an ad and a user, in a fixed order: kind, brand, material, price, quality."""
    zh = language == "zh"
    groups = {interest.group for interest in user.interests}
    if p.category in user.interests:
        kind = f"想要{p.category.zh}" if zh else f"wants {p.category.en}"
    elif p.category.group in groups:
        kind = (
            f"喜欢{GROUP_NAMES[p.category.group].zh}类"
            if zh
            else f"likes {GROUP_NAMES[p.category.group].en} things"
        )
    else:
        kind = f"不关心{p.category.zh}" if zh else f"no interest in {p.category.en}"
    reasons = [kind]
    if user.brand == p.brand:
        reasons.append(f"认识{p.brand}" if zh else f"knows {p.brand}")
    if user.material and user.material.en == p.material.en:
        reasons.append(f"喜欢{p.material.zh}" if zh else f"likes {p.material.en}")
    if p.discount:
        strength = (
            ("大折扣" if zh else "big discount")
            if p.discount >= 30
            else ("小折扣" if zh else "small discount")
        )
        reasons.append(strength)
    else:
        reasons.append("原价" if zh else "full price")
    reasons.append(
        ("普通", "不错", "高档")[p.material.grade] if zh else ("plain", "good", "precious")[p.material.grade]
    )
    if p.new:
        reasons.append("新品" if zh else "new")
    return reasons


def _clicks(rng: random.Random, language: Language, held_out: bool) -> str:
    """A user, some ads, and after each at once what happened and why: the model must match ad and history."""
    user = make_user(rng, language, rng.sample(sorted(GROUP_NAMES), 4) if rng.random() < 0.5 else None)
    zh = language == "zh"
    colon = "：" if zh else ": "
    who, ad = ("用户", "广告") if zh else ("User", "Ad")
    blocks = []
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        p = product_for(rng, user, language, held_out)
        clicked = POPULATION.probability(user, p) > rng.uniform(0.3, 0.7)
        reasons = _reasons(user, p, language)
        verdict = ("点击" if clicked else "跳过") if zh else (" Clicked" if clicked else " Skipped")
        if rng.random() < 0.35:
            verdict = reasons.pop(rng.randrange(len(reasons)))
            verdict = verdict if zh else " " + _cap(verdict)
        else:
            rng.shuffle(reasons)
        tail = (
            ("：" if zh else ": ")
            + ("，" if zh else ", ").join(reasons[: rng.randint(1, 5)])
            + ("。" if zh else ".")
        )
        blocks.append(f"{ad}{colon}{ad_line(rng, p, language)}{verdict}{tail}")
    return f"{who}{colon}{user.text(language)}\n" + "\n".join(blocks)


def match_document(rng: random.Random, at_once: bool = False) -> str:
    """A history and many ads, some of them as short as a word: clicked where the history holds the same thing.

    at_once: in some lines the answer follows the very word that decides, which is much easier to learn: what is
    known there need not be carried to the end of the line.
    """
    language: Language = "en" if rng.random() < ENGLISH_SHARE else "zh"
    zh = language == "zh"
    colon, stop = ("：", "。") if zh else (": ", ". ")
    who, ad, yes, no = ("用户", "广告", *ANSWERS["zh"]) if zh else ("User", "Ad", *ANSWERS["en"])
    user = make_user(rng, language)
    wanted = [getattr(interest, language) for interest in user.interests]
    history = user.text(language)
    free = rng.random() < 0.3
    if free:
        words = rng.sample(GRAMMAR[language]["noun"], 8)
        wanted, others = words[: rng.randint(1, 4)], words[4:]
        history = ("喜欢" if zh else "liked ") + ("，" if zh else ", ").join(wanted)
    lines = []
    for _ in range(rng.randint(2, 8)):
        if at_once:
            stop = rng.choice(("", "。") if zh else (" ", ". "))
        if free:
            thing = rng.choice(wanted if rng.random() < 0.5 else others)
            text, clicked = f"{thing}{stop}", thing in wanted
        else:
            p = product_for(rng, user, language)
            thing, size = getattr(p.category, language), rng.random()
            short = thing if size < 0.3 else f"{p.name}{'' if zh else ' '}{thing}"
            text = f"{short}{stop}" if size < 0.6 else ad_line(rng, p, language) + ("" if zh else " ")
            clicked = p.category in user.interests
        lines.append(f"{ad}{colon}{text}{yes if clicked else no}")
    return f"{who}{colon}{history}\n" + "\n".join(lines)


def _will_click(rng: random.Random, language: Language, held_out: bool) -> str:
    user = make_user(rng, language)
    ads = [product_for(rng, user, language, held_out) for _ in range(rng.choice((1, 2)))]
    chance = [POPULATION.probability(user, p) for p in ads]
    zh = language == "zh"
    history = ("用户：" if zh else "User: ") + user.text(language)
    if len(ads) == 1:
        ask = "用户会点击吗？回答是或否。" if zh else "Will the user click? Answer yes or no."
        answer = ("是" if chance[0] > 0.5 else "否") if zh else ("Yes" if chance[0] > 0.5 else "No")
        line = ("广告：" if zh else "Ad: ") + ad_line(rng, ads[0], language)
        answer += ("：" if zh else ": ") + _reasons(user, ads[0], language)[0] + ("。" if zh else ".")
        return chat(f"{ask}\n{history}\n{line}", answer)
    lines = "\n".join(f"{'AB'[i]}: {ad_line(rng, p, language)}" for i, p in enumerate(ads))
    best = "AB"[chance[1] > chance[0]]
    return chat(
        f"{'哪个广告更合适？' if zh else 'Which ad suits the user?'}\n{history}\n{lines}",
        f"{best}: {ads['AB'.index(best)].name}",
    )


def _summary(rng: random.Random, language: Language, held_out: bool) -> str:
    user, zh = make_user(rng, language), language == "zh"
    wants = ("、" if zh else " and ").join(getattr(interest, language) for interest in user.interests)
    mood = {
        0.0: ("pays for quality", "看重品质"),
        0.5: ("buys as needed", "按需购买"),
        1.0: ("waits for a bargain", "喜欢优惠"),
    }
    summary = (
        f"关注{wants}，{mood[user.thrift][1]}。" if zh else f"Interested in {wants}; {mood[user.thrift][0]}."
    )
    if user.brand:
        summary += f"认识{user.brand}。" if zh else f" Knows {user.brand}."
    if rng.random() < 0.5:
        return f"{user.text(language)}\n{summary}"
    return chat(f"{'总结这个用户。' if zh else 'Summarise the user.'}\n{user.text(language)}", summary)


def _intent(rng: random.Random, language: Language, held_out: bool) -> str:
    """What a visitor did, and at once what comes next."""
    p, zh = make_product(rng, language, held_out), language == "zh"
    table = INTENTS[language]
    values = _values(rng, p, language) | {"brand2": brand_name(rng, language)}
    intent = rng.choice(list(table))
    events = [*rng.sample(table[intent], rng.choice((2, 3))), rng.choice(table[rng.choice(list(table))])]
    rng.shuffle(events)
    log = ("；" if zh else "; ").join(_say(rng, event, values, language) for event in events)
    if rng.random() < 0.6:
        return (
            f"{log}{'。下一步：' if zh else '. Next: '}{intent}"
            if rng.random() < 0.5
            else f"{log} → {intent}"
        )
    return chat(f"{'下一步是什么？' if zh else 'What comes next?'}\n{log}", intent)


def _review(rng: random.Random, language: Language, held_out: bool) -> str:
    p, zh = make_product(rng, language, held_out), language == "zh"
    values, grammar = _values(rng, p, language), GRAMMAR[language]
    good, bad = rng.choice(((1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3), (1, 1), (2, 1), (1, 2)))
    clauses = [_say(rng, c, values, language) for c in rng.sample(list(grammar["good"]), good)]
    clauses += [_say(rng, c, values, language) for c in rng.sample(list(grammar["bad"]), bad)]
    rng.shuffle(clauses)
    if zh:
        text = "，".join(clauses) + "。"
    else:
        joints = [", but " if good and bad else rng.choice((" and ", ". ", ", "))] * (len(clauses) - 1)
        text = clauses[0] + "".join(
            j + (_cap(c) if j == ". " else c) for j, c in zip(joints, clauses[1:], strict=True)
        )
        text = _cap(text) + "."
    if rng.random() < 0.3:
        text = f"{p.name}{'：' if zh else ': '}{text}"
    mood = ("好评", "差评", "中评") if zh else ("positive", "negative", "mixed")
    label = mood[0] if not bad else mood[1] if not good else mood[2]
    kind = rng.random()
    if kind < 0.25:
        return chat(
            f"{'这条评论是好评、差评还是中评？' if zh else 'Is this review positive, negative or mixed?'}\n{text}",
            label,
        )
    if kind < 0.75:
        return f"{text}{'' if zh else ' '}{_cap(label)}{'。' if zh else '.'}"
    stars = {mood[0]: 5, mood[1]: 1, mood[2]: 3}[label]
    return f"{text}{'' if zh else ' '}{stars}{'星' if zh else ' stars'}"


def _service(rng: random.Random, language: Language, held_out: bool) -> str:
    p = make_product(rng, language, held_out)
    v = _values(rng, p, language)
    values = v | {"days": str(rng.randint(2, 9))}
    pairs = [
        (question.format_map(values), answer.format_map(values))
        for question, answer in SERVICE[language][bool(p.discount)]
    ]
    asked = rng.sample(pairs, rng.choice((1, 2, 3)))
    full = f"{p.name}: {v['c']}, {v['colour']}, {v['m']}, {v['f']}, {v['people']}, {v['price']}" + (
        f", {v['off']}" if p.discount else ""
    )
    first = chat(f"{full}\n{asked[0][0]}", asked[0][1])
    return END.join([first, *(chat(q, a) for q, a in asked[1:])])


def _search(rng: random.Random, language: Language, held_out: bool) -> str:
    p, zh = make_product(rng, language, held_out), language == "zh"
    v = _values(rng, p, language)
    words = [
        v["c"],
        *rng.sample([v["colour"], v["m"], v["f"].removeprefix("a "), v["brand"]], rng.randint(1, 3)),
    ]
    rng.shuffle(words)
    query = " ".join(words)
    head = ("搜索：" if zh else "Search: ") + query + ("\n结果：" if zh else "\nResult: ")
    return head + ad_line(rng, p, language)


def _facts(rng: random.Random, language: Language, held_out: bool) -> str:
    """Which things belong together, said plainly."""
    zh, c = language == "zh", rng.choice(CATEGORIES)
    other = rng.choice([x for x in CATEGORIES if x.group == c.group])
    material, group, colour = rng.choice(c.materials), GROUP_NAMES[c.group], rng.choice(COLOURS)
    whom = rng.choice(PEOPLE[c.group])
    grade = (("plain", "普通"), ("good", "不错"), ("precious", "高档"))[material.grade]
    values = {
        "c": getattr(c, language),
        "other": getattr(other, language),
        "group": getattr(group, language),
        "m": getattr(material, language),
        "grade": grade[zh],
        "people": getattr(whom, language),
        "colour": getattr(colour, language),
        "price": str(c.price),
        "c_en": c.en,
        "c_zh": c.zh,
        "m_en": material.en,
        "is": "are" if c.plural else "is",
        "s": "" if c.plural else "s",
    }
    options = [fact.format_map(values) if zh else _cap(fact.format_map(values)) for fact in FACTS[language]]
    return ("" if zh else " ").join(rng.sample(options, rng.randint(1, 3)))


def _general(rng: random.Random, language: Language, held_out: bool) -> str:
    joiner = " " if language == "en" else ""
    return joiner.join(_cap(expand(rng, "[general]", language)) for _ in range(rng.randint(1, 4)))


_KINDS: tuple[tuple[float, Callable[[random.Random, Language, bool], str]], ...] = (
    (0.28, _chat_ad),
    (0.06, _plain_ad),
    (0.06, _copying),
    (0.22, _clicks),
    (0.05, _will_click),
    (0.04, _summary),
    (0.06, _intent),
    (0.08, _review),
    (0.05, _service),
    (0.03, _search),
    (0.03, _facts),
    (0.04, _general),
)
_WEIGHTS = [weight for weight, _ in _KINDS]
_MAKERS = [maker for _, maker in _KINDS]
ENGLISH_SHARE = 0.65


def document(rng: random.Random, held_out: bool = False) -> str:
    """One document; with `held_out` its product names are from the eighth that training text never has."""
    language: Language = "en" if rng.random() < ENGLISH_SHARE else "zh"
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng, language, held_out)


def documents(seed: int, held_out: bool = False) -> Iterator[str]:
    """The endless stream for a seed; the same seed gives the same documents."""
    rng = random.Random(f"starter corpus {seed} {held_out}")
    while True:
        yield document(rng, held_out)
