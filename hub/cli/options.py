"""Options and arguments that several commands take: each is spelled here once, and read in from_options.py.

    def ls(hub: HubPath = DEFAULT_HUB, client: OfClient = None, as_json: Json = False) -> None: ...

`--base` is spelled once for each thing that a base is asked for: to answer, to train on, to check against, to find by.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.completion import references


class Quantization(StrEnum):
    """As in `adapters.load_base`."""

    nf4 = "nf4"
    int8 = "int8"
    none = "none"


_BASES = "`starter`, a Hugging Face id or a folder."
_DATA = "CSV, TSV, JSONL, JSON, Parquet or Excel, packed (.gz, .zst) or not; several are read as one."
_KEY = "A private key; its password is asked for, or taken from REPERTOIRE_KEY_PASSWORD."
_REFERENCE = "client/campaign/task, or with @alias or @3"

# Of every command.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words and tables.")]
DEFAULT_HUB = "campaigns"
HubPath = Annotated[
    str,
    typer.Option(
        "--hub",
        envvar="REPERTOIRE_HUB",
        help="The hub: a folder, s3://bucket/path or gs://bucket/path.",
        show_default=True,
    ),
]

# What is meant in a hub.
AdapterName = Annotated[
    str, typer.Argument(metavar="NAME", help="client/campaign/task", autocompletion=references)
]
ReferenceName = Annotated[
    str, typer.Argument(metavar="REFERENCE", help=f"{_REFERENCE}.", autocompletion=references)
]
ReferenceNames = Annotated[
    str,
    typer.Argument(
        metavar="REFERENCE",
        help=f"{_REFERENCE}; several with + between them answer as one.",
        autocompletion=references,
    ),
]
AliasName = Annotated[str, typer.Argument(help="Such as production.")]

# Of those that are found, only some.
OfClient = Annotated[str | None, typer.Option("--client", help="Only this client's.")]
OfCampaign = Annotated[str | None, typer.Option("--campaign", help="Only this campaign's.")]
OfTask = Annotated[str | None, typer.Option("--task", help="recommendation, behavior or ad-copy.")]
OfMethod = Annotated[str | None, typer.Option("--method", help="lora, dora or prefix.")]
OfBase = Annotated[str | None, typer.Option("--base", help="Only those for this base.")]

# Putting a version into a hub.
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A word to find it by; may be repeated.")]
Message = Annotated[str, typer.Option("--message", "-m", help="What is new in this version.")]
PublishId = Annotated[
    str | None, typer.Option("--publish-id", help="Done again with the same id, it gives the same version.")
]
BaseToFit = Annotated[
    str | None,
    typer.Option("--base", help=f"Check every tensor against this base: {_BASES} No weights are loaded."),
]
BaseIdToWrite = Annotated[
    str | None,
    typer.Option(
        "--base-id",
        metavar="OWNER/MODEL",
        help="With --base FOLDER: the id of that base, which is written where the adapter names a folder.",
    ),
]
DeclaredTask = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="What the adapter does, where it does not say so itself: recommendation, behavior or ad-copy.",
    ),
]
DeclaredRoles = Annotated[
    str | None,
    typer.Option(
        "--roles",
        metavar="ROLE,ROLE",
        help="With --task: the columns of its training rows, such as user,ad or text.",
    ),
]
DeclaredClick = Annotated[
    int,
    typer.Option(
        "--click",
        min=0,
        max=1,
        help="With --task recommendation: the row of its head, of two, that is the click.",
    ),
]
IsAlias = Annotated[
    bool,
    typer.Option(
        "--base-id-is-alias", help="The base that the adapter names is that of --base, by another id of its."
    ),
]

# Signatures.
SigningKey = Annotated[Path, typer.Option("--key", help=_KEY)]
SigningKeyToo = Annotated[
    Path | None, typer.Option("--key", help=f"Sign the new version too. {_KEY}", show_default=False)
]
TrustFile = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        envvar="REPERTOIRE_TRUST",
        help="A file that says which clients' adapters must be signed, and by whom.",
    ),
]

# Changing what is there.
Why = Annotated[str, typer.Option("--why", "-m", help="The reason; the hub keeps it.")]
Expect = Annotated[
    int | None,
    typer.Option(
        "--expect",
        min=0,
        help="Only if the alias means this version now (0: none); else nothing is changed, exit code 6.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

# Asking an adapter.
BaseToAsk = Annotated[str | None, typer.Option("--base", help=f"{_BASES} [default: the adapter's own base]")]
QuantizationToAsk = Annotated[
    Quantization | None,
    typer.Option("--quantization", help="How to hold the base. [default: as the adapter was trained]"),
]
LinesFile = Annotated[
    Path | None, typer.Option("--file", help="A text file, one entry a line; - reads standard input.")
]

# Training.
RecipeName = Annotated[
    str,
    typer.Argument(
        help="recommendation, behavior or ad-copy, each also with -prefix; or a YAML file.",
        show_default=False,
    ),
]
DataFiles = Annotated[list[Path], typer.Argument(help=_DATA)]
DataFilesUnlessJobs = Annotated[
    list[Path] | None, typer.Argument(help=f"{_DATA} None for a file of jobs.", show_default=False)
]
ValidationFiles = Annotated[
    list[Path] | None, typer.Option("--validation", help="Rows to stop early by. [default: cut from DATA]")
]
TestFiles = Annotated[
    list[Path] | None, typer.Option("--test", help="Rows to measure on. [default: cut from DATA]")
]
UnlabelledFiles = Annotated[
    list[Path] | None,
    typer.Option("--unlabelled", help="behavior: rows without labels, to learn from too."),
]
BaseToTrain = Annotated[str, typer.Option("--base", help=_BASES)]
DEFAULT_BASE = "starter"
QuantizationToTrain = Annotated[Quantization, typer.Option("--quantization", help="How to hold the base.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=COLUMN", help="What a column is called in the file."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="MEANING=VALUE", help="What a label is called in the file."),
]
FormatNamed = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="How the files are written: google-ads, meta-ads, microsoft-ads, ga4, criteo, mind, movielens, chatml or "
        "sharegpt. [default: told by their first lines]",
    ),
]
ColumnNames = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,C", help="The columns, in order, of files without a header."),
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any value of the recipe.")
]

# On several machines.
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Train by workers on a Ray cluster: auto is this machine's, local one of its own, else an address.",
    ),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="How many, with --ray.")]
FileWorkers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="How many on Ray train. [default: as the file says, else 2]"),
]
WorkerCpus = Annotated[int, typer.Option("--cpus", min=1, help="Processors of each worker, with --ray.")]
