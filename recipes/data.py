"""From a client's files to examples in three splits; everything that is wrong with them is told at once.

    files -> tables -> which column is which role -> rows (text, label, weight, key) -> splits

Nothing is guessed and nothing is dropped in silence: a value that is not understood is a problem with its line and its
fix, and what was left out on purpose stands in `Splits.notes`.
"""

import difflib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from recipes.errors import DataError, Problem, RecipeError
from recipes.examples import Example, Source, Splits
from recipes.recipe import Recipe
from recipes.split import Dealt, deal, first_of_each_label
from recipes.tables import Row, Table, read_tables, text_of
from recipes.tasks import ad_copy, recommendation, task_for
from recipes.tasks.roles import placeholders

if TYPE_CHECKING:
    from recipes.tables import Data

__all__ = ["Example", "Lengths", "Source", "Splits", "check_lengths", "load_splits"]

FEWEST_ROWS = 10
# Roles whose text the model or a baseline reads; the others say how a row is used.
_READ = ("text", "user", "ad", "user_id", "ad_id", "product")
_ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


def load_splits(
    recipe: Recipe, data: "Data", validation: "Data | None" = None, test: "Data | None" = None
) -> Splits:
    """Read, check and split a client's data.

    data: a path, several paths that are read as one, or a `datasets.Dataset`. validation, test: the same, where the
    client has fixed ones; what is not given is dealt out of `data` (see `split.deal`).

    Raises DataError with every problem of every file, RecipeError where the recipe names roles that the task does not
    have.
    """
    _check_names(recipe)
    given = {"train": data, "validation": validation, "test": test}
    tables = {part: read_tables(source) for part, source in given.items() if source is not None}
    reader = _Reader(recipe)
    rows = {part: [row for table in group for row in reader.read(table)] for part, group in tables.items()}
    labels = reader.index_labels(rows)
    problems = [*reader.problems, *_between_files(recipe, rows)]
    if recipe.data.repeats == "drop":
        rows = _without_repeats(rows, reader.notes)
    if not problems:
        problems += _too_few(rows["train"], tables["train"])
    if problems:
        raise DataError(problems)
    notes = list(reader.notes)
    parts = _split(recipe, rows, notes)
    problems = _in_splits(recipe, parts, labels, reader.names(tables))
    if problems:
        raise DataError(problems)
    notes += _remarks(recipe, parts, labels)
    files = [table for group in tables.values() for table in group]
    return Splits(
        **{part: tuple(example for row in dealt for example in row.examples) for part, dealt in parts.items()},
        labels=labels,
        digest=hashlib.sha256(b"".join(table.raw for table in files)).hexdigest(),
        files=tuple(Source(table.name, table.sha256, len(table.raw), len(table.rows)) for table in files),
        notes=tuple(dict.fromkeys(notes)),
        multi_label=recipe.data.separator is not None,
    )


@dataclass(frozen=True)
class Lengths:
    """How long the examples are in tokens: the longest, and how many of how many are cut at `max_tokens`."""

    longest: int
    cut: int
    rows: int
    max_tokens: int

    def __str__(self) -> str:
        if not self.cut:
            return f"the longest of {self.rows} rows has {self.longest} tokens; none is cut"
        return (
            f"{self.cut} of {self.rows} rows have more than {self.max_tokens} tokens and are cut (the longest has "
            f"{self.longest}); data.max_tokens says where"
        )


def check_lengths(
    splits: Splits, count_tokens: Callable[[Example], tuple[int, int]], max_tokens: int
) -> Lengths:
    """Make sure that every row has tokens to learn from.

    count_tokens: an example's tokens as (what is read, what is to be written: 0 for heads). Raises DataError with every
    row whose prompt alone fills `max_tokens`, so that no token of its copy is left, and every row without any token.
    """
    problems = []
    longest = cut = rows = 0
    for example in (*splits.train, *splits.validation, *splits.test):
        read, written = count_tokens(example)
        rows, longest, cut = rows + 1, max(longest, read + written), cut + (read + written > max_tokens)
        if example.copy is not None and read >= max_tokens:
            fix = f"Set data.max_tokens above {read + min(written, 16)}, or shorten the product's text"
            message = f"the prompt alone has {read} tokens of {max_tokens}, so that nothing of the copy is left"
            problems.append(Problem(example.file, message, fix, line=example.line))
        elif read + written == 0:
            problems.append(Problem(example.file, "the text has no token", "Write words the model can read", example.line))
    if problems:
        raise DataError(problems)
    return Lengths(longest, cut, rows, max_tokens)


def _check_names(recipe: Recipe) -> None:
    """Refuse roles that the task does not have, and template names that no row will have."""
    roles, data = task_for(recipe.task).ROLES, recipe.data
    wrong = []
    for role in data.columns:
        if role not in roles:
            wrong.append(f"data.columns: {recipe.task} has no role `{role}`; {_near(role, roles)}")
    if data.prompt is not None:
        try:
            names = placeholders(data.prompt)
        except ValueError as error:
            raise RecipeError([*wrong, f"data.prompt: {error}"]) from None
        own = ("product",) if recipe.task == "ad-copy" else (*(role for role in roles if role in _READ), *_shown(recipe))
        for name in names if data.features != "all" else ():
            if name not in own:
                wrong.append(f"data.prompt: no row has `{name}`; {_near(name, own)}")
    if wrong:
        raise RecipeError(wrong)


def _shown(recipe: Recipe) -> list[str]:
    """Features by name, with the one that `data.history` derives."""
    named = [] if isinstance(recipe.data.features, str) else list(recipe.data.features)
    return named + [recommendation.LIKED_SHARE] * (recipe.data.history is not None)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"


@dataclass(frozen=True)
class _Columns:
    """Which column of one table is which role, and which columns are features."""

    of: Mapping[str, str]
    features: tuple[str, ...]


@dataclass
class _Reader:
    """Turns tables into rows, and gathers what is wrong and what is worth a note on the way."""

    recipe: Recipe
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _features: tuple[str, ...] | None = None  # those of the first table hold for all

    def read(self, table: Table) -> list["_Parsed"]:
        self.problems += table.problems
        self.notes += table.notes
        if not table.rows:
            return []
        columns = self._columns(table)
        if columns is None:
            return []
        parsed = []
        unseen = 0
        for row in table.rows:
            before = len(self.problems)
            result = _Cells(self.recipe, table.name, row, columns, self.problems).parse()
            if len(self.problems) == before:
                if result.outcomes:
                    parsed.append(result)
                else:
                    unseen += 1
        if unseen:
            self.notes.append(f"{table.name}: {unseen} rows with 0 impressions say nothing and are left out")
        return parsed

    def _columns(self, table: Table) -> _Columns | None:
        """Find every role and feature, or report what is missing."""
        data, roles = self.recipe.data, task_for(self.recipe.task).ROLES
        of = {role: name for role in roles if (name := data.columns.get(role, role)) in table.columns}
        missing = [role for role in data.columns if role not in of]
        features = self._feature_columns(table, of)
        missing += _roles_missing(self.recipe, of, features, missing)
        for role in dict.fromkeys(missing):
            self.problems.append(_missing_column(table, role, data.columns.get(role, role), roles[role].often))
        for name in features:
            if name not in table.columns:
                fix = f"{_near(name, table.columns).capitalize()}; or take it out of data.features"
                self.problems.append(Problem(table.name, f"no column `{name}`", fix, line=1))
        if missing or not set(features) <= set(table.columns):
            return None
        of = _chosen(self.recipe, of)
        unused = [name for name in table.columns if name not in of.values() and name not in features]
        if unused:
            self.notes.append(f"{table.name}: columns not used: {', '.join(map(repr, unused))}")
        return _Columns(of, features)

    def _feature_columns(self, table: Table, of: Mapping[str, str]) -> tuple[str, ...]:
        if self._features is None:
            named = self.recipe.data.features
            every = isinstance(named, str) or (self.recipe.task == "ad-copy" and not named and "product" not in of)
            self._features = (
                tuple(name for name in table.columns if name not in of.values())
                if every
                else tuple(name for name in named if not self._is_derived(name))
            )
        return self._features

    def _is_derived(self, name: str) -> bool:
        return name == recommendation.LIKED_SHARE and self.recipe.data.history is not None

    def index_labels(self, rows: dict[str, list["_Parsed"]]) -> tuple[str, ...]:
        """The labels in a fixed order (numbers by value, then names); a label only outside training is a problem."""
        if self.recipe.task == "ad-copy":
            return ()
        if self.recipe.task == "recommendation":
            return recommendation.LABELS
        found = {part: {name for row in group for name in row.names} for part, group in rows.items()}
        for part, group in rows.items():
            for row in group:
                for name in row.names:
                    if name not in found["train"] and "train" in found and found["train"]:
                        known = _near(name, sorted(found["train"]))
                        fix = f"Add rows of it to the training file, or rename it with data.labels ({known})"
                        message = f"the label occurs in the {part} file only, so that it cannot be learned"
                        self.problems.append(Problem(row.file, message, fix, row.line, row.column, name))
        everything = set().union(*found.values())
        unknown = [value for value in self.recipe.data.labels if str(self.recipe.data.labels[value]) not in everything]
        if unknown and everything:
            self.notes.append(f"data.labels names values that never occur: {', '.join(map(repr, unknown))}")
        return tuple(sorted(everything, key=_label_order))

    def names(self, tables: Mapping[str, Sequence[Table]]) -> dict[str, str]:
        """split -> the file that its rows come from, as a problem names it."""
        own = ", ".join(table.name for table in tables["train"])
        return {part: ", ".join(t.name for t in tables[part]) if part in tables else own for part in _PARTS}


_PARTS = ("train", "validation", "test")
_CALLED = {"train": "training", "validation": "validation", "test": "test"}


def _label_order(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def _roles_missing(
    recipe: Recipe, of: Mapping[str, str], features: Sequence[str], already: Sequence[str]
) -> list[str]:
    """Required roles that the table does not have, beyond those that the recipe names and the table lacks."""
    has = of.keys() | set(already)
    if recipe.task == "ad-copy":
        return [] if "copy" in has else ["copy"]
    if recipe.task == "behavior":
        return [role for role in ("text", "label") if role not in has and not (role == "text" and features)]
    missing = []
    named = recipe.data.columns.keys() & {"text", "user", "ad"}
    if not (named or "text" in has or {"user", "ad"} <= has or features):
        lacking = [role for role in ("user", "ad") if role not in has]
        missing += lacking if len(lacking) == 1 else ["text"] if _looks_like(of, "text") else lacking
    if "clicked" not in has and not {"impressions", "clicks"} <= has:
        partly = {"impressions", "clicks"} & has
        missing += sorted({"impressions", "clicks"} - has) if partly else ["clicked"]
    return missing


def _looks_like(of: Mapping[str, str], role: str) -> bool:
    return role in of


def _chosen(recipe: Recipe, of: Mapping[str, str]) -> dict[str, str]:
    """Without the roles that another one makes idle: clicked or counts, whichever the recipe names, else clicked."""
    counts = {"impressions", "clicks"}
    if recipe.task != "recommendation" or not counts <= of.keys() or "clicked" not in of:
        return {role: name for role, name in of.items() if not ("clicked" in of and role in counts)}
    idle = {"clicked"} if counts & recipe.data.columns.keys() and "clicked" not in recipe.data.columns else counts
    return {role: name for role, name in of.items() if role not in idle}


def _missing_column(table: Table, role: str, name: str, often: Sequence[str]) -> Problem:
    """"no column `clicked`" with the columns that it could be."""
    lower = {column.lower(): column for column in table.columns}
    near = [lower[word] for word in (name.lower(), role, *often) if word in lower and lower[word] != name]
    near += [lower[word] for word in difflib.get_close_matches(name.lower(), lower, n=2, cutoff=0.6)]
    guess = next((column for column in near if column != name), None)
    hint = f"If `{guess}` is the one, say so" if guess else f"Say which column holds the {role}"
    fix = f"{hint}: --column {role}={guess or 'NAME'} (in the recipe: data.columns)"
    columns = ", ".join(f"`{column}`" for column in table.columns)
    return Problem(table.name, f"no column `{name}`; its columns are {columns}", fix, line=1)


@dataclass(frozen=True)
class _Parsed:
    """One row that was understood.

    outcomes: (0 or 1, weight) for recommendation, (None, weight) otherwise; empty for 0 impressions. names: labels.
    """

    text: str
    fields: Mapping[str, str]
    outcomes: tuple[tuple[int | None, float], ...]
    names: tuple[str, ...]
    copy: str | None
    group: str | None
    key: str
    time: float | str | None
    file: str
    line: int
    column: str  # the label's column


@dataclass(frozen=True)
class _Cells:
    """One row of a table on its way to `_Parsed`; each method reads one role and reports what is wrong with it."""

    recipe: Recipe
    file: str
    row: Row
    columns: _Columns
    problems: list[Problem]

    def parse(self) -> _Parsed:
        task = self.recipe.task
        fields = {role: text_of(self._cell(role)) for role in self.columns.of if role in _READ}
        fields |= {name: text_of(self.row.cells.get(name)) for name in self.columns.features}
        if task == "recommendation":
            fields |= recommendation.derived(fields, self.recipe.data.history)
        self._refuse_empty(fields)
        text = task_for(task).render(fields, self.recipe)
        if not text.strip() and not any(self.problems):
            self._report(None, "the row holds no text at all", "Fill it in, or remove the row")
        weight = self._weight()
        group = self._filled("group")
        user = self._filled("user_id")
        return _Parsed(
            text=text,
            fields=fields,
            outcomes=self._outcomes(weight) if task == "recommendation" else ((None, weight),),
            names=self._labels() if task == "behavior" else (),
            copy=self._filled("copy") if task == "ad-copy" else None,
            group=group if group is not None else user,
            key=next((f"{role}\0{key}" for role, key in (("group", group), ("user", user)) if key), f"text\0{text}"),
            time=self._time(),
            file=self.file,
            line=self.row.line,
            column=self.columns.of.get("label", ""),
        )

    def _cell(self, role: str) -> Any:
        return self.row.cells.get(self.columns.of[role]) if role in self.columns.of else None

    def _report(self, role: str | None, message: str, fix: str, value: str | None = None) -> None:
        column = self.columns.of[role] if role is not None else None
        self.problems.append(Problem(self.file, message, fix, self.row.line, column, value))

    def _refuse_empty(self, fields: Mapping[str, str]) -> None:
        for role in ("text", "user", "ad", "product"):
            if role in self.columns.of and not fields[role]:
                extra = "; for a user without a history write a word such as new" if role == "user" else ""
                self._report(role, "is empty", f"Fill it in, or remove the row{extra}")

    def _filled(self, role: str) -> str | None:
        """The text of a role that may be absent from the file, but not from a row."""
        if role not in self.columns.of:
            return None
        text = text_of(self._cell(role))
        if not text:
            self._report(role, "is empty", "Fill it in, or remove the row")
        return text or None

    def _outcomes(self, weight: float) -> tuple[tuple[int | None, float], ...]:
        if "clicked" in self.columns.of:
            clicked = self._clicked()
            return () if clicked is None else ((clicked, weight),)
        shown, clicked = self._count("impressions"), self._count("clicks")
        if shown is None or clicked is None:
            return ()
        if clicked > shown:
            fix = f"Check the row: {clicked} clicks of {shown} impressions cannot be"
            self._report("clicks", "more clicks than impressions", fix, str(clicked))
            return ()
        counts = ((1, weight * clicked), (0, weight * (shown - clicked)))
        return tuple((outcome, count) for outcome, count in counts if count > 0)

    def _clicked(self) -> int | None:
        cell = self._cell("clicked")
        text = text_of(cell)
        labels = self.recipe.data.labels
        meaning = labels[text] if text in labels else int(cell) if isinstance(cell, bool) else _ZERO_ONE.get(text)
        if meaning is None:
            known = ", 0 or 1" if labels else "0 or 1"
            expected = f"expected {', '.join(map(repr, labels))}{known}"
            if not text:
                self._report("clicked", f"is empty; {expected}", "Fill it in, or remove the row")
            else:
                fix = f"Write 0 or 1, or say what it means: --label 1={text} or --label 0={text} (data.labels)"
                self._report("clicked", expected, fix, text)
        return None if meaning is None else int(meaning)

    def _count(self, role: str) -> int | None:
        text = text_of(self._cell(role)).removesuffix(".0")
        if text.isascii() and text.isdigit():
            return int(text)
        self._report(role, "expected a whole number of at least 0", "Write how often as digits, such as 1250", text)
        return None

    def _weight(self) -> float:
        if "weight" not in self.columns.of:
            return 1.0
        text = text_of(self._cell("weight"))
        try:
            weight = float(text)
        except ValueError:
            weight = 0.0
        if not 0 < weight < float("inf"):
            fix = "Write how much the row counts, such as 1 or 2.5; remove rows that should not count"
            self._report("weight", "expected a number above 0", fix, text)
        return weight

    def _labels(self) -> tuple[str, ...]:
        data = self.recipe.data
        cell = self._cell("label")
        several = isinstance(cell, list | tuple)
        if several and data.separator is None:
            fix = "Say so with data.separator, any character, and each row may have several labels"
            self._report("label", "a list of labels", fix, text_of(cell))
            return ()
        parts = cell if several else text_of(cell).split(data.separator) if data.separator else [cell]
        texts = [text_of(part) for part in parts]
        if not texts or not all(texts):
            word = "one of its labels is empty" if any(texts) else "is empty"
            self._report("label", word, "Write a label; where nothing applies, a word such as none")
            return ()
        return tuple(dict.fromkeys(str(data.labels.get(text, text)) for text in texts))

    def _time(self) -> float | str | None:
        """A moment as a number: a plain number stays, ISO 8601 becomes seconds since 1970 (UTC without an offset)."""
        if "timestamp" not in self.columns.of:
            return None
        cell = self._cell("timestamp")
        text = text_of(cell)
        moment = _moment(cell, text)
        if moment is None:
            fix = "Write ISO 8601 such as 2026-03-31T18:05:00, or a number that grows with time"
            self._report("timestamp", "expected a date or a number", fix, text)
        return moment


def _moment(cell: Any, text: str) -> float | str | None:
    if not isinstance(cell, date):
        try:
            number = float(text)
            return number if abs(number) < float("inf") else None
        except ValueError:
            pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # As text, so that dates and plain numbers are told apart: they cannot be compared.
    return repr((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _between_files(recipe: Recipe, rows: Mapping[str, Sequence[_Parsed]]) -> list[Problem]:
    """Texts that stand in two files, and timestamps that cannot be compared."""
    problems = []
    kinds: dict[type, _Parsed] = {}
    for row in (row for group in rows.values() for row in group if row.time is not None):
        kinds.setdefault(type(row.time), row)
    if len(kinds) > 1:
        number, moment = kinds[float], kinds[str]
        fix = f"Write all of them as in line {moment.line} of {moment.file}, or all as numbers"
        problems.append(Problem(number.file, "some timestamps are dates, some are numbers", fix, number.line))
    if recipe.data.repeats == "refuse":
        for row, known, other in _repeated(rows):
            message = f"its text stands in the {_CALLED[known]} file too ({other.file}, line {other.line})"
            fix = "Remove it from one of them; or set data.repeats to drop (not trained on) or keep"
            problems.append(Problem(row.file, message, fix, row.line))
    return problems


def _repeated(rows: Mapping[str, Sequence[_Parsed]]) -> Iterator[tuple[_Parsed, str, _Parsed]]:
    """Rows whose text stands in an earlier file of another split too, with that split and that row."""
    first: dict[str, tuple[str, _Parsed]] = {}
    for part, group in rows.items():
        for row in group:
            known, other = first.setdefault(row.text, (part, row))
            if known != part:
                yield row, known, other


def _without_repeats(rows: dict[str, list[_Parsed]], notes: list[str]) -> dict[str, list[_Parsed]]:
    """Training and validation rows whose text stands in a later split's file are left out, and noted."""
    kept = dict(rows)
    for part in rows:
        later = {row.text for other in list(rows)[list(rows).index(part) + 1 :] for row in rows[other]}
        kept[part] = [row for row in rows[part] if row.text not in later]
        if dropped := len(rows[part]) - len(kept[part]):
            notes.append(f"{dropped} {_CALLED[part]} rows are left out: their texts stand in another split's file too")
    return kept


def _too_few(rows: Sequence[_Parsed], tables: Sequence[Table]) -> list[Problem]:
    if len(rows) >= FEWEST_ROWS:
        return []
    name = ", ".join(table.name for table in tables)
    return [Problem(name, f"{len(rows)} rows are too few", f"Give at least {FEWEST_ROWS}; some hundreds are better")]


def _split(recipe: Recipe, rows: Mapping[str, Sequence[_Parsed]], notes: list[str]) -> dict[str, list[Dealt]]:
    labels = {name: i for i, name in enumerate(sorted({n for g in rows.values() for r in g for n in r.names}, key=_label_order))}
    dealt = {part: [_dealt(row, labels, recipe) for row in group] for part, group in rows.items()}
    data = recipe.data
    shares = {"test": data.test_share, "validation": data.validation_share}
    shares = {part: share for part, share in shares.items() if part not in dealt}
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


def _dealt(row: _Parsed, labels: Mapping[str, int], recipe: Recipe) -> Dealt:
    several = recipe.data.separator is not None
    indices = tuple(sorted(labels[name] for name in row.names))
    label = indices if several else indices[0] if indices else None
    examples = tuple(
        Example(
            text=row.text,
            line=row.line,
            label=label if clicked is None else clicked,
            copy=row.copy,
            weight=weight,
            group=row.group,
            fields=row.fields,
            file=row.file,
        )
        for clicked, weight in row.outcomes
    )
    return Dealt(examples, row.key, None if row.time is None else float(row.time))


def _in_splits(
    recipe: Recipe, parts: Mapping[str, Sequence[Dealt]], labels: Sequence[str], names: Mapping[str, str]
) -> list[Problem]:
    """Splits that are empty or hold one class only."""
    problems = []
    for part, rows in parts.items():
        if not rows:
            fix = (
                f"Give more rows, or {'groups' if recipe.data.columns.get('group') else 'different texts'}; or a file "
                f"of its own; or change data.{'test' if part == 'train' else part}_share"
            )
            problems.append(Problem(names[part], f"no row is left for the {_CALLED[part]} split", fix))
            continue
        found = Counter(label for row in rows for e in row.examples for label in _as_tuple(e.label))
        if recipe.task == "recommendation" and len(found) < 2:
            only = labels[next(iter(found))]
            fix = (
                "Give rows of both kinds; or another data.seed, larger shares, or a file of its own for this split"
            )
            message = f"all {len(rows)} rows of the {_CALLED[part]} split are {only!r}, so that nothing can be told apart"
            problems.append(Problem(names[part], message, fix))
        if recipe.task == "behavior" and part == "train" and len(labels) < 2:
            fix = "Give rows of at least two labels"
            problems.append(Problem(names[part], f"all rows have the label {labels[0]!r}", fix))
    return problems


def _as_tuple(label: int | tuple[int, ...] | None) -> tuple[int, ...]:
    return () if label is None else (label,) if isinstance(label, int) else label


def _remarks(recipe: Recipe, parts: Mapping[str, Sequence[Dealt]], labels: Sequence[str]) -> list[str]:
    """What a reader of the metrics should know about the splits."""
    remarks = []
    texts = {part: Counter(row.examples[0].text for row in rows) for part, rows in parts.items()}
    again = sum(count for text, count in texts["test"].items() if text in texts["train"])
    if again:
        total = len(parts["test"])
        remarks.append(f"{again} of {total} test rows have a text that training rows have too (in other groups or times)")
    if recipe.task == "behavior":
        trained = {label for row in parts["train"] for e in row.examples for label in _as_tuple(e.label)}
        unlearned = [name for i, name in enumerate(labels) if i not in trained]
        if unlearned:
            remarks.append(f"labels without a training row, which cannot be learned: {', '.join(unlearned)}")
        remarks += _contradictions([row.examples[0] for rows in parts.values() for row in rows], labels)
    return remarks


def _contradictions(examples: Sequence[Example], labels: Sequence[str]) -> list[str]:
    seen: dict[str, dict[int | tuple[int, ...] | None, Example]] = {}
    for example in examples:
        seen.setdefault(example.text, {}).setdefault(example.label, example)
    odd = [list(each.values()) for each in seen.values() if len(each) > 1]
    if not odd:
        return []
    first, second = odd[0][:2]
    return [
        f"{len(odd)} texts have more than one label in different rows, for example {first.file} line {first.line} and "
        f"line {second.line}"
    ]
