"""Which first tokens are shared, and which of them stay known."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slots.stems import FEWEST, Shared, Stem, Stems, common, shared_stems

USER, OTHER = tuple(range(100, 140)), tuple(range(200, 230))


def stem(ids: tuple[int, ...], prefix: int = 2) -> Stem:
    """Numbers that say where they come from."""
    keys = torch.arange(2.0 * (prefix + len(ids))).view(2, 1, -1, 1)
    return Stem(ids, [keys, keys + 0.5], torch.tensor(ids, dtype=torch.float32)[:, None])


def test_users_are_found_among_the_rows_of_several() -> None:
    rows = [(*USER, 1), (*OTHER, 2, 3), (7, 8), (*USER, 4), (*OTHER, 5), (*USER, 6, 6)]
    assert sorted(shared_stems(rows)) == [Shared(30, [1, 4]), Shared(40, [0, 3, 5])]


def test_a_template_before_all_users_does_not_hide_the_users() -> None:
    template = tuple(range(20))
    rows = [(*template, *user, ad) for user in (USER, OTHER) for ad in (1, 2, 3)]
    assert sorted(shared_stems(rows)) == [Shared(50, [3, 4, 5]), Shared(60, [0, 1, 2])]


def test_a_row_keeps_a_token_of_its_own() -> None:
    assert shared_stems([USER, USER, (*USER, 1)]) == [Shared(39, [0, 1, 2])]


def test_few_shared_tokens_are_no_stem() -> None:
    few = USER[: FEWEST - 1]
    assert shared_stems([(*few, 1), (*few, 2)]) == []
    assert shared_stems([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), min_size=15, max_size=20).map(tuple), max_size=4))
def test_no_other_groups_spare_more(rows: list[tuple[int, ...]]) -> None:
    def spared(groups: list[list[int]]) -> int:
        total = 0
        for group in groups:
            pairs = itertools.combinations(group, 2)
            length = min(
                (min(common(rows[a], rows[b]), len(rows[a]) - 1, len(rows[b]) - 1) for a, b in pairs),
                default=0,
            )
            total += length * (len(group) - 1) if length >= FEWEST else 0
        return total

    found = shared_stems(rows)
    for length, members in found:
        assert all(
            rows[row][:length] == rows[members[0]][:length] and len(rows[row]) > length for row in members
        )
    numbers = range(len(rows))
    best = (
        max(
            spared([[row for row in numbers if group[row] == each] for each in set(group)])
            for group in itertools.product(numbers, repeat=len(rows))
        )
        if rows
        else 0
    )
    assert sum(length * (len(members) - 1) for length, members in found) == best


def test_the_longest_known_stem_is_recalled_as_far_as_it_goes() -> None:
    stems = Stems(2**20)
    stems.keep("a", stem(USER))
    stems.keep("a", stem(OTHER))
    found = stems.recall("a", (*USER[:25], 1, 2))
    assert found is not None and found.ids == USER[:25] and found.positions == 27
    assert found.layers[1].equal(stem(USER).layers[1][:, :, :27])
    assert found.states.equal(stem(USER[:25]).states)
    assert stems.recall("a", USER[: FEWEST - 1]) is None
    assert stems.recall("b", USER) is None


def test_a_stem_that_another_begins_with_is_part_of_it() -> None:
    stems = Stems(2**20)
    for ids in (USER[:20], USER, USER[:30]):
        stems.keep("a", stem(ids))
    assert stems.size == stem(USER).size
    assert stems.summary()["kept"] == 1


def test_the_least_recently_used_leaves() -> None:
    stems = Stems(stem(USER).size * 2)
    stems.keep("a", stem(USER))
    stems.keep("b", stem(USER))
    stems.recall("a", USER)
    stems.keep("a", stem(OTHER))
    assert stems.recall("a", USER) is not None
    assert stems.recall("b", USER) is None
    assert stems.size <= stems.room


def test_one_that_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    stems = Stems(stem(OTHER).size)
    stems.keep("a", stem(OTHER))
    stems.keep("a", stem(USER))
    assert stems.recall("a", OTHER) is not None and stems.recall("a", USER) is None


def test_an_adapter_is_forgotten_whole() -> None:
    stems = Stems(2**20)
    for content, ids in (("a", USER), ("a", OTHER), ("b", USER)):
        stems.keep(content, stem(ids))
    stems.forget("a")
    stems.forget("never")
    assert stems.recall("a", USER) is None and stems.recall("b", USER) is not None
    assert stems.size == stem(USER).size
