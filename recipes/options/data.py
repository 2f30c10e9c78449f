"""How the client's file is read, rendered and split: `data:`."""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from adapters.patterns import BadPattern, bounded
from recipes.options.section import Section, are_texts


class History(Section):
    """`data.history:` regular expressions that find a user's liked and disliked items inside the row's own text.

    liked, disliked: their first group is the list of items. item: one item inside that list. target: optional, its
    first group is the item that the row asks about. They feed baselines and the derived features `liked_share` and
    `liked_tally`.
    """

    liked: str
    disliked: str
    item: str = r'"([^"]+)"'
    target: str | None = None

    @field_validator("liked", "disliked", "item", "target")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
                bounded(pattern, "", 1.0)
            except (re.error, OverflowError, RecursionError, BadPattern) as error:
                raise ValueError(f"is no regular expression ({error}); mend the pattern") from None
            if groups != 1:
                raise ValueError(f"has {groups} groups; put parentheses around the one part that is wanted")
        return pattern


class AugmentOptions(Section):
    """`data.augment:` copies of training rows that say the same in other words, see `recipes.data.augment`.

    dropout: leave out this share of a text's words (of its characters, in Chinese), at least one.
    synonyms: a file of the client's own, a group a line: "buy, purchase, get". share: of a text's words, at the most
    so many (at least one) are replaced. swap_values: ad copy; half of the product's values that its copy names word by
    word become values of other products, in both. copies: of each row; the row and its copies count together as the
    row did. An epoch has as many more steps as there are more rows; a hook for other changes is
    `train(augmenter=...)`.
    """

    dropout: float = Field(default=0.0, ge=0, lt=1)
    synonyms: str | None = Field(default=None, min_length=1)
    share: float = Field(default=0.1, gt=0, le=1)
    swap_values: bool = False
    copies: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _share_of_synonyms(self) -> Self:
        if self.synonyms is None and self.share != type(self).model_fields["share"].default:
            raise ValueError("share is only read where there are synonyms; give their file, or leave it out")
        return self


_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
_QUOTES = {"double": '"', "single": "'"}


FormatName: TypeAlias = Literal[
    "google-ads", "meta-ads", "microsoft-ads", "ga4", "criteo", "mind", "movielens", "chatml", "sharegpt"
]


class FormatOptions(Section):
    """`data.format:` how files are written; what is null is decided from each file, and noted where it is not the
    usual. A name alone, `format: ga4`, is the `name`.

    name: of an export or a public data set, see `recipes.data.formats`.
    delimiter: between the cells of CSV and TSV: comma, semicolon, tab, bar, or what stands there, such as ::. quote:
    around cells that hold a separator or line breaks: double, single, or none where quotes are plain text. encoding: of
    CSV, TSV and JSON, such as gb18030 or utf-16; UTF-8 unless given.
    header: the line in which the columns' names stand, 1 for the first; 0 where there is none. columns: their names,
    where the file has no header.
    decimal: point or comma: numbers with grouping signs, and percentages, are read as plain numbers, 12 % as 0.12.
    percent: columns whose numbers are percentages without their sign: 12 is read as 0.12.
    turns: which turns of a chat are the product and its copy: a role such as user or assistant where the chat has one
    turn of it, or with a number, `user 2` the second and `user -1` the last.
    """

    name: FormatName | None = None
    delimiter: str | None = None
    quote: Literal["double", "single", "none"] | None = None
    encoding: str | None = None
    header: int | None = Field(default=None, ge=0)
    columns: list[str] | None = Field(default=None, min_length=1)
    decimal: Literal["point", "comma"] | None = None
    percent: list[str] = Field(default_factory=list)
    turns: dict[Literal["product", "copy"], str] = Field(default_factory=dict)

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str | None) -> str | None:
        if delimiter is None or delimiter in _DELIMITERS:
            return delimiter
        if not 1 <= len(delimiter) <= 4 or set(delimiter) & set("\r\n\"' "):
            raise ValueError(
                f"{delimiter!r} separates no cells; write {', '.join(_DELIMITERS)} or one character, or a few like ::"
            )
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        try:
            "a".encode(encoding or "utf-8")
            return encoding
        except (LookupError, UnicodeError):
            raise ValueError(f"{encoding!r} is no encoding; write one such as gb18030 or utf-16") from None

    @field_validator("columns")
    @classmethod
    def _each_named(cls, columns: list[str] | None) -> list[str] | None:
        names = columns or []
        if wrong := sorted({name for name in names if not name.strip() or names.count(name) > 1}):
            raise ValueError(
                f"names {', '.join(map(repr, wrong))} more than once or without a letter; name each"
            )
        return columns

    @field_validator("turns")
    @classmethod
    def _are_turns(cls, turns: dict[str, str]) -> dict[str, str]:
        for turn in turns.values():
            if not re.fullmatch(r"\S+( -?[1-9]\d*)?", turn):
                raise ValueError(
                    f"{turn!r} is no turn; write a role such as user, or with a number such as user -1"
                )
        return turns

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if self.columns is not None and self.header:
            raise ValueError("columns are for files without a header; leave columns or header out")
        return self

    @property
    def is_tabular(self) -> bool:
        """Whether it says what only a table of cells has."""
        return any(value is not None for value in (self.delimiter, self.quote, self.header, self.columns))

    @property
    def between(self) -> str | None:
        """The characters between cells, where they are known."""
        return None if self.delimiter is None else _DELIMITERS.get(self.delimiter, self.delimiter)

    @property
    def around(self) -> str | None:
        """The character around cells; None where there is none, or none is known."""
        return _QUOTES.get(self.quote or "none")

    @property
    def headless(self) -> bool:
        """Whether the recipe says that there is no header."""
        return self.columns is not None or self.header == 0


class DataOptions(Section):
    """`data:` how the client's file is read and split.

    format: how files are written, see FormatOptions.
    columns: role -> the file's column; a role that is not named is looked for under its own name.
    labels: the file's value -> its meaning: 0 or 1 for recommendation, a label's name for behavior.
    features: further columns that are rendered into the text, or "all" that have no role; ad-copy: the product's.
    separator: behavior, several labels in one cell, split at this string.
    lines: ad-copy, a product in the shape of `key[value], ...` or `key#value*...` is read as lines of "key: value", as
        columns are.
    prompt: a template; ad-copy: {product}, heads: roles and features.
    history: recommendation, see History.
    max_tokens: tokens that the model sees of a row; longer texts are cut.
    cut_by: recommendation on a decoder, longer texts lose their first tokens by so many at a time (at most a quarter of
        max_tokens), so that rows of one user begin alike and the user is read once; 1 cuts to the token.
    limit_per_label: heads, train on the first so many rows of each label only.
    repeats: rows of the training file whose text stands in a validation or test file too: refuse the data, keep
        them, or drop them from training.
    skip_bad_rows: leave out rows with something wrong, at most this share of a file's; 0 is none. They are listed in
        the report's folder; more of them, and the data is refused.
    negative_share: recommendation, train on this share of the rows without a click only; the probabilities are
        corrected for it (see `calibration`).
    pii: e-mail addresses and phone numbers in the texts: mask them as <email> and <phone>, in answers too, refuse the
        data, or allow them (see `pii`). allow_own leaves those of the advertiser, in ads and in what ad-copy reads and
        writes, and masks the others.
    augment: null is off, see AugmentOptions.
    label_names: behavior, the name of each label is a training row of it, see `recipes.data.named_labels`.
    validation_share, test_share: of the rows, where there is no file for that split. seed: of how rows are dealt to
        splits, left out and copied.
    """

    format: FormatOptions = FormatOptions()
    columns: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, int | str] = Field(default_factory=dict)
    features: Literal["all"] | list[str] = Field(default_factory=list)
    separator: str | None = Field(default=None, min_length=1)
    lines: bool = False
    prompt: str | None = None
    history: History | None = None
    max_tokens: int = Field(default=128, ge=8)
    cut_by: int = Field(default=32, ge=1)
    limit_per_label: int | None = Field(default=None, ge=1)
    repeats: Literal["refuse", "keep", "drop"] = "refuse"
    skip_bad_rows: float = Field(default=0.0, ge=0, lt=1)
    negative_share: float | None = Field(default=None, gt=0, lt=1)
    pii: Literal["mask", "refuse", "allow", "allow_own"] = "mask"
    augment: AugmentOptions | None = None
    label_names: bool = False
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: int = 0

    @field_validator("format", mode="before")
    @classmethod
    def _by_name(cls, written: Any) -> Any:
        return {"name": written} if isinstance(written, str) else written

    @field_validator("features", mode="before")
    @classmethod
    def _each_once(cls, features: Any) -> Any:
        if features != "all" and not are_texts(features):
            raise ValueError(f"{features!r} names no columns; write all, or a list such as [price, season]")
        twice = sorted({f for f in features if features.count(f) > 1}) if features != "all" else []
        if twice:
            raise ValueError(f"names {', '.join(twice)} twice; name each column once")
        return features

    @field_validator("labels", mode="before")
    @classmethod
    def _plain_labels(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            raise ValueError(
                f"{labels!r} is no mapping from what the file says to what it means; write {{Yes: 1, No: 0}} for "
                "recommendation, {1: happy, 0: angry} for behavior"
            )
        odd = [f"{key}: {value}" for key, value in labels.items() if type(value) not in (int, str)]
        if odd:
            raise ValueError(f"{', '.join(odd)}: a label must mean 0, 1 or a name; put names in quotes")
        return {str(key): value for key, value in labels.items()}

    @model_validator(mode="after")
    def _some_rows_train(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                "validation_share and test_share leave nothing to train on; keep their sum below 1"
            )
        return self
