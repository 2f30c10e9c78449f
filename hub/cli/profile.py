"""repertoire profile: what a client's data is like, before anything is trained."""

from typing import Annotated

import typer

from hub.cli.from_options import chosen_recipe
from hub.cli.options import (
    DEFAULT_BASE,
    BaseToTrain,
    Changes,
    ColumnNames,
    Columns,
    DataFiles,
    FormatNamed,
    Json,
    Labels,
    Quantization,
    QuantizationToTrain,
    RecipeName,
    TestFiles,
    ValidationFiles,
)
from hub.cli.output import document, show


def profile(
    recipe: RecipeName,
    data: DataFiles,
    base: BaseToTrain = DEFAULT_BASE,
    quantization: QuantizationToTrain = Quantization.nf4,
    validation: ValidationFiles = None,
    test: TestFiles = None,
    column: Columns = None,
    label: Labels = None,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: Changes = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only check each row, and hold none: for files larger than memory."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a client's data and tell what it is like: rows, labels, languages, lengths in tokens, repetitions.

    Languages, lengths and near-duplicates are those of some thousand rows, spread over the data.

    Example: `repertoire profile recommendation clicks.csv --column clicked=bought --set data.pii=mask`
    """
    from recipes.data import check as check_rows
    from recipes.data import load_splits, profile_table
    from recipes.data import profile as look

    chosen = chosen_recipe(recipe, column, label, set_, format_, columns)
    if check:
        looked = check_rows(chosen, data, validation or None, test or None, progress=not as_json)
        if as_json:
            skipped = [str(problem) for problem in looked.skipped]
            document({"rows": looked.rows, "skipped": skipped, "notes": looked.notes})
        else:
            them = "any of the others" if looked.skipped else "any of them"
            show(f"{looked.rows:,} rows, and nothing wrong with {them}.")
            show(*(f"- {note}" for note in looked.notes))
            show(*(f"- left out: {problem}" for problem in looked.skipped))
        return
    splits = load_splits(chosen, data, validation or None, test or None, progress=not as_json)

    from adapters.base import load_reader
    from recipes.learn import count_tokens, token_limit

    reader = load_reader(base)
    limit = token_limit(reader, chosen)
    found = look(splits, chosen, lambda example: sum(count_tokens(reader, chosen, example)), limit)
    if as_json:
        document({"profile": found.to_info(), "notes": splits.notes})
        return
    show(profile_table(found), *(f"- {note}" for note in splits.notes))
