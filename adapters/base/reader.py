"""What a base reads with, its tokenizer and its limit, without its weights."""

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from adapters.base.known_bases import source_of
from adapters.base.loading import not_found
from adapters.base.positions import most_positions


class Reader(Protocol):
    """What turns texts into tokens: a `Base`, or a `BareReader`.

    tokenizing: held by whoever uses the tokenizer, which keeps its settings in itself. max_positions: the most tokens
    of one sequence, prefix included.
    """

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...

    @property
    def tokenizing(self) -> threading.RLock: ...

    @property
    def max_positions(self) -> int: ...


@dataclass(frozen=True, eq=False)
class BareReader:
    """A `Reader` without a base behind it."""

    tokenizer: PreTrainedTokenizerBase
    max_positions: int
    tokenizing: threading.RLock = field(init=False, repr=False, default_factory=threading.RLock)


def load_reader(id_or_path: str, revision: str | None = None) -> BareReader:
    """What a base reads with; no weights are fetched or loaded.

    Args:
        id_or_path: as in `load_base`.
        revision: as in `load_base`.

    Raises:
        BaseNotFound: there is none of this name, or it cannot be reached.
    """
    source = source_of(id_or_path)
    try:
        config: Any = AutoConfig.from_pretrained(source, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    except (OSError, ValueError) as error:
        raise not_found(id_or_path, error) from error
    return BareReader(tokenizer, most_positions(config))
