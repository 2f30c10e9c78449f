"""The next token of each row, by its own rules."""

import pytest
import torch

from adapters.serving.sampling import Sampling, choose

FOUR = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
DRAWS = 4000


def draws(how: Sampling, logits: torch.Tensor = FOUR) -> list[float]:
    """Shares of the tokens over many streams."""
    streams = [torch.Generator().manual_seed(seed) for seed in range(DRAWS)]
    found = choose(logits.repeat(DRAWS, 1), [how] * DRAWS, streams)
    return [found.count(token) / DRAWS for token in range(logits.shape[1])]


def test_temperature_draws_from_the_models_own_distribution() -> None:
    assert draws(Sampling(temperature=1.0)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.025)
    sharp = torch.tensor([0.5, 0.3, 0.15, 0.05]) ** 2
    assert draws(Sampling(temperature=0.5)) == pytest.approx((sharp / sharp.sum()).tolist(), abs=0.025)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    assert draws(Sampling(temperature=1.0, top_p=0.7)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.025)
    assert draws(Sampling(temperature=1.0, top_p=0.01)) == [1, 0, 0, 0]


def test_top_k_comes_before_top_p_as_in_transformers() -> None:
    assert draws(Sampling(temperature=1.0, top_k=3)) == pytest.approx(
        [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], abs=0.025
    )
    both = Sampling(temperature=1.0, top_k=2, top_p=0.62)  # of the two, the first has 0.625
    assert draws(both) == [1, 0, 0, 0]


def test_min_p_keeps_what_is_likely_enough_beside_the_likeliest_before_the_others() -> None:
    assert draws(Sampling(temperature=1.0, min_p=0.4)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.025)
    assert draws(Sampling(temperature=1.0, min_p=0.4, top_p=0.62)) == [1, 0, 0, 0]
    assert draws(Sampling(temperature=1.0, min_p=1.0)) == [1, 0, 0, 0]
    # A tail of thousands, each far behind: half of all draws fall there without.
    tail = torch.cat([torch.zeros(1, 1), torch.full((1, 4000), -8.3)], -1)
    assert draws(Sampling(temperature=1.0), tail)[0] == pytest.approx(0.5, abs=0.03)
    assert draws(Sampling(temperature=1.0, min_p=0.1), tail)[0] == 1


def test_rows_with_different_rules_do_not_mix() -> None:
    hows = [
        Sampling(),
        Sampling(temperature=1.0, top_k=1),
        Sampling(temperature=5.0),
        Sampling(temperature=1.0, top_p=0.1),
    ]
    seen = set()
    for seed in range(200):
        streams = [torch.Generator().manual_seed(seed) for _ in hows]
        greedy, top, wild, narrow = choose(FOUR.repeat(4, 1), hows, streams)
        assert (greedy, top, narrow) == (0, 0, 0)
        seen.add(wild)
    assert seen == {0, 1, 2, 3}


def test_a_row_draws_the_same_alone_and_among_others() -> None:
    logits = torch.randn(5, 50, generator=torch.Generator().manual_seed(0))
    hows = [Sampling(temperature=1.0, top_p=0.9, top_k=k) for k in (0, 3, 10, 0, 40)]

    def streams() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in range(5)]

    together = choose(logits.clone(), hows, streams())
    alone = [choose(logits[row : row + 1].clone(), [hows[row]], [streams()[row]])[0] for row in range(5)]
    assert together == alone


def test_a_row_that_is_not_finite_has_no_token() -> None:
    logits = torch.tensor([[1.0, 2.0], [torch.nan, 2.0], [torch.inf, 0.0]])
    hows = [Sampling(temperature=1.0, top_k=1), Sampling(temperature=1.0), Sampling()]
    streams = [torch.Generator() for _ in hows]
    assert choose(logits, hows, streams) == [1, None, None]


@pytest.mark.parametrize("scale", [0.01, 1.0, 8.0])
@pytest.mark.parametrize("ruled_out", [False, True])
def test_a_draw_falls_where_the_whole_vocabulary_sorted_says(scale: float, ruled_out: bool) -> None:
    """From flat to sharp: among the likeliest tokens, and far behind them."""
    random = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(1, 3000, generator=random)
    if ruled_out:
        logits[:, torch.randint(3000, (1000,), generator=random)] = -torch.inf
    shares, tokens = logits[0].double().softmax(-1).sort(descending=True)
    for top_p in (1.0, 0.9, 0.2):
        for top_k in (0, 5, 256, 257, 2000, 5000):
            own = shares.clone()
            own[top_k or len(own) :] = 0
            own /= own.sum()
            own *= own.cumsum(0) - own < top_p
            edges = own.cumsum(0)
            for seed in range(20):
                point = (
                    torch.rand((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
                    * own.sum()
                )
                at = int((edges <= point).sum())
                how = Sampling(temperature=1.0, top_p=top_p, top_k=top_k)
                (found,) = choose(logits.clone(), [how], [torch.Generator().manual_seed(seed)])
                near = float(abs(edges[max(at - 1, 0) : at + 1] - point).min()) < 1e-6
                assert found == int(tokens[at]) or near, (top_p, top_k, seed)
