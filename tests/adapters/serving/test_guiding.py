"""Texts that keep rules while they are written: which tokens stand, how they end, and that nobody else is touched."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch

from adapters import Base
from adapters.serving.chances import Chance
from adapters.serving.generate import Writing, write
from adapters.serving.guiding import Guided
from adapters.serving.sampling import Guide, Sampling
from adapters.slots.slots import Slots
from tests.adapters import models

PROMPTS = [(5, 6, 7), (9, 10, 11, 12, 13)]
END = 1


@dataclass
class Rules:
    """never: characters that no text may hold. most: how many fit. last: what must stand at the end."""

    never: str = ""
    most: int = 10**6
    last: str = ""

    def begins(self, text: str) -> Literal["yes", "no", "too long"]:
        if any(each in self.never for each in text):
            return "no"
        return "too long" if len(text.strip()) + len(self._left(text)) > self.most else "yes"

    def ending(self, text: str) -> str | None:
        return None if any(each in self.never for each in text) else self._left(text)

    def _left(self, text: str) -> str:
        return "" if text.endswith(self.last) else self.last


@pytest.fixture(scope="module")
def base() -> Base:
    return models.base("llama", tie_word_embeddings=False)


def texts(base: Base, asked: list[Writing]) -> list[Writing]:
    slots = Slots(base, 1)
    with torch.inference_mode():
        write(base, slots, asked)
    slots.close()
    return asked


def token(base: Base, character: str) -> int:
    (found,) = base.tokenizer(character, add_special_tokens=False)["input_ids"]
    return int(found)


def chosen(base: Base, guide: Guide, logits: torch.Tensor, sampling: Sampling, so_far: str = "") -> int:
    """The token that a text so far goes on with."""
    text = Writing((5,), None, sampling, guide=guide)
    text.written = base.tokenizer(so_far, add_special_tokens=False)["input_ids"] if so_far else []
    first = int(logits.argmax()) if sampling.temperature == 0 else drawn(logits, text)
    assert text.guided is not None
    found, back = text.guided.next(base, text, logits.clone(), first, [END])
    assert back == 0
    return found


def drawn(logits: torch.Tensor, text: Writing) -> int:
    from adapters.serving.sampling import choose

    (found,) = choose(logits[None].clone(), [text.sampling], [text.stream])
    assert found is not None
    return found


def test_greedy_takes_the_likeliest_that_may_stand(base: Base) -> None:
    logits = torch.zeros(base.vocabulary)
    for rank, character in enumerate("abcd"):
        logits[token(base, character)] = 9.0 - rank
    for never, expected in (("", "a"), ("a", "b"), ("abc", "d"), ("b", "a")):
        assert chosen(base, Rules(never), logits, Sampling()) == token(base, expected)


def test_drawn_tokens_keep_their_shares_among_those_that_may_stand(base: Base) -> None:
    logits = torch.full((base.vocabulary,), -torch.inf)
    for character, share in (("a", 0.5), ("b", 0.3), ("c", 0.15), ("d", 0.05)):
        logits[token(base, character)] = math.log(share)
    counts = Counter(
        chosen(base, Rules("a"), logits, Sampling(temperature=1.0, seed=seed)) for seed in range(1500)
    )
    for character, share in (("b", 0.6), ("c", 0.3), ("d", 0.1)):
        assert counts[token(base, character)] / 1500 == pytest.approx(share, abs=0.05)
    assert counts[token(base, "a")] == 0


def test_a_text_that_may_not_end_goes_on_and_what_is_missing_is_written(base: Base) -> None:
    logits = torch.zeros(base.vocabulary)
    logits[END], logits[token(base, "x")] = 9.0, 8.0
    assert chosen(base, Rules(), logits, Sampling(), "ab") == END
    assert chosen(base, Rules("b"), logits, Sampling(), "ab") == END, (
        "nothing may stand: the draft is refused"
    )
    assert chosen(base, Rules(last="!?"), logits, Sampling(), "ab") == token(base, "!")
    assert chosen(base, Rules(last="!?"), logits, Sampling(), "ab!?") == END

    @dataclass
    class Open(Rules):
        def ending(self, text: str) -> str | None:
            return None if text.endswith("b") else ""

    assert chosen(base, Open(), logits, Sampling(), "ab") == token(base, "x")


def test_a_stop_string_ends_a_text_that_is_whole(base: Base) -> None:
    logits = torch.zeros(base.vocabulary)
    logits[token(base, "#")] = 9.0
    how = Sampling(stop=("#",))
    assert chosen(base, Rules(), logits, how, "ab") == token(base, "#")
    assert chosen(base, Rules(last="!"), logits, how, "ab") == token(base, "!"), "what is missing comes first"
    assert chosen(base, Rules(last="!"), logits, how, "ab!") == token(base, "#")


def test_an_end_near_the_limit_of_tokens_leaves_room_for_what_is_missing(base: Base) -> None:
    text = Writing((5,), None, Sampling(8), guide=Rules(last=" end!"))
    text.written = base.tokenizer("ab cde", add_special_tokens=False)["input_ids"]
    assert text.guided is not None
    text.guided.ends = {2: -9.0, 5: -1.0, 6: -2.0}
    logits = torch.zeros(base.vocabulary)
    found, back = text.guided.next(base, text, logits, END, [END])
    assert (found, back) == (token(base, " "), 0), (
        "nothing of the second half leaves room: it is refused in the end"
    )
    text.guided.ends = {3: -1.0}
    text.guided.due = []
    found, back = text.guided.next(base, text, logits, END, [END])
    assert back == 4 and text.written == base.tokenizer("ab", add_special_tokens=False)["input_ids"]
    assert found == token(base, " ")
    assert text.guided.due == [*base.tokenizer(" end!", add_special_tokens=False)["input_ids"], END]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_beside_it_write_what_they_write_alone(base: Base, temperature: float) -> None:
    how = [Sampling(20, temperature, seed=seed, repetition_penalty=1.2) for seed in range(3)]
    never = "".join(chr(code) for code in range(33, 80))

    def asked(guided: bool) -> list[Writing]:
        guides = [Rules(never), None, Rules(last="!!")] if guided else [None] * 3
        return [Writing(PROMPTS[0], None, each, guide=guide) for each, guide in zip(how, guides, strict=True)]

    alone = [texts(base, [each])[0] for each in asked(True)]
    together = texts(base, asked(True))
    assert [each.written for each in alone] == [each.written for each in together]
    free = texts(base, asked(False))
    assert free[1].written == together[1].written
    assert not any(each in never for each in together[0].text)
    assert any(each in never for each in free[0].text), "without rules it would have"


def chances_by_hand(base: Base, text: Writing) -> list[float]:
    """The log-probability of each written token, in one forward."""
    ids = torch.tensor([[*text.prompt, *text.written]])
    with torch.inference_mode():
        logits = base.model(input_ids=ids).logits[0].float().log_softmax(-1)
    first = len(text.prompt) - 1
    return [float(logits[first + at, each]) for at, each in enumerate(text.written)]


def told(chances: list[Chance]) -> list[float]:
    return [each.logprob for each in chances]


@pytest.mark.parametrize("last", ["", " end."])
def test_a_text_without_room_ends_where_an_end_was_likeliest(base: Base, last: str) -> None:
    """Between two words, and what follows then is written behind what stands, beside a row that goes on."""
    free = Writing(PROMPTS[1], None, Sampling(40, 1.0, seed=5))
    cut = Writing(PROMPTS[0], None, Sampling(60, 1.0, seed=3, logprobs=0), guide=Rules(most=24, last=last))
    texts(base, [cut, free])
    assert cut.finish == "end" and 0 < len(cut.text) <= 24 and cut.text.endswith(last.strip())
    assert told(cut.chances) == pytest.approx(chances_by_hand(base, cut), abs=1e-4)
    alone = texts(base, [Writing(PROMPTS[1], None, Sampling(40, 1.0, seed=5))])[0]
    assert alone.written == free.written
    assert cut.guided is not None
    kept = len(cut.written) - len(base.tokenizer(last, add_special_tokens=False)["input_ids"])
    ends = {count: likely for count, likely in cut.guided.ends.items() if count >= kept}
    assert cut.guided.ends[kept] == max(ends.values())


def test_a_streamed_text_is_never_taken_back(base: Base) -> None:
    shown: list[str] = []
    text = Writing(PROMPTS[0], None, Sampling(40, 1.0, seed=3), shown.append, Rules(most=24))
    texts(base, [text])
    assert "".join(shown) == text.text and len(text.text) > 24, "whoever watches the stream ends it"


def test_what_never_may_stand_is_given_up(base: Base) -> None:
    class Nothing(Rules):
        def begins(self, text: str) -> Any:
            return "no"

        def ending(self, text: str) -> str | None:
            return None

    text = texts(base, [Writing(PROMPTS[0], None, Sampling(5), guide=Nothing())])[0]
    free = texts(base, [Writing(PROMPTS[0], None, Sampling(1))])[0]
    assert len(text.written) in (4, 5) and text.written[0] == free.written[0]


def test_a_guide_is_a_guide(base: Base) -> None:
    assert isinstance(Rules(), Guide) and not isinstance("rules", Guide)
    assert Guided(Rules()).due == []
