"""An endless, seeded stream of English and Chinese documents about the made-up market: what the starter learns from.

`documents(seed)` yields plain text and chats; nothing is downloaded and nothing is copied from real text. About two
documents in three are English. Names and prices are made up anew in each document, so that a model can only get
them right by copying them from the prompt.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from adapters.starter.words import CATEGORIES, COLOURS, GROUP_NAMES, PEOPLE
from adapters.starter.world import (
    POPULATION,
    Language,
    Product,
    User,
    ad_line,
    brand_name,
    make_product,
    make_user,
    model_name,
    product_for,
)

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"

# -- grammars: [symbol] is replaced by one of its phrases, again and again; {field} is then filled from the product --

_EN = {
    "adj": """bright calm clever clean crisp durable easy elegant fresh gentle graceful handy honest light lively lovely
modern neat plain pleasant practical quick quiet reliable rich robust sharp simple sleek smart smooth soft solid
steady strong sturdy stylish subtle tidy timeless tough trusted useful versatile warm welcome well-made wonderful
charming dependable delicate effortless flexible generous humble joyful playful polished refined serene splendid
thoughtful tranquil vivid balanced bold breezy cheerful compact cosy delightful earthy fine friendly""",
    "noun": """morning evening journey weekend city mountain garden kitchen window river street office holiday season
routine habit moment corner family friend neighbour table station forest beach road village market school winter
summer autumn spring afternoon walk meal story song letter party picnic meeting train sunrise storm harbour bridge
studio library café balcony hill lake island festival lunch break workshop""",
    "verb": """carry choose discover enjoy explore feel find follow hold keep leave like love notice open order pack
prefer reach remember rest ride share start take trust try use visit wait walk wear wish work wrap bring build
change clean collect compare cook cover cross""",
    "adv": """gently quickly quietly easily simply always often truly really surely carefully gladly well softly
steadily neatly happily smoothly rarely kindly bravely calmly finally slowly""",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday today yesterday",
    "who": """my_sister my_brother our_neighbour a_friend the_teacher my_mother my_father the_baker a_student the_driver
our_guide the_doctor a_painter the_farmer my_colleague the_children a_writer the_singer an_old_man a_young_woman""",
}
_EN_WORDS: dict[str, list[str]] = {
    key: [word.replace("_", " ") for word in text.split()] for key, text in _EN.items()
}

_EN_PHRASES: dict[str, list[str]] = {
    "open": [
        "Meet the {name}.", "Say hello to the {name}.", "This is the {name}, {a_c} for {people}.", "Introducing {name}.",
        "Looking for {a_adj_c}? Try the {name}.", "Your next {c}: the {name}.", "The {name} {is} here.",
        "Here come{s} the {name}.", "{name}: [adj] and [adj].", "Treat yourself to the {name}.",
        "Nothing beats {a_adj_c}, and the {name} prove{s} it.", "Every [noun] deserves the {name}.",
        "From [noun] to [noun], the {name} keep{s} up.", "A [adj] [noun] starts with the {name}.",
        "Why settle for less than the {name}?", "We made the {name} for {people}.", "Discover the {name} by {brand}.",
        "{brand} presents the {model}.", "Do you [need] {a_adj_c}? The {name} {is} made for you.",
        "Another [noun], another reason to [verb] the {name}.", "The {name}: made for {people}, loved by all.",
    ],
    "body": [
        "Made with {m}, {it} offer{s} {f}.", "{It} come{s} in {colour} with {f}.", "{F} and {m} make every [noun] [adj].",
        "{It} {is} [adj], [adj] and made with {m}.", "With {f}, {it} feel{s} [adj] all day.",
        "Enjoy {f} in {a_adj} {colour} finish.", "The {m} stay{s_m} [adj], [noun] after [noun].",
        "{It} {has} {f}, so you can [verb] [adv].", "Thanks to {f}, {it} {is} [adj] for any [noun].",
        "{Colour} never looked so [adj].", "You get {f} and the [adj] touch of {m}.", "[more] {F} [closing_f].",
        "The [adj] {colour} and the {m} go well together.", "Think {f}, think {m}.",
    ],
    "need": ["need", "want", "miss", "wish for", "like", "dream of", "collect"],
    "more": ["Made for {people}.", "Ready for the [noun].", "[adj!] in every detail.", "Built to last.", "Made with {m}."],
    "closing_f": ["comes as standard", "makes the difference", "is part of it", "does the rest", "is what you will notice"],
    "price": [
        "Now {price}.", "Yours for {price}.", "Get it for {price}.", "Price: {price}.", "All this for {price}.",
        "Only {price}.", "It costs {price}.", "Take {it_o} home for {price}.", "Order [adv] at {price}.", "From {price}.",
    ],
    "price_off": [
        "Now {off} off at {price}.", "Save {off}: yours for {price}.", "{price}, with {off} off.", "Get {off} off today, {price}.",
        "This week {off} off, only {price}.", "{off} off for {people}, now {price}.",
    ],
    "off": ["Save {off} today.", "Now with {off} off.", "Take {off} off.", "{off} off this [noun]."],
    "end": [
        "Order today.", "Try it now.", "See it in the shop.", "Your [noun] will thank you.", "Find yours today.",
        "Don't miss it.", "Make every [noun] [adj].", "[verb!] it, [verb] it, keep it.", "Simply [adj].", "Be [adj].",
        "Good things, [adv] made.", "Live [adv].", "Made for your [noun].", "Because every [noun] counts.",
    ],
    "general": [
        "On [day] [who] went to the [noun] and came back with a [adj] [noun].",
        "The [noun] was [adj] and the [noun] was [adj].", "[who!] likes to [verb] in the [noun].",
        "If you [verb] [adv], the [noun] will be [adj].", "There is a [adj] [noun] behind the [noun].",
        "[who!] said that the [noun] would be [adj] on [day].", "We [adv] [verb] the [noun] when the [noun] is [adj].",
        "Nobody wanted to [verb] the [noun], because it was too [adj].", "How [adj] the [noun] looks in the [noun]!",
        "Please [verb] the [noun] before [day].", "[who!] told [who] about a [adj] [noun] near the [noun].",
        "It was [adj], but [who] did not [verb] it.", "Can you [verb] the [adj] [noun] for [who]?",
        "In the [noun], [who] [adv] waits for [who].", "They [verb] the [noun] and then [verb] the [noun].",
        "After the [noun], [who] was [adj] again.", "The price of the [noun] is higher than on [day].",
        "A [noun] without a [noun] is like a [noun] without a [noun].", "I think that [who] is right about the [noun].",
        "First we [verb], then we [verb], and on [day] we rest.", "Where is the [noun]? It is next to the [noun].",
    ],
    "good": [
        "the {m} feel{s_m} [adj]", "{f} work{s_f} [adv]", "{it} look{s} [adj] in {colour}", "I [verb] {it_o} every [noun]",
        "{it} arrived on [day], well packed", "worth every cent of {price}", "my [noun] is so much better now",
        "[who] want{s_w} one too", "I would buy {it_o} again", "{it} {is} [adj] and [adj]", "the quality is excellent",
        "delivery was fast and the seller was kind", "very happy with the {name}",
    ],
    "bad": [
        "the {m} feel{s_m} cheap", "{f} did not work", "{it} broke after a [noun]", "the {colour} looks wrong",
        "{it} arrived late on [day]", "far too expensive at {price}", "I sent {it_o} back", "nobody answered my letter",
        "{it} smelled terrible", "the parcel was damaged", "I regret that I bought {it_o}", "a waste of money",
        "the {name} disappointed [who]", "the quality is poor", "I want a refund",
    ],
}  # fmt: skip

_ZH_WORDS: dict[str, list[str]] = {
    "adj": """轻盈 柔软 坚固 耐用 清新 温暖 舒适 简洁 精致 优雅 实用 可靠 时尚 自然 细腻 大方 别致 安心 轻松 顺滑 明亮 安静
灵活 稳定 美观 贴心 小巧 厚实 百搭 经典 雅致 利落 活力 纯净 高级 温柔 省心 出色 惊喜 放心 便利 讲究 通透 活泼""".split(),
    "noun": """清晨 夜晚 旅程 周末 城市 山野 花园 厨房 窗边 河畔 街角 办公室 假期 季节 日常 时刻 家人 朋友 邻居 餐桌 车站
森林 海边 小路 村庄 市集 校园 冬天 夏天 秋天 春天 午后 散步 早餐 故事 歌声 聚会 野餐 会议 日出 雨天 港口 小桥 工作室 图书馆
阳台 湖边 小岛 节日 午餐 生活 回忆""".split(),
    "verb": "享受 发现 探索 选择 感受 分享 记住 打开 带走 收获 遇见 珍惜 尝试 喜欢 信任 期待 陪伴 守护 体验 拥有".split(),
    "adv": "轻轻 慢慢 静静 快快 细细 好好 认真 悄悄 每天 常常 总是 一直 随时 用心".split(),
    "day": "周一 周二 周三 周四 周五 周六 周日 今天 昨天 明天".split(),
    "who": "姐姐 弟弟 邻居 朋友 老师 妈妈 爸爸 面包师 学生 司机 导游 医生 画家 农夫 同事 孩子们 作家 歌手 老人 奶奶".split(),
}
_ZH_PHRASES: dict[str, list[str]] = {
    "open": [
        "认识一下{name}。", "{name}来了。", "{name}，为{people}而生。", "想要[adj]的{c}？试试{name}。", "全新登场：{name}。",
        "{brand}带来{model}。", "[noun]里，有{name}就够了。", "每个[noun]都值得{name}。", "让{name}陪你[verb][noun]。",
        "[adj]，从{name}开始。", "{people}，就选{name}。", "一款[adj]的{c}，{name}。", "从[noun]到[noun]，{name}一路相伴。",
        "为什么选{name}？因为[adj]。", "这就是{name}，[adj]又[adj]。",
    ],
    "body": [
        "采用{m}，{f}，[adj][adj]。", "{colour}配色，{f}。", "{m}材质，[adj]耐看。", "{f}，让[noun]更[adj]。",
        "{m}与{f}，带来[adj]的[noun]。", "[adv][verb]{f}，[adj]每一天。", "{colour}外观，[adj]大方，{f}。",
        "精选{m}，手感[adj]。", "{f}，{people}的好选择。", "有了{f}，[noun]更加[adj]。",
    ],
    "more": ["[adj]随行。", "专为{people}设计。"],
    "closing_f": ["更[adj]"],
    "price": ["只要{price}。", "现价{price}。", "{price}带回家。", "售价{price}。", "仅需{price}。", "到手价{price}。"],
    "price_off": ["现在立减{off}，只要{price}。", "优惠{off}，到手{price}。", "{price}，再减{off}。", "限时立减{off}，仅需{price}。"],
    "off": ["立减{off}。", "现在优惠{off}。", "限时减{off}。"],
    "end": ["马上下单。", "别错过。", "让[noun]更[adj]。", "[verb][noun]，就现在。", "今天就[verb]吧。", "好物，[adv]做。",
            "给[noun]一点[adj]。", "[adj]生活，从此开始。", "快来看看。"],
    "general": [
        "[day][who]去了[noun]，带回了[adj]的[noun]。", "[noun]很[adj]，[noun]也很[adj]。", "[who]喜欢在[noun][verb]。",
        "如果你[adv][verb]，[noun]就会变得[adj]。", "[who]说[day]的[noun]会很[adj]。", "没有人想[verb]那个[noun]，因为不够[adj]。",
        "请在[day]之前[verb][noun]。", "[who]告诉[who]，[noun]附近有一个[adj]的[noun]。", "你能帮[who][verb][noun]吗？",
        "我觉得[who]对[noun]的看法是对的。", "我们先[verb]，再[verb]，[day]休息。", "[noun]在哪里？就在[noun]旁边。",
        "虽然很[adj]，但是[who]没有[verb]。", "[noun]之后，[who]又[adj]起来了。", "[day]的价格比[day]高。",
    ],
    "good": ["{m}手感很[adj]", "{f}很好用", "{colour}很好看", "每天都在用", "[day]就收到了，包装很好", "{price}很值", "[who]也想要一个",
             "还会再买", "质量非常好", "物流很快，卖家很热情", "对{name}非常满意", "味道和颜色都喜欢", "性价比高"],
    "bad": ["{m}感觉很廉价", "{f}不好用", "用了几天就坏了", "{colour}和图片不一样", "[day]才收到，太慢了", "{price}太贵了", "已经退货了",
            "没有人回复我", "味道很难闻", "包裹破了", "后悔买了", "浪费钱", "{name}让[who]很失望", "质量太差", "我要退款"],
}  # fmt: skip
_GRAMMAR: Mapping[Language, dict[str, Sequence[str]]] = {
    "en": {**_EN_WORDS, **_EN_PHRASES},
    "zh": {**_ZH_WORDS, **_ZH_PHRASES},
}
_SYMBOL = re.compile(r"\[(\w+)(!?)\]")


def expand(rng: random.Random, text: str, language: Language) -> str:
    """Replaces every [symbol] by one of its phrases, and [symbol!] by one that starts with a capital."""
    grammar = _GRAMMAR[language]

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
    values = {"name": p.name, "brand": p.brand, "model": p.model, "c": c, "m": m, "f": f, "F": _cap(f),
              "people": people, "People": _cap(people), "colour": colour, "Colour": _cap(colour)}  # fmt: skip
    if language == "zh":
        sign = rng.choice(("元", "元", "块"))
        return values | {"price": f"{p.price}{sign}", "off": f"{p.discount}%"}
    adj, plural = rng.choice(_EN_WORDS["adj"]), p.category.plural
    return values | {
        "price": f"${p.price}", "off": f"{p.discount}%", "a_c": c if plural else _a(c),
        "a_adj_c": f"{adj} {c}" if plural else _a(f"{adj} {c}"), "a_adj": _a(adj),
        "is": "are" if plural else "is", "has": "have" if plural else "has", "s": "" if plural else "s",
        "it": "they" if plural else "it", "It": "They" if plural else "It", "it_o": "them" if plural else "it",
        "s_m": "s", "s_f": "s", "s_w": "s",
    }  # fmt: skip


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


_NEEDS = {"{m}": "material", "{f}": "feature", "{F}": "feature", "{colour}": "colour", "{Colour}": "colour",
          "{people}": "people", "{People}": "people", "{brand}": "brand", "{price}": "price", "{off}": "discount",
          "[more]": "people"}  # fmt: skip


def _pick(rng: random.Random, symbol: str, given: frozenset[str], language: Language) -> str:
    """A phrase of this symbol that needs no field that is not given."""
    phrases = _GRAMMAR[language][symbol]
    for _ in range(12):
        phrase = rng.choice(phrases)
        if all(field in given for mark, field in _NEEDS.items() if mark in phrase):
            return phrase
    return rng.choice(_GRAMMAR[language]["end"])


_FIELDS: Mapping[Language, dict[str, tuple[str, ...]]] = {
    "en": {
        "name": ("name", "product", "title", "product name", "Name", "item"),
        "category": ("category", "type", "kind", "Category"),
        "colour": ("colour", "color", "shade"),
        "material": ("material", "made with", "fabric", "Material"),
        "feature": ("feature", "features", "benefit", "Feature", "selling point"),
        "people": ("audience", "for", "target", "people"),
        "price": ("price", "Price", "cost"),
        "discount": ("discount", "off", "sale"),
    },
    "zh": {
        "name": ("名称", "产品", "品名", "商品", "name"),
        "category": ("品类", "类别", "类型", "category"),
        "colour": ("颜色", "配色", "colour"),
        "material": ("材质", "材料", "成分", "material"),
        "feature": ("卖点", "特点", "功能", "feature"),
        "people": ("人群", "适合", "受众", "audience"),
        "price": ("价格", "售价", "price"),
        "discount": ("折扣", "优惠", "discount"),
    },
}


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
            ("" if f in ("name", "category", "price") else f"{_FIELDS[language][f][0]}{colon}") + cells[f]
            for f in order
        ]
        return joint.join(cell for cell, field in zip(bare, order, strict=True) if cells[field]), given
    colon = rng.choice((": ", ": ", ": ", "=", " - ")) if language == "en" else rng.choice(("：", "：", ": "))
    own = rng.random() < 0.6
    lines = []
    for field in order:
        names = _FIELDS[language][field]
        label = names[0] if own else rng.choice(names)
        if cells[field] or rng.random() < 0.3:
            lines.append(f"{label}{colon}{cells[field]}".rstrip(" "))
    return "\n".join(lines), given


_ASK_AD: Mapping[Language, tuple[str, ...]] = {
    "en": ("Write an ad.", "Write an ad.", "Write an ad.", "Write an ad.", "Write a short ad for this product.",
           "Advertise this product.", "Write ad copy.", "Please write a line for this product."),
    "zh": ("写一句广告。", "写一句广告。", "写一句广告。", "写一句广告。", "请为这个产品写广告。", "写一段推广文案。", "帮我写广告语。"),
}  # fmt: skip


def chat(user: str, assistant: str) -> str:
    """One exchange, as the tokenizer's chat template renders it (the stream adds the end)."""
    return f"{USER}{user}{ASSISTANT}{assistant}"


def _chat_ad(rng: random.Random, language: Language, held_out: bool) -> str:
    p = make_product(rng, language, held_out)
    lines, given = product_lines(rng, p, language)
    ask, ad = rng.choice(_ASK_AD[language]), write_ad(rng, p, language, given)
    text = chat(f"{ask}\n{lines}", ad)
    if rng.random() < 0.12:
        text += END + chat(rng.choice(("Another one.", "Again.", "One more.") if language == "en" else ("再来一句。", "换一个。")),
                           write_ad(rng, p, language, given))  # fmt: skip
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
_COMMON_HAN = [bytes((high, low)).decode("gb2312", "ignore") for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
_COMMON_HAN = [sign for sign in _COMMON_HAN if sign]  # the 3,755 everyday characters of GB 2312, level 1


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
            word = rng.choice(_EN_WORDS[rng.choice(("adj", "noun", "verb", "adv"))])
        else:
            word = "".join(rng.choices(_LETTERS, k=rng.randint(1, 4))).upper() + rng.choice(("", "-")) + str(rng.randint(1, 9999))
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
    thing, feature = ({"en": "noun", "zh": "noun"}[language], "[adj] [noun]" if language == "en" else "[adj][noun]")
    facts = {field: expand(rng, pattern, language) for field, pattern in (("c", f"[{thing}]"), ("f", feature), ("m", feature))}
    p = replace(
        p,
        brand=name,
        model="",
        price=rng.choice((p.price, rng.randint(1, 99), rng.randint(1, 9999))),
        category=replace(p.category, plural=False, **{language: facts["c"]}) if rng.random() < 0.7 else p.category,
        feature=replace(p.feature, **{language: facts["f"]}) if rng.random() < 0.7 else p.feature,
        material=replace(p.material, **{language: facts["m"]}) if rng.random() < 0.4 else p.material,
    )
    lines, given = product_lines(rng, p, language)
    return chat(f"{rng.choice(_ASK_AD[language])}\n{lines}", write_ad(rng, p, language, given - {"brand"}))


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


def match_document(rng: random.Random) -> str:
    """A history and many ads, some of them as short as a word: clicked where the history holds the same thing."""
    language: Language = "en" if rng.random() < ENGLISH_SHARE else "zh"
    zh = language == "zh"
    colon, stop = ("：", "。") if zh else (": ", ". ")
    who, ad, yes, no = ("用户", "广告", "点击", "跳过") if zh else ("User", "Ad", "Clicked", "Skipped")
    user = make_user(rng, language)
    wanted = [getattr(interest, language) for interest in user.interests]
    history = user.text(language)
    free = rng.random() < 0.3
    if free:
        words = rng.sample(_GRAMMAR[language]["noun"], 8)
        wanted, others = words[: rng.randint(1, 4)], words[4:]
        history = ("喜欢" if zh else "liked ") + ("，" if zh else ", ").join(wanted)
    lines = []
    for _ in range(rng.randint(2, 8)):
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


_INTENTS: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "buy": ("put the {c} in the basket", "went to checkout with the {name}", "typed in a card number", "chose {colour} and the right size",
                "asked for the fastest delivery", "tapped buy now", "filled in the address form"),
        "compare": ("looked at {name} and then at {brand2}", "put two {c} next to each other", "ordered the list by rating",
                    "read what others say about {name}", "checked prices of {c} in three shops", "went back and forth between {c}"),
        "return": ("opened a past order", "read how refunds work", "complained that the {c} was broken", "asked for a return label",
                   "wrote that the {c} is too small", "sent a photo of the damage"),
        "ask": ("started a chat", "wanted to know if the {c} has {f}", "asked about {m}", "searched the help page", "rang the shop",
                "asked when the {colour} one is back"),
        "leave": ("closed the page", "scrolled past the {c}", "ignored the newsletter", "muted the app", "emptied the basket"),
    },
    "zh": {
        "购买": ("把{c}加入购物车", "进入{name}结算页", "填写银行卡号", "选了{colour}和合适的尺码", "要求最快配送", "点击立即购买"),
        "比较": ("先看{name}再看{brand2}", "把两款{c}放在一起", "按评分排序", "阅读{name}的评价", "查了三家店的{c}价格"),
        "退货": ("打开以前的订单", "查看退款规则", "投诉{c}坏了", "要退货单", "说{c}太小了", "发送破损照片"),
        "咨询": ("打开客服聊天", "想知道{c}是否{f}", "询问{m}", "搜索帮助页面", "打电话给店铺", "问{colour}什么时候到货"),
        "离开": ("关闭页面", "划过{c}", "忽略邮件", "关闭通知", "清空购物车"),
    },
}  # fmt: skip


def _intent(rng: random.Random, language: Language, held_out: bool) -> str:
    """What a visitor did, and at once what comes next."""
    p, zh = make_product(rng, language, held_out), language == "zh"
    table = _INTENTS[language]
    values = _values(rng, p, language) | {"brand2": brand_name(rng, language)}
    intent = rng.choice(list(table))
    events = rng.sample(table[intent], rng.choice((2, 3))) + [rng.choice(table[rng.choice(list(table))])]
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
    values, grammar = _values(rng, p, language), _GRAMMAR[language]
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
    p, zh = make_product(rng, language, held_out), language == "zh"
    v = _values(rng, p, language)
    lines, _ = product_lines(rng, p, language)
    if zh:
        pairs = [(f"{p.name}多少钱？", f"{p.name}{v['price']}。"), ("有什么颜色？", f"有{v['colour']}。"), ("是什么材质？", f"采用{v['m']}。"),
                 (f"{p.name}有什么特点？", f"{v['f']}。"), ("适合谁？", f"适合{v['people']}。"), ("可以退货吗？", "可以，三十天内免费退货。"),
                 ("什么时候到？", f"{rng.randint(2, 9)}天内送达。"), ("有折扣吗？", f"有，立减{v['off']}。" if p.discount else "目前没有折扣。")]  # fmt: skip
    else:
        pairs = [(f"How much {v['is']} the {p.name}?", f"The {p.name} cost{v['s']} {v['price']}."), ("Which colour?", f"{v['It']} come{v['s']} in {v['colour']}."),
                 (f"What {v['is']} the {v['c']} made with?", f"The {p.name} {v['is']} made with {v['m']}."), ("What is special about it?", f"You get {v['f']}."),
                 (f"Who {v['is']} the {p.name} for?", f"For {v['people']}."), ("Can I send it back?", "Yes, returns are free for thirty days."),
                 ("When will it arrive?", f"Within {rng.randint(2, 9)} days."), ("Is there a discount?", f"Yes, {v['off']} off." if p.discount else "Not at the moment.")]  # fmt: skip
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
    if zh:
        options = [f"{c.zh}和{other.zh}都属于{group.zh}类。", f"{material.zh}是{grade[1]}的材料。", f"{c.zh}适合{whom.zh}。",
                   f"{c.zh}一般{c.price}元左右。", f"{c.zh}有{colour.zh}的。", f"{c.en}就是{c.zh}。", f"{material.en}的意思是{material.zh}。"]  # fmt: skip
    else:
        verb = "are" if c.plural else "is"
        options = [f"{_cap(c.en)} and {other.en} belong to {group.en}.", f"{_cap(material.en)} is a {grade[0]} material.", f"{_cap(c.en)} {verb} for {whom.en}.",
                   f"{_cap(c.en)} usually cost{'' if c.plural else 's'} about ${c.price}.", f"The {c.en} {verb} {colour.en}.", f"{_cap(c.en)}: {c.zh}."]  # fmt: skip
    return ("" if zh else " ").join(rng.sample(options, rng.randint(1, 3)))


def _general(rng: random.Random, language: Language, held_out: bool) -> str:
    joiner = " " if language == "en" else ""
    return joiner.join(_cap(expand(rng, "[general]", language)) for _ in range(rng.randint(1, 4)))


_KINDS: tuple[tuple[float, Callable[[random.Random, Language, bool], str]], ...] = (
    (0.28, _chat_ad), (0.06, _plain_ad), (0.06, _copying), (0.22, _clicks), (0.05, _will_click), (0.04, _summary),
    (0.06, _intent), (0.08, _review), (0.05, _service), (0.03, _search), (0.03, _facts), (0.04, _general),
)  # fmt: skip
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
