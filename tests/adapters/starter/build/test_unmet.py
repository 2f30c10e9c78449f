"""Rows of tokens that the corpus never holds."""

import itertools

import torch

from adapters.starter.build.corpus import documents
from adapters.starter.build.tokenizer import make_tokenizer
from adapters.starter.build.unmet import quiet_directions, spread, unmet_tokens

WIDTH, UNMET = 32, [3, 5, 8, 13, 21]


def trained() -> torch.Tensor:
    """An embedding whose unmet rows are one vector, [60, 32]."""
    made = torch.randn(60, WIDTH, generator=torch.Generator().manual_seed(0))
    made[UNMET] = 3 * made[0] + 0.01 * made[UNMET]
    return made.to(torch.bfloat16)


def cosines(rows: torch.Tensor) -> torch.Tensor:
    """Of each pair of rows."""
    unit = torch.nn.functional.normalize(rows.float(), dim=1)
    return (unit @ unit.T)[*torch.triu_indices(len(rows), len(rows), 1)]


def test_rows_that_were_one_vector_can_be_told_apart_and_the_others_stay() -> None:
    before, quiet = trained(), torch.eye(WIDTH)
    assert cosines(before[UNMET]).min() > 0.99
    after = spread(before, UNMET, quiet, seed=0, share=0.25)
    assert cosines(after[UNMET]).max() < 0.9
    met = [token for token in range(60) if token not in UNMET]
    assert torch.equal(after[met], before[met]) and after.dtype == before.dtype
    apart = (after[UNMET].float() - 0.25 * before[UNMET].float().mean(0)).norm(dim=1)
    torch.testing.assert_close(apart, before[met].float().norm(dim=1).median().expand(5), rtol=0.02, atol=0)


def test_a_seed_gives_the_same_rows_and_a_second_time_changes_nothing() -> None:
    before, quiet = trained(), torch.eye(WIDTH)
    after = spread(before, UNMET, quiet, seed=0, share=0.25)
    assert torch.equal(spread(before, UNMET, quiet, seed=0, share=0.25), after)
    assert not torch.equal(spread(before, UNMET, quiet, seed=1, share=0.25), after)
    assert torch.equal(spread(after, UNMET, quiet, seed=0, share=0.25), after)
    assert torch.equal(spread(before, [], quiet, seed=0), before)


def test_rows_are_spread_where_states_hardly_go() -> None:
    loud = torch.arange(WIDTH) < WIDTH // 2
    states = torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(1)) * torch.where(loud, 5.0, 0.1)
    quiet = quiet_directions(states)
    before = trained()
    moved = spread(before, UNMET, quiet, seed=0).float()[UNMET] - before.float()[UNMET]
    assert (states @ moved.T).abs().max() < 0.3 * (states @ before.float()[UNMET].T).abs().max()
    torch.testing.assert_close(quiet @ quiet, quiet, rtol=0, atol=1e-4)


def test_unmet_is_what_the_corpus_does_not_hold() -> None:
    tokenizer = make_tokenizer(itertools.islice(documents(0), 300), 300)
    unmet = unmet_tokens(tokenizer, 0, tokens=100_000)
    assert unmet == unmet_tokens(tokenizer, 0, tokens=100_000)
    met, thai = ({*tokenizer(text)["input_ids"]} for text in ("Write an ad.", "ไทย"))
    assert thai & {*unmet} and not (met | {*tokenizer.all_special_ids}) & {*unmet}
