"""The phrases that the corpus is made of, in both languages.

In a phrase, [symbol] stands for any phrase of that symbol, again and again, [symbol!] for one that starts with a
capital, and {field} for a fact about the product: name, brand, c (category), m (material), f (feature), colour,
people, price, off (discount); {s}, {is}, {it} follow its number.
"""
# ruff: noqa: E501
# fmt: off

from collections.abc import Mapping, Sequence

from adapters.starter.words import Language

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
EN_WORDS: dict[str, list[str]] = {
    key: [word.replace("_", " ") for word in text.split()] for key, text in _EN.items()
}

EN_PHRASES: dict[str, list[str]] = {
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
    "more": ["Made for {people}.", "Ready for the [noun].", "[adj!] in every detail.", "Built to last."],
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
}

ZH_WORDS: dict[str, list[str]] = {
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
ZH_PHRASES: dict[str, list[str]] = {
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
}
GRAMMAR: Mapping[Language, dict[str, Sequence[str]]] = {
    "en": {**EN_WORDS, **EN_PHRASES},
    "zh": {**ZH_WORDS, **ZH_PHRASES},
}

# A phrase with one of these marks may be said only when the prompt gives that field.
NEEDS = {"{m}": "material", "{f}": "feature", "{F}": "feature", "{colour}": "colour", "{Colour}": "colour",
          "{people}": "people", "{People}": "people", "{brand}": "brand", "{price}": "price", "{off}": "discount",
          "[more]": "people"}

# How prompts name the fields, the usual name first.
FIELDS: Mapping[Language, dict[str, tuple[str, ...]]] = {
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
ASK_AD: Mapping[Language, tuple[str, ...]] = {
    "en": ("Write an ad.", "Write an ad.", "Write an ad.", "Write an ad.", "Write a short ad for this product.",
           "Advertise this product.", "Write ad copy.", "Please write a line for this product."),
    "zh": ("写一句广告。", "写一句广告。", "写一句广告。", "写一句广告。", "请为这个产品写广告。", "写一段推广文案。", "帮我写广告语。"),
}

# What visitors do before each next action.
INTENTS: Mapping[Language, Mapping[str, tuple[str, ...]]] = {
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
}

SERVICE_ALWAYS: dict[Language, list[tuple[str, str]]] = {
    "en": [
        ("How much {is} the {name}?", "The {name} cost{s} {price}."), ("Which colour?", "{It} come{s} in {colour}."),
        ("What {is} the {c} made with?", "The {name} {is} made with {m}."), ("What is special about it?", "You get {f}."),
        ("Who {is} the {name} for?", "For {people}."), ("Can I send it back?", "Yes, returns are free for thirty days."),
        ("When will it arrive?", "Within {days} days."),
    ],
    "zh": [
        ("{name}多少钱？", "{name}{price}。"), ("有什么颜色？", "有{colour}。"), ("是什么材质？", "采用{m}。"),
        ("{name}有什么特点？", "{f}。"), ("适合谁？", "适合{people}。"), ("可以退货吗？", "可以，三十天内免费退货。"),
        ("什么时候到？", "{days}天内送达。"),
    ],
}
# Questions of customers and their answers, [language][whether there is a discount].
SERVICE: Mapping[Language, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "en": (
        [*SERVICE_ALWAYS["en"], ("Is there a discount?", "Not at the moment.")],
        [*SERVICE_ALWAYS["en"], ("Is there a discount?", "Yes, {off} off.")],
    ),
    "zh": (
        [*SERVICE_ALWAYS["zh"], ("有折扣吗？", "目前没有折扣。")],
        [*SERVICE_ALWAYS["zh"], ("有折扣吗？", "有，立减{off}。")],
    ),
}
FACTS: Mapping[Language, list[str]] = {
    "en": [
        "{c} and {other} belong to {group}.", "{m} is a {grade} material.", "{c} {is} for {people}.",
        "{c} usually cost{s} about ${price}.", "The {c} {is} {colour}.", "{c_en}: {c_zh}.",
    ],
    "zh": [
        "{c}和{other}都属于{group}类。", "{m}是{grade}的材料。", "{c}适合{people}。", "{c}一般{price}元左右。", "{c}有{colour}的。",
        "{c_en}就是{c_zh}。", "{m_en}的意思是{m}。",
    ],
}
