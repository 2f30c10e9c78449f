"""The text that the starter learns from: seeded, filled in, and without what the demo asks for."""

import itertools

from adapters.starter import clients
from adapters.starter.build.chat import ASSISTANT, END, USER
from adapters.starter.build.corpus import documents


def test_neither_client_voice_is_in_the_corpus() -> None:
    text = "\n".join(itertools.islice(documents(11), 20_000))
    for phrase in (*clients.SLOGANS.values(), "Zero excuses", "a quiet pleasure", "with a courtesy of"):
        assert phrase not in text


def test_demo_products_have_names_that_training_text_never_has() -> None:
    names = {row["name"] for client in clients.CLIENTS for row in clients.client_data(client, 0, 300).ad_copy}
    text = "\n".join(itertools.islice(documents(12), 20_000))
    assert not [name for name in names if f" {name} " in text]


def test_corpus_is_two_thirds_english_and_repeats_with_its_seed() -> None:
    first = list(itertools.islice(documents(5), 4000))
    assert first == list(itertools.islice(documents(5), 4000))
    chinese = sum(any("\u4e00" <= sign <= "\u9fff" for sign in text) for text in first) / len(first)
    assert 0.3 < chinese < 0.42
    assert len(set(first)) > 3900


def test_no_template_is_left_unfilled() -> None:
    for text in itertools.islice(documents(6), 5000):
        assert not set("{}[]") & set(text), text


def test_ads_in_chats_say_no_price_that_the_prompt_does_not_hold() -> None:
    asked = [text for text in itertools.islice(documents(8), 6000) if text.startswith(USER + "Write an ad.")]
    assert len(asked) > 300
    for text in asked:
        prompt, answer = text.split(ASSISTANT)[:2]
        prices = [word.strip(".,!:") for word in answer.split(END)[0].split() if word.startswith("$")]
        assert all(price in prompt for price in prices), text
