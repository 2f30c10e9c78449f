"""Documents about what users click, and why: the model must match an ad and a history."""

import random
from collections.abc import Mapping

from adapters.starter.build.chat import chat
from adapters.starter.build.grammar import any_language, capital
from adapters.starter.build.phrases import GRAMMAR
from adapters.starter.words import GROUP_NAMES, Language
from adapters.starter.world import POPULATION, Product, User, ad_line, make_user, product_for

ANSWERS: Mapping[Language, tuple[str, str]] = {"en": ("Clicked", "Skipped"), "zh": ("点击", "跳过")}


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


def clicks(rng: random.Random, language: Language, held_out: bool) -> str:
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
            verdict = verdict if zh else " " + capital(verdict)
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
    language = any_language(rng)
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


def will_click(rng: random.Random, language: Language, held_out: bool) -> str:
    """Whether a user will click, or which of two ads."""
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


def summary(rng: random.Random, language: Language, held_out: bool) -> str:
    """A user, and what there is to say about them."""
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
