"""Near-duplicates: held-out texts that a training text all but repeats, so that they measure memory.

Two texts are near each other when their sets of five-character pieces (in lower case) have a Jaccard similarity of at
least 0.8. MinHash finds who may be near whom (Broder, "On the resemblance and containment of documents", 1997): two
texts agree in each of 15 minima with the probability of their similarity. Those that agree in one band of 3 and in 9 of
all 15 are then compared exactly. It is written on numpy, since libraries for it hash one text at a time.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

SIMILAR = 0.8
_PIECE = 5  # characters
_BANDS, _MINIMA = 5, 3  # of each band
_AGREE = 9  # of all minima; a pair at 0.8 does so 98 times in 100
_TRIED = 8  # training texts of one band that a text is compared with
_CHUNK = 500_000  # characters that are hashed at a time

Hashes = NDArray[np.uint32]


def near_any(texts: Sequence[str], known: Sequence[str]) -> list[bool]:
    """For each text whether one of the known texts is near it, or equal to it. Of pairs at 0.8 about one in twenty is
    missed; no other text is counted."""
    found = [False] * len(texts)
    if not texts or not known:
        return found
    asked, signed = _minima(texts), _minima(known)
    for band in range(_BANDS):
        keys, wanted = _keys(signed, band), _keys(asked, band)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first, last = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        for index in np.flatnonzero(first < last).tolist():
            if not found[index]:
                candidates = order[first[index] : min(last[index], first[index] + _TRIED)]
                agree = (signed[candidates] == asked[index]).sum(axis=1) >= _AGREE
                pieces = _pieces(texts[index]) if agree.any() else set()
                found[index] = any(
                    _similarity(pieces, _pieces(known[n])) >= SIMILAR for n in candidates[agree].tolist()
                )
    return found


def _pieces(text: str) -> set[str]:
    text = _plain(text)
    return {text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)}


def _similarity(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _plain(text: str) -> str:
    """Lower case, and long enough for one piece."""
    return text.lower().ljust(_PIECE)


def _minima(texts: Sequence[str]) -> Hashes:
    """Each text's minima over its pieces' hashes, [texts, bands * minima]."""
    random = np.random.default_rng(0)
    factors = random.integers(2**31, size=_BANDS * _MINIMA, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.concatenate([_chunk_minima(chunk, factors) for chunk in _chunks(texts)])


def _chunk_minima(texts: Sequence[str], factors: Hashes) -> Hashes:
    plain = [_plain(text) for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) for text in plain])
    ends = np.cumsum(lengths)
    hashes = np.zeros(len(codes), dtype=np.uint32)
    for at in range(_PIECE):
        hashes[: len(codes) - at] = _mixed(hashes[: len(codes) - at] + codes[at:])
    # "trails" "kettle" -> trail|rails|kettl|ettle: what would reach into the next text is no piece.
    inner = np.ones(len(codes), dtype=bool)
    for at in range(1, _PIECE):
        inner[ends - at] = False
    pieces = hashes[inner]
    starts = np.cumsum(lengths - _PIECE + 1) - (lengths - _PIECE + 1)
    return np.stack([np.minimum.reduceat(pieces * factor, starts) for factor in factors], axis=1)


def _mixed(values: Hashes) -> Hashes:
    """Each bit of the result depends on all bits of the value (a round of MurmurHash3's finaliser)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    return values ^ (values >> np.uint32(13))


def _keys(minima: Hashes, band: int) -> NDArray[np.uint64]:
    """One number for each text's minima of a band."""
    keys = np.zeros(len(minima), dtype=np.uint64)
    for column in range(band * _MINIMA, (band + 1) * _MINIMA):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + minima[:, column]
    return keys


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    length = 0
    for text in texts:
        chunk.append(text)
        length += len(text) + _PIECE
        if length >= _CHUNK:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk
