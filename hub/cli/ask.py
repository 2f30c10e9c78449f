"""repertoire recommend, analyze, write: answers of adapters, by their names."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hub.cli.from_options import lines, open_registry, pairs
from hub.cli.options import (
    DEFAULT_HUB,
    BaseToAsk,
    ColumnNames,
    FormatNamed,
    HubPath,
    Json,
    LinesFile,
    Quantization,
    QuantizationToAsk,
    ReferenceName,
    ReferenceNames,
    TrustFile,
)
from hub.cli.output import document, say, show
from hub.cli.whole_files import (
    ByColumn,
    FileOfAnswers,
    Force,
    FormatChanges,
    Prefix,
    RowColumns,
    RowsToAnswer,
    WholeFile,
    answer_rows,
)

if TYPE_CHECKING:
    from hub.registry.registry import Registry


def recommend(
    reference: ReferenceNames = "",
    user: Annotated[str, typer.Option(help="The user, described as in the training data.")] = "",
    ad: Annotated[list[str] | None, typer.Option(help="An ad to rank; may be repeated.")] = None,
    file: LinesFile = None,
    feature: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A further column of the adapter's recipe.")
    ] = None,
    data: RowsToAnswer = None,
    out: FileOfAnswers = None,
    column: RowColumns = None,
    by: ByColumn = None,
    prefix: Prefix = "answer_",
    force: Force = False,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: FormatChanges = None,
    hub: HubPath = DEFAULT_HUB,
    base: BaseToAsk = None,
    quantization: QuantizationToAsk = None,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Rank ads for a user, the most likely to be clicked first.

    Example: `repertoire recommend acme/spring/recommendation --user "searched trail shoes; bought socks"
    --ad "Trail shoes for mud" --ad "A quiet kettle"`; with `acme/spring/recommendation@3+acme/spring/recommendation@4`
    both versions answer as one, by the mean of their probabilities.

    Example: `repertoire recommend acme/spring/recommendation --data visits.csv --out ranked.csv --column group=session`
    """
    whole = WholeFile(data, out, column, by, prefix, force, format_, columns, set_)
    opened = _opener(hub, base, quantization, trust)
    if answer_rows("recommend", reference, whole, opened, hub, as_json):
        return
    ads = [*(ad or ()), *lines(file)]
    if not ads:
        raise typer.BadParameter("no ads to rank; give --ad TEXT, or --file with one a line")
    ranked = opened(reference).recommend(reference, user, ads, dict(pairs(feature, "--feature")))
    if as_json:
        document([{"ad": item.ad, "probability": item.probability, "cut": item.cut} for item in ranked])
        return
    table = Table("", "probability", "ad", title=reference)
    for rank, item in enumerate(ranked, 1):
        table.add_row(str(rank), f"{item.probability:.3f}", str(item.ad))
    show(table, *_cut([item.cut for item in ranked]))


def analyze(
    reference: ReferenceNames = "",
    text: Annotated[list[str] | None, typer.Argument(help="Texts to label.")] = None,
    file: LinesFile = None,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show for each text.")] = 3,
    data: RowsToAnswer = None,
    out: FileOfAnswers = None,
    column: RowColumns = None,
    by: ByColumn = None,
    prefix: Prefix = "answer_",
    force: Force = False,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: FormatChanges = None,
    hub: HubPath = DEFAULT_HUB,
    base: BaseToAsk = None,
    quantization: QuantizationToAsk = None,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Label behaviour texts, with probabilities. --json gives all labels.

    Example: `repertoire analyze acme/spring/behavior "asked twice about refunds"`

    Example: `repertoire analyze --data tickets.parquet --out labelled.parquet --by adapter`, each row by the adapter
    that its column names
    """
    whole = WholeFile(data, out, column, by, prefix, force, format_, columns, set_)
    opened = _opener(hub, base, quantization, trust)
    if answer_rows("analyze", reference, whole, opened, hub, as_json):
        return
    texts = [*(text or ()), *lines(file)]
    if not texts:
        raise typer.BadParameter("no texts to label; give some, or --file with one a line")
    found = opened(reference).analyze(reference, texts)
    if as_json:
        document(
            [
                {
                    "text": item.text,
                    "labels": list(item.labels),
                    "probabilities": dict(item.probabilities),
                    "cut": item.cut,
                }
                for item in found
            ]
        )
        return
    table = Table("text", "labels", title=reference)
    for item in found:
        ordered = sorted(item.probabilities.items(), key=lambda pair: -pair[1])
        table.add_row(str(item.text), ", ".join(f"{label} {share:.3f}" for label, share in ordered[:top]))
    show(table, *_cut([item.cut for item in found]))


def write(
    reference: ReferenceName = "",
    product: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A fact of the product; or once, its text."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many texts.")] = 1,
    max_chars: Annotated[
        int | None, typer.Option(min=1, help="The longest text. [default: the recipe's]")
    ] = None,
    banned: Annotated[
        list[str] | None, typer.Option(help="A term that no text may hold; may be repeated.")
    ] = None,
    required: Annotated[
        list[str] | None, typer.Option(help="A disclaimer that every text must hold; may be repeated.")
    ] = None,
    named: Annotated[
        list[str] | None,
        typer.Option(help="A column whose value every text must name, or `all`; may be repeated."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 writes the likeliest. [default: the recipe's]")
    ] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="[default: the recipe's]")] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="0 is off. [default: the recipe's]")] = None,
    min_p: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Of the likeliest word's share; 0 is off. [default: the recipe's]"
        ),
    ] = None,
    drafts: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=32,
            help="Of each text, of which the one most like the others is given. [default: the recipe's]",
        ),
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1 repeats less; 1 is off. [default: the recipe's]")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="The text ends before this string; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed writes the same.")] = 0,
    stream: Annotated[bool, typer.Option("--stream", help="Show one text as it is written.")] = False,
    data: RowsToAnswer = None,
    out: FileOfAnswers = None,
    column: RowColumns = None,
    by: ByColumn = None,
    prefix: Prefix = "answer_",
    force: Force = False,
    format_: FormatNamed = None,
    columns: ColumnNames = None,
    set_: FormatChanges = None,
    hub: HubPath = DEFAULT_HUB,
    base: BaseToAsk = None,
    quantization: QuantizationToAsk = None,
    trust: TrustFile = None,
    as_json: Json = False,
) -> None:
    """Write ad texts for a product, by the rules of its adapter's policy. --json gives the refused texts with reasons.

    Example: `repertoire write globex/launch/ad-copy --product name=Kettle --product "audience=tea lovers" -n 5
    --max-chars 90 --temperature 0.8`

    Example: `repertoire write globex/launch/ad-copy --data feed.csv --out headlines.csv --max-chars 90`
    """
    options = {
        "max_chars": max_chars,
        "policy": {
            "banned": banned or [],
            "required": required or [],
            **({"named": "all" if "all" in named else named} if named else {}),
        },
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "repetition_penalty": repetition_penalty,
        "stop": stop or None,
        "seed": seed,
        # Left out where it is not given: a file that an earlier version began is gone on with.
        **({} if min_p is None else {"min_p": min_p}),
        **({} if drafts is None else {"drafts": drafts}),
    }
    whole = WholeFile(data, out, column, by, prefix, force, format_, columns, set_)
    opened = _opener(hub, base, quantization, trust)
    if answer_rows("write", reference, whole, opened, hub, as_json, n, options):
        return
    if not product:
        raise typer.BadParameter("no product; give --product NAME=VALUE, or --data with one a row")
    plain = len(product) == 1 and "=" not in product[0]
    facts = product[0] if plain else dict(pairs(product, "--product"))
    if stream and (as_json or n > 1):
        raise typer.BadParameter("--stream shows one text as it comes; leave out --json and -n")
    registry = opened(reference)
    if stream:
        for piece in registry.stream(reference, facts, **options):
            say(piece, end="")
        say("")
        return
    texts = registry.write(reference, facts, n, **options)
    if as_json:
        refused = [{"text": each.text, "reasons": [*map(str, each.reasons)]} for each in texts.refused]
        document({"texts": texts, "refused": refused})
        return
    show(*(f"{rank}. {text}" if len(texts) > 1 else text for rank, text in enumerate(texts, 1)))
    for each in texts.refused:
        say(f"refused: {each.text} ({'; '.join(map(str, each.reasons))})", error=True)


def _opener(
    hub: str, base: str | None, quantization: Quantization | None, trust: Path | None
) -> "Callable[[str], Registry]":
    """Opens a registry on the base of an adapter, by its reference."""
    return lambda reference: open_registry(hub, reference, base, quantization, trust)


def _cut(cuts: list[int]) -> list[str]:
    """That texts were longer than the adapter reads, where any was."""
    over = [cut for cut in cuts if cut]
    longest = max(over, default=0)
    return (
        [f"{len(over)} of {len(cuts)} texts were cut to the adapter's limit, by up to {longest} tokens."]
        if over
        else []
    )
