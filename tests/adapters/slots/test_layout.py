"""Where terms lie in a slot: layer by layer, or all like ones of a base at once, it is the same memory."""

import random

import torch

from adapters.slots.layout import Layout, Term

KINDS = {
    "attn.q": (6, 6),
    "attn.k": (6, 2),
    "attn.v": (6, 2),
    "mlp.expert.0.up": (6, 9),
    "mlp.expert.1.up": (6, 9),
}


def drawn(draw: random.Random) -> Layout:
    """Blocks of which some lack layers, have another rank, or a gain."""
    usual, groups, terms = draw.randint(1, 4), {}, []
    for block in range(draw.randint(1, 12)):
        for kind, (inputs, outputs) in KINDS.items():
            path = f"model.layers.{block}.{kind}"
            groups[path] = f"model.layers.{block}.{'attn.q' if 'attn' in kind else kind}"
            if draw.random() < 0.9:
                rank = usual if draw.random() < 0.9 else draw.randint(1, 4)
                terms.append(Term(path, rank, inputs, outputs, draw.random() < 0.1))
    return Layout.of(terms, groups)


def test_series_hold_every_term_once_where_its_layer_sees_it() -> None:
    for seed in range(200):
        layout = drawn(random.Random(seed))
        slots = torch.arange(2.0 * layout.size).view(2, -1)
        layers, seen = layout.views(slots), []
        for series in layout.series:
            a, b, gain = series.views(slots[1])
            for at, place in enumerate(series.places):
                own = layers[place.term.path]
                assert torch.equal(a[at], own.a[1]) and torch.equal(b[at], own.b[1])
                assert (gain is None) == (own.gain is None)
                assert gain is None or torch.equal(gain[at], own.gain[1])
                seen.append(place.term)
        assert sorted(seen, key=lambda term: term.path) == sorted(layout.terms, key=lambda term: term.path)


def test_blocks_that_are_alike_make_one_series_of_each_layer() -> None:
    terms = [Term(f"l.{b}.{kind}", 2, *size, False) for b in range(30) for kind, size in KINDS.items()]
    groups = {term.path: term.path.replace(".k", ".q").replace(".v", ".q") for term in terms}
    assert [len(series.places) for series in Layout.of(terms, groups).series][:3] == [30, 30, 30]
