"""Which of several drafts is given."""

from hypothesis import example, given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from recipes.answer import chosen

PUB = [
    "Alpine is a pub.",
    "Alpine is a pub by the river.",
    "Alpine is a cafe by the river.",
]


def by_sacrebleu(texts: list[str]) -> list[float]:
    """Of each text the mean of its chrF1 with the others, from 0 to 1."""
    metric = CHRF(beta=1)
    return [
        sum(metric.sentence_score(one, [other]).score for at, other in enumerate(texts) if at != place)
        / (100 * (len(texts) - 1))
        for place, one in enumerate(texts)
    ]


def test_the_example_of_the_module_holds() -> None:
    assert chosen(PUB) == 1
    assert [f"{likeness:.2f}" for likeness in by_sacrebleu(PUB)] == ["0.52", "0.66", "0.56"]


@example([" ", " ", "pub", "pub"])
@given(st.lists(st.text(alphabet="abcde f跑鞋é", min_size=1, max_size=30), min_size=3, max_size=8))
def test_the_chosen_text_is_the_most_alike_by_sacrebleu(texts: list[str]) -> None:
    likeness = by_sacrebleu(texts)
    assert likeness[chosen(texts)] >= max(likeness) - 1e-6


def test_of_two_texts_and_of_equal_ones_the_first_is_given() -> None:
    assert [chosen(texts) for texts in (["a"], ["a", "b"], ["a", "a", "a"], ["x", "y", "z"])] == [0, 0, 0, 0]
    assert chosen(["odd", "pub", "bar", "pub"]) == 1


def test_a_text_of_nothing_is_given_only_where_there_is_no_other() -> None:
    assert chosen(["", "", "", "pub", "pub"]) == 3, "texts of nothing are not alike"
    assert [chosen(texts) for texts in (["", "pub"], ["", "\n", "pub"], ["", ""])] == [1, 2, 0]
