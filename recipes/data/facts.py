"""What an adapter says of the data that it learned from, as types with a JSON form: `info["data"]`. No rows."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from recipes.examples import Source
from recipes.part import Part

PARTS = ("train", "validation", "test")


class Tokens(Part):
    """Lengths of the rows that were looked at, in tokens. p95: 95 of 100 rows have at most so many. over: rows that are
    longer than `limit` and are cut."""

    looked_at: int
    median: int
    p95: int
    longest: int
    limit: int
    over: int


class Near(Part):
    """Held-out rows that were looked at, and how many of them a training row all but repeats (see
    `near_duplicates`)."""

    looked_at: int = 0
    near: int = 0


class Profile(Part):
    """The data that an adapter learns from, as JSON beside its other facts.

    rows: of the file, by split. labels: by split, each label's share of the weight; a row may have several.
    languages: ISO 639 code -> share of the rows that were looked at (py3langid; "unsure" for texts too short to tell,
    "none" for those without letters).
    repeated: by split, rows whose text stands earlier in the same split. near: by held-out split. private: addresses
    and numbers that were masked or allowed. tokens: None where no base was at hand to count them.
    """

    rows: dict[str, int] = Field(default_factory=dict)
    labels: dict[str, dict[str, float]] = Field(default_factory=dict)
    languages: dict[str, float] = Field(default_factory=dict)
    repeated: dict[str, int] = Field(default_factory=dict)
    near: dict[str, Near] = Field(default_factory=dict)
    private: dict[str, int] = Field(default_factory=dict)
    tokens: Tokens | None = None

    def to_info(self) -> dict[str, Any]:
        """As plain JSON; null where there are no tokens."""
        return self.model_dump(mode="json")


class DataFacts(Part):
    """Which data an adapter learned from, and what was said of it.

    digest: sha256 of all rows. files: those that were given. roles: of the columns, and the features, that rows have.
    notes: sentences for people.
    """

    digest: str | None = None
    files: tuple[Source, ...] = ()
    roles: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    profile: Annotated[Profile | None, BeforeValidator(Profile.read)] = None
