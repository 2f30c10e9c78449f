"""Documents of everything else that is written in this market: visits, reviews, questions, searches, plain facts."""

import random

from adapters.starter.build.chat import END, chat
from adapters.starter.build.grammar import capital, expand, product_values, say
from adapters.starter.build.phrases import FACTS, GRAMMAR, INTENTS, SERVICE
from adapters.starter.words import CATEGORIES, COLOURS, GROUP_NAMES, PEOPLE, Language
from adapters.starter.world import ad_line, brand_name, make_product


def intent(rng: random.Random, language: Language, held_out: bool) -> str:
    """What a visitor did, and at once what comes next."""
    p, zh = make_product(rng, language, held_out), language == "zh"
    table = INTENTS[language]
    values = product_values(rng, p, language) | {"brand2": brand_name(rng, language)}
    intent = rng.choice(list(table))
    events = [*rng.sample(table[intent], rng.choice((2, 3))), rng.choice(table[rng.choice(list(table))])]
    rng.shuffle(events)
    log = ("；" if zh else "; ").join(say(rng, event, values, language) for event in events)
    if rng.random() < 0.6:
        return (
            f"{log}{'。下一步：' if zh else '. Next: '}{intent}"
            if rng.random() < 0.5
            else f"{log} → {intent}"
        )
    return chat(f"{'下一步是什么？' if zh else 'What comes next?'}\n{log}", intent)


def review(rng: random.Random, language: Language, held_out: bool) -> str:
    """What somebody says of a product, and how it sounds."""
    p, zh = make_product(rng, language, held_out), language == "zh"
    values, grammar = product_values(rng, p, language), GRAMMAR[language]
    good, bad = rng.choice(((1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3), (1, 1), (2, 1), (1, 2)))
    clauses = [say(rng, c, values, language) for c in rng.sample(list(grammar["good"]), good)]
    clauses += [say(rng, c, values, language) for c in rng.sample(list(grammar["bad"]), bad)]
    rng.shuffle(clauses)
    if zh:
        text = "，".join(clauses) + "。"
    else:
        joints = [", but " if good and bad else rng.choice((" and ", ". ", ", "))] * (len(clauses) - 1)
        text = clauses[0] + "".join(
            j + (capital(c) if j == ". " else c) for j, c in zip(joints, clauses[1:], strict=True)
        )
        text = capital(text) + "."
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
        return f"{text}{'' if zh else ' '}{capital(label)}{'。' if zh else '.'}"
    stars = {mood[0]: 5, mood[1]: 1, mood[2]: 3}[label]
    return f"{text}{'' if zh else ' '}{stars}{'星' if zh else ' stars'}"


def service(rng: random.Random, language: Language, held_out: bool) -> str:
    """Questions of a customer, and their answers."""
    p = make_product(rng, language, held_out)
    v = product_values(rng, p, language)
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


def search(rng: random.Random, language: Language, held_out: bool) -> str:
    """A search and its best result."""
    p, zh = make_product(rng, language, held_out), language == "zh"
    v = product_values(rng, p, language)
    words = [
        v["c"],
        *rng.sample([v["colour"], v["m"], v["f"].removeprefix("a "), v["brand"]], rng.randint(1, 3)),
    ]
    rng.shuffle(words)
    query = " ".join(words)
    head = ("搜索：" if zh else "Search: ") + query + ("\n结果：" if zh else "\nResult: ")
    return head + ad_line(rng, p, language)


def facts(rng: random.Random, language: Language, held_out: bool) -> str:
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
    options = [
        fact.format_map(values) if zh else capital(fact.format_map(values)) for fact in FACTS[language]
    ]
    return ("" if zh else " ").join(rng.sample(options, rng.randint(1, 3)))


def general(rng: random.Random, language: Language, held_out: bool) -> str:
    """Sentences about nothing in particular."""
    joiner = " " if language == "en" else ""
    return joiner.join(capital(expand(rng, "[general]", language)) for _ in range(rng.randint(1, 4)))
