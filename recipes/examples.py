"""What a client's rows become: examples in three splits."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipes.errors import Problem


@dataclass(frozen=True, slots=True)
class Example:
    """One row as the model sees it.

    text: what the model reads; heads: the rendered text, ad-copy: the product text that goes into the prompt.
    label: index into `Splits.labels`; several indices for multi-label; None for ad-copy.
    copy: ad-copy, the reference text.
    weight: how much the row counts in the loss and in the metrics; impressions and clicks become two weighted rows.
    group: what is ranked together (NDCG), and what never stands on both sides of a split.
    fields: role or feature -> the cell's text; baselines read user and ad from it.
    line: in the file, as in `Problem.line`; `file`: its path as given. Several rows may share a line, as those of a
        JSON array do, and a file may be given twice: see `origin`.
    number: of the row among all rows of the data; None for one that was not read from data.
    key: of the rows that stay together when rows are dealt: the group, the user or the text; None for one that was not
        read from data.
    """

    text: str
    line: int
    label: int | tuple[int, ...] | None = None
    copy: str | None = None
    weight: float = 1.0
    group: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    number: int | None = None
    key: str | None = None

    @property
    def origin(self) -> Hashable:
        """What tells the row that this is of from all others. The two halves of a row of impressions and clicks have
        one."""
        return (self.file, self.line) if self.number is None else self.number

    @property
    def unit(self) -> Hashable:
        """What is independent evidence: a group where there is one, for ad-copy a product, else a row."""
        if self.group is not None:
            return self.group
        return self.text if self.copy is not None else ("row", self.origin)


@dataclass(frozen=True)
class Source:
    """A file that was read: its name without folders, the sha256 and the number of its bytes, its rows."""

    name: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of examples.

    labels: heads, the labels' names in the head's order; () for ad-copy. multi_label: a row may have several.
    digest: sha256 over the raw bytes of all files in the order data, validation, test; for a single file its own;
        where there are rows without labels, over that and the bytes of their files.
    notes: what a reader of the metrics should know, one sentence each: columns that were not used, rows left out.
    skipped: what is wrong with the rows that `data.skip_bad_rows` left out.
    negative_share: what share of the training rows without a click was kept, by weight; 1 is all of them.
    unlabelled: rows without labels that are trained on too.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    labels: tuple[str, ...]
    digest: str
    files: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    multi_label: bool = False
    negative_share: float = 1.0
    skipped: "tuple[Problem, ...]" = ()
    unlabelled: tuple[Example, ...] = ()
