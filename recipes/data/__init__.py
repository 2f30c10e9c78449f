"""From a client's files to checked, rendered and split rows, with everything that is wrong with them told at once."""

from typing import TYPE_CHECKING

from adapters.lazy import lazy

if TYPE_CHECKING:
    from recipes.data.bars import progress_bars
    from recipes.data.columns import is_derived
    from recipes.data.facts import PARTS, DataFacts, Profile
    from recipes.data.languages import language_shares
    from recipes.data.load import Checked, check, load_splits
    from recipes.data.pii import masked
    from recipes.data.profiling import profile, profile_table
    from recipes.data.proposal import Proposal, propose
    from recipes.data.records import Row
    from recipes.data.remarks import Remarks
    from recipes.data.streaming import streamed
    from recipes.data.tables import Data, Table
    from recipes.data.unlabelled import with_unlabelled
    from recipes.examples import Splits
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "recipes.data.bars": ["progress_bars"],
            "recipes.data.columns": ["is_derived"],
            "recipes.data.languages": ["language_shares"],
            "recipes.data.load": ["Checked", "check", "load_splits"],
            "recipes.data.pii": ["masked"],
            "recipes.data.facts": ["PARTS", "DataFacts", "Profile"],
            "recipes.data.profiling": ["profile", "profile_table"],
            "recipes.data.proposal": ["Proposal", "propose"],
            "recipes.data.records": ["Row"],
            "recipes.data.remarks": ["Remarks"],
            "recipes.data.streaming": ["streamed"],
            "recipes.data.tables": ["Data", "Table"],
            "recipes.data.unlabelled": ["with_unlabelled"],
            "recipes.examples": ["Splits"],
        },
    )

__all__ = [
    "PARTS",
    "Checked",
    "Data",
    "DataFacts",
    "Profile",
    "Proposal",
    "Remarks",
    "Row",
    "Splits",
    "Table",
    "check",
    "is_derived",
    "language_shares",
    "load_splits",
    "masked",
    "profile",
    "profile_table",
    "progress_bars",
    "propose",
    "streamed",
    "with_unlabelled",
]
