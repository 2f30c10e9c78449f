"""What two versions answer to the same prompts."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters import Base
from adapters.errors import RequestError
from hub import Analyze, Hub, Registry
from hub.registry.answers import Answered, answers, read_prompts
from recipes.tasks import task_for
from tests.adapters import models
from tests.hub import tiny, voices

NAME = tiny.NAME


def test_both_answer_the_same_prompts_in_one_batch(tmp_path: Path) -> None:
    base: Base = models.base("llama")
    registry = Registry(Hub(tmp_path / "hub"), base, follow=False)
    for seed in (1, 2):
        registry.publish(voices.voice(base, seed), voices.NAME)
    one, two = f"{voices.NAME}@1", f"{voices.NAME}@2"
    found = answers(registry, one, two, ["glad 500", {"text": "mad 501"}])
    alone = registry.run([Analyze(each, [text]) for text in ("glad 500", "mad 501") for each in (one, two)])
    expected = [dict(answer[0].probabilities) for answer in alone]  # type: ignore[union-attr, index]
    assert [found[0].prompt, found[1].prompt] == ["glad 500", {"text": "mad 501"}]
    for told, wanted in zip([side for each in found for side in (each.a, each.b)], expected, strict=True):
        assert told == pytest.approx(wanted, abs=1e-6)
    assert [each.prompt for each in answers(registry, one, two)] == list(task_for("behavior").SAMPLES)
    broken = answers(registry, one, two, [{"words": "glad"}])
    assert broken == [Answered({"words": "glad"}, broken[0].a, broken[0].b)] and "error" in broken[0].a
    registry.publish(replace(voices.voice(base, 3), task="recommendation"), NAME)
    with pytest.raises(RequestError, match=r"@1 does behavior and .*@1 does recommendation"):
        answers(registry, one, NAME)
    (click,) = answers(registry, NAME, NAME, [{"user": "likes tea", "ad": "tea"}])
    assert click.a == pytest.approx(click.b) and 0 < click.a < 1
    registry.close()


def test_prompts_are_lines_of_text_or_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text('mug 7\n\n{"product": "mug 9", "price": "$7"}\n')
    assert read_prompts(path) == ["mug 7", {"product": "mug 9", "price": "$7"}]
    path.write_text('{"product"\nmug\n{1}\n')
    with pytest.raises(RequestError, match=r"(?s)line 1: .*line 3: "):
        read_prompts(path)
    path.write_text("\n")
    with pytest.raises(RequestError, match="holds no prompts"):
        read_prompts(path)
