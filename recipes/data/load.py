"""From a client's files to examples in three splits; everything that is wrong with them is told at once.

    files -> tables -> which column is which role -> rows (text, label, weight, key) -> splits

Nothing is guessed and nothing is dropped in silence: a value that is not understood is a problem with its line and its
fix, and what was left out on purpose stands in `Splits.notes`.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from adapters.collector import without_collector
from recipes.data.bars import progress_bars
from recipes.data.between_files import between_files, without_repeats
from recipes.data.cells import Parsed
from recipes.data.columns import find_columns, near
from recipes.data.edge import at_the_edge
from recipes.data.parsing import Read, parse_table
from recipes.data.quantities import misread
from recipes.data.split import Dealt, deal, fewer_negatives, first_of_each_label
from recipes.data.tables import Data, read_tables
from recipes.data.timestamps import Timestamps
from recipes.errors import DataError, Problem, RecipeError, printable
from recipes.examples import Example, Source, Splits
from recipes.tasks.label_names import joined, look_alike
from recipes.tasks.roles import CALLED, read_roles
from recipes.tasks.task import task_for
from recipes.tasks.templates import placeholders

if TYPE_CHECKING:
    from recipes.recipe import Recipe


FEWEST_ROWS = 10
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Checked:
    """What `check` found in data that is sound: its rows, notes as in `Splits`, and what is wrong with rows that
    `data.skip_bad_rows` leaves out."""

    rows: int
    notes: tuple[str, ...]
    skipped: tuple[Problem, ...] = ()


def load_splits(
    recipe: "Recipe",
    data: "Data | Splits",
    validation: "Data | None" = None,
    test: "Data | None" = None,
    *,
    progress: bool = False,
) -> Splits:
    """Read, check and split a client's data.

    Files are streamed; what is held in memory is every row's example, about 1 KB.

    Args:
        recipe: says which column is what, and how rows are dealt.
        data: a path, several paths that are read as one, or a `datasets.Dataset`. What this made for the same recipe
            is given back as it is, so that nobody need read a file twice.
        validation: paths or a data set, where the client has fixed rows for it; else dealt out of `data`.
        test: the same.
        progress: show bars.

    Raises:
        DataError: with every problem of every file.
        RecipeError: where the recipe names roles that the task does not have.
    """
    if isinstance(data, Splits):
        return data
    _check_names(recipe)
    with without_collector(), _bars(progress) as bars:
        return _load(recipe, _given(data, validation, test), bars)


def check(
    recipe: "Recipe",
    data: Data,
    validation: "Data | None" = None,
    test: "Data | None" = None,
    *,
    progress: bool = False,
) -> "Checked":
    """Check every row for itself, and hold none: CSV and JSONL may be larger than memory.

    What only all rows together show is left to `load_splits`: texts in two files, labels that only one file has, splits
    of one kind.

    Args:
        recipe: as in `load_splits`.
        data: paths or a data set.
        validation: the same.
        test: the same.
        progress: show bars.

    Returns:
        How many rows there are, and what was noted.

    Raises:
        DataError: with every problem of every file.
        RecipeError: where the recipe names roles that the task does not have.
    """
    _check_names(recipe)
    with _bars(progress) as bars:
        read = _read(recipe, _given(data, validation, test), bars, keep=False)
    if read.problems:
        raise DataError(read.problems)
    notes = _noted([*read.notes, *look_alike(read.labels), *joined(read.labels)])
    return Checked(sum(source.rows for source in read.files), notes, tuple(read.skipped))


def _given(data: Data, validation: "Data | None", test: "Data | None") -> dict[str, Data]:
    given = {"train": data, "validation": validation, "test": test}
    return {part: source for part, source in given.items() if source is not None}


def _load(recipe: "Recipe", sources: Mapping[str, Data], bars: Progress) -> Splits:
    read = _read(recipe, sources, bars)
    bars.add_task("splitting", total=None)
    rows, problems, notes = read.rows, read.problems, read.notes
    task = task_for(recipe.task)
    labels = task.labels({name for group in rows.values() for row in group for name in row.names})
    problems += between_files(recipe, rows)
    if not problems and len(rows["train"]) < FEWEST_ROWS:
        fix = f"Give at least {FEWEST_ROWS}; some hundreds are better"
        problems.append(Problem(read.names["train"], f"{len(rows['train'])} rows are too few", fix))
    if problems:
        raise DataError(problems)
    if recipe.data.repeats == "drop":
        rows = without_repeats(rows, notes)
    parts = _split(recipe, rows, labels, notes)
    files = {part: read.names.get(part, read.names["train"]) for part in _PARTS}
    if problems := _unusable_splits(recipe, parts, labels, files):
        raise DataError(problems)
    kept = 1.0
    if recipe.data.negative_share is not None:
        every = parts["train"]
        parts["train"], kept = fewer_negatives(every, recipe.data.negative_share, recipe.data.seed)
        dropped = len(every) - len(parts["train"])
        notes.append(
            f"{dropped} of {len(every)} training rows, none of them clicked, are left out (data.negative_share); "
            "probabilities are corrected for it"
        )
    notes += _remarks(recipe, parts, labels)
    examples = {
        part: tuple(example for row in dealt for example in row.examples) for part, dealt in parts.items()
    }
    return Splits(
        train=examples["train"],
        validation=examples["validation"],
        test=examples["test"],
        labels=labels,
        digest=read.digest,
        files=tuple(read.files),
        notes=_noted(notes),
        multi_label=recipe.data.separator is not None,
        negative_share=kept,
        skipped=tuple(read.skipped),
    )


def _noted(notes: Sequence[str]) -> tuple[str, ...]:
    """Each note once, as any file takes it."""
    return tuple(dict.fromkeys(map(printable, notes)))


def _bars(shown: bool) -> Progress:
    return progress_bars(shown, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _check_names(recipe: "Recipe") -> None:
    """Refuse roles that the task does not have, and templates that cannot be filled."""
    task, data = task_for(recipe.task), recipe.data
    roles = task.ROLES
    wrong = []
    for role in data.columns:
        if role not in roles:
            wrong.append(f"data.columns: {recipe.task} has no role `{role}`. {near(role, roles)}")
    if data.prompt is not None:
        try:
            names = placeholders(data.prompt)
        except ValueError as error:
            raise RecipeError([*wrong, f"data.prompt: {error}"]) from None
        own = task.PROMPT_NAMES or (
            *read_roles(roles),
            *data.features,
            *(task.DERIVED if data.history else ()),
        )
        if task.PROMPT_NAMES or data.features != "all":
            wrong += [
                f"data.prompt: no row has `{name}`. {near(name, own)}" for name in names if name not in own
            ]
    if wrong:
        raise RecipeError(wrong)


def _read(recipe: "Recipe", sources: Mapping[str, Data], bars: Progress, keep: bool = True) -> Read:
    """Read the files one after the other; of each its understood rows stay, without `keep` nothing.

    sources: train, validation or test -> what was given for it.
    """
    read = Read({part: [] for part in sources})
    digest, times = hashlib.sha256(), Timestamps()
    features: tuple[str, ...] | None = None
    for part, source in sources.items():
        names: list[str] = []
        roles: dict[str, set[str]] = {}
        reading = bars.add_task("reading", total=None)
        for table in read_tables(source, digest, recipe.data.format):
            table = replace(table, name=printable(table.name))
            names.append(table.name)
            read.files.append(Source(table.title, table.sha256, table.bytes, len(table.rows)))
            read.notes += table.notes
            if not len(table.rows):
                read.problems += table.problems
                continue
            with at_the_edge(table.name, read.problems):
                found = find_columns(recipe, table, features)
                read.problems += found.problems
                read.notes += found.notes
                if found.columns is None:
                    read.problems += table.problems
                    continue
                if odd := misread(recipe, table, found.columns.of):
                    read.problems += (*odd, *table.problems)
                    continue
                features = found.columns.features
                roles[table.name] = set(found.columns.of)
                understood = parse_table(recipe, table, found.columns, read, times, bars, keep)
                read.rows[part] += [row for row in understood if row.outcomes]
        bars.remove_task(reading)
        read.names[part] = ", ".join(names)
        read.problems += _unlike(roles)
    read.problems += times.problems()
    read.digest = digest.hexdigest()
    return read


def _unlike(roles: Mapping[str, set[str]]) -> Iterator[Problem]:
    """Files that are read as one must have the same roles: half a timestamp column splits nothing by time."""
    every = set().union(*roles.values())
    for name, own in roles.items():
        for role in sorted(every - own):
            other = next(file for file, has in roles.items() if role in has)
            fix = f"Add the column, or take it out of {other}, or name the files one by one as test or validation"
            yield Problem(name, f"no column for `{role}`, which {other} has", fix, line=1)


def _split(
    recipe: "Recipe", rows: Mapping[str, Sequence[Parsed]], labels: Sequence[str], notes: list[str]
) -> dict[str, list[Dealt]]:
    """Deal what has no file of its own out of the training file, then keep as many rows per label as the recipe says.

    Where there is such a limit and no time, the rows that it keeps are chosen first, so that the first rows of the
    file train and validation and test are dealt out of the others.
    """
    data = recipe.data
    shares = {"test": data.test_share, "validation": data.validation_share}
    shares = {part: share for part, share in shares.items() if part not in rows}
    segments = _segments(rows["train"], shares, notes)
    numbers = count()
    dealt = {
        part: [_dealt(recipe, row, next(numbers), labels, segments) for row in group]
        for part, group in rows.items()
    }
    pinned: set[str] = set()
    if data.limit_per_label is not None and any(row.time is None for row in dealt["train"]):
        pinned = {row.key for row in first_of_each_label(dealt["train"], data.limit_per_label)}
    parts = dealt | deal(dealt["train"], shares, data.seed, pinned)
    if data.limit_per_label is not None:
        every = len(parts["train"])
        parts["train"] = first_of_each_label(parts["train"], data.limit_per_label)
        notes.append(
            f"trained on {len(parts['train'])} of {every} rows: the first {data.limit_per_label} of each label "
            "(data.limit_per_label)"
        )
    return {part: parts[part] for part in _PARTS}


def _segments(rows: Sequence[Parsed], shares: Mapping[str, float], notes: list[str]) -> set[str]:
    """What `user` says of more rows than the smallest split is to have: `new`, or an age, describes no single user.
    Only asked where nothing else says which rows belong together."""
    if not shares or any(row.time is not None or row.key is not None for row in rows):
        return set()
    rows_of = Counter(row.user for row in rows if row.user is not None)
    most = min(shares.values()) * len(rows)
    found = {user: count for user, count in rows_of.items() if count > most}
    if found:
        first = max(found, key=lambda user: found[user])
        notes.append(
            f"{len(found)} values of `user` stand in more rows than a split has (the commonest in {found[first]}: "
            f"{first[:40]!r}) and are taken for segments, not users: their rows are split by text"
        )
    return set(found)


def _dealt(
    recipe: "Recipe", row: Parsed, number: int, labels: Sequence[str], segments: Collection[str]
) -> Dealt:
    """number: of the row among all."""
    described = row.user is not None and row.user not in segments
    who = row.key or (f"described {row.user}" if described else None)
    indices = tuple(sorted(labels.index(name) for name in row.names))
    label = indices if recipe.data.separator is not None else indices[0] if indices else None
    examples = tuple(
        Example(
            text=row.text,
            line=row.line,
            label=label if outcome is None else outcome,
            copy=row.copy,
            weight=weight,
            group=row.group,
            fields=row.fields,
            file=row.file,
            number=number,
            key=who or row.text,
        )
        for outcome, weight in row.outcomes
    )
    return Dealt(examples, who or f"text {row.text}", row.time)


def _unusable_splits(
    recipe: "Recipe", parts: Mapping[str, Sequence[Dealt]], labels: Sequence[str], files: Mapping[str, str]
) -> list[Problem]:
    """Splits that are empty, or that the task cannot use."""
    problems = []
    for part, rows in parts.items():
        found = {label for row in rows for example in row.examples for label in _several(example.label)}
        if not rows:
            fix = (
                "Give more rows of different texts (or groups, or times), or a file of its own for this split, or "
                "change data.validation_share and data.test_share"
            )
            problems.append(Problem(files[part], f"no row is left for the {CALLED[part]} split", fix))
        elif (told := task_for(recipe.task).unusable(part, found, len(rows), labels)) is not None:
            problems.append(Problem(files[part], *told))
    return problems


def _several(label: int | tuple[int, ...] | None) -> tuple[int, ...]:
    return () if label is None else (label,) if isinstance(label, int) else label


def _remarks(recipe: "Recipe", parts: Mapping[str, Sequence[Dealt]], labels: Sequence[str]) -> list[str]:
    """What a reader of the metrics should know about the splits."""
    remarks = []
    known = {row.examples[0].text for row in parts["train"]}
    if again := sum(row.examples[0].text in known for row in parts["test"]):
        where = "in another group, at another time, or kept by data.repeats"
        remarks.append(
            f"{again} of {len(parts['test'])} test rows have a text that training rows have too ({where})"
        )
    first = {part: [row.examples[0] for row in rows] for part, rows in parts.items()}
    return remarks + task_for(recipe.task).remarks(first, labels, recipe)
