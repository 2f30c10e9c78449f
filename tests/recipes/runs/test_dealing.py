"""Groups of jobs follow from the jobs alone; every job is in one, and a group that is dealt again is itself."""

import random

from recipes.runs.dealing import Size, deal


def sizes(draw: random.Random, count: int) -> list[Size]:
    return [
        Size(
            draw.choice([1e3, 2e3, 5e4, draw.random() * 1e6]),
            draw.choice([0.02, 0.5, 1.3, 6.0]),
            draw.choice([2**16, 2**28, 2**31, 2**33]),
        )
        for _ in range(count)
    ]


def test_small_jobs_are_dealt_by_their_tokens_long_ones_first() -> None:
    small = [Size(tokens, 0.2, 1000) for tokens in (10, 70, 30, 70, 20, 60, 50, 40)]
    assert deal(small) == [[1, 3, 5, 6, 7, 2], [4, 0]]


def test_jobs_that_fill_no_pass_share_one_however_many_they_are() -> None:
    assert deal([Size(1.0, 1 / 128, 1000)] * 100) == [[*range(100)]]
    assert [len(group) for group in deal([Size(1.0, 1 / 8, 1000)] * 24)] == [8, 8, 8]


def test_a_group_is_full_when_its_turn_is_or_its_memory() -> None:
    assert deal([Size(9 - at, 1.5, 1000) for at in range(5)]) == [[0, 1, 2], [3, 4]]
    assert deal([Size(9 - at, 0.1, 3 * 2**30 // 2) for at in range(3)]) == [[0, 1], [2]]
    assert deal([Size(9 - at, 0.1, 2**33) for at in range(2)]) == [[0], [1]]
    assert deal([]) == []


def test_every_job_is_in_one_group_and_a_group_dealt_again_is_itself() -> None:
    draw = random.Random(0)
    for _ in range(300):
        given = sizes(draw, draw.randrange(1, 40))
        groups = deal(given)
        assert sorted(index for group in groups for index in group) == list(range(len(given)))
        for group in groups:
            assert deal([given[index] for index in group]) == [list(range(len(group)))]
        longest = [max(given[index].tokens for index in group) for group in groups]
        assert longest == sorted(longest, reverse=True)
