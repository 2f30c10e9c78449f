"""Which task a file is for, and which of its columns is which role, guessed by names and by what the columns hold."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from recipes.data.header import words
from recipes.data.report_words import WORDS, said_by, says
from recipes.tasks.counts import outcome_of, share_of, whole
from recipes.tasks.numerals import is_numeral
from recipes.tasks.task import task_for

_MOST_LABELS = 100  # different values of a column that can be a label
_WORDS = 3  # of a text that is read, in the middle of its rows
# What columns are called beside their roles' own words, in exports of platforms too.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "impressions": ("impr",),
    "clicks": ("link_clicks", "clicks_all"),
    "ctr": ("ctr_link_click_through_rate", "click_rate"),
    "ad": ("headline_1", "headline1", "title_part_1", "ad_name", "ad", "page_title", "movie_id", "ad_group"),
    "user": ("user_profile", "query", "search_term"),
    "label": ("intent", "category", "class", "sentiment", "target", "tag"),
    "text": ("message", "review", "comment", "body", "question"),
    "clicked": ("is_click", "is_clicked", "rating"),
    "copy": ("headline", "ad_copy", "slogan", "ref", "summary"),
    "product": ("mr", "content", "description", "title"),
}
# Where no column is called like it.
_IN_PLACE: Mapping[str, tuple[str, ...]] = {"ad": ("ad_group", "campaign")}
_CLICKED = frozenset((*WORDS["clicked"], *WORDS["clicks"]))
# Of scripts that put no spaces between words.
_UNSPACED = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_NOT = frozenset("not no non nicht kein keine nie niet geen pas sin não inte ikke ikkje ei не".split())
_NOT_UNSPACED = re.compile("未|不|没|沒|無し|なし|なかった|ない|않|(?:미|안 ?)(?=클릭|구매|함)")
_CODE = re.compile(r"[\w.+-]*", re.ASCII)
_GENERAL = ("label", "target", "output", "y")  # names of any outcome, a click or not
_FILLED = ("user_id", "ad_id", "group", "label", "user")  # roles of which no cell may be empty
# Excel writes true and false in the language of who saved the file.
_YES = (
    *("1", "yes", "true", "y", "clicked", "bought", "like", "liked", "positive"),
    *("ja", "oui", "sí", "si", "sì", "sim", "tak", "да", "evet", "是", "はい", "예"),
    *("wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "prawda", "истина"),
)
_NO = (
    *("0", "-1", "no", "false", "n", "not clicked", "not bought", "dislike", "disliked", "negative"),
    *("nein", "nee", "non", "não", "nie", "нет", "hayır", "否", "いいえ", "아니요", "아니오"),
    *("falsch", "faux", "falso", "onwaar", "fałsz", "ложь"),
)
_AT_FAULT = "called so, and therefore read; some of its cells say something else"


@dataclass(frozen=True)
class Column:
    """What the first rows of a column hold. values: each with how often."""

    name: str
    values: Counter[str]

    @property
    def words(self) -> float:
        """How many words half of its cells have at most."""
        sizes = sorted(words(text) for text in self.values.elements() if text)
        return sizes[len(sizes) // 2] if sizes else 0

    @property
    def is_outcome(self) -> bool:
        """Whether it holds 0 and 1, and nothing else."""
        return len(self.values) == 2 and all(outcome_of(text) is not None for text in self.values)

    def all(self, fits: Callable[[str], bool]) -> bool:
        """Whether every cell that is filled fits, and one is."""
        filled = [text for text in self.values if text]
        return bool(filled) and all(fits(text) for text in filled)


@dataclass
class Guess:
    """A recipe as it grows. roles: role -> (column, why). notes: what a reader should decide."""

    task: str = ""
    why: str = ""
    roles: dict[str, tuple[str, str]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    labels_why: str = ""
    features: tuple[str, ...] = ()
    features_why: str = ""
    masked: str = ""


def guess_task(columns: Mapping[str, Column], counted: Mapping[str, str] | None = None) -> Guess:
    """The task by what the columns are called; by what they hold where no name tells.

    counted: impressions and clicks -> their columns, where these are known by their rate.
    """
    for task, needed in (("ad-copy", "copy"), ("recommendation", "clicked"), ("behavior", "label")):
        exact = needed in columns and (task != "behavior" or "text" in columns)
        if exact:
            return _of_task(task, f"a column is called `{needed}`", columns)
    if {"impressions", "clicks"} <= columns.keys():
        return _of_task("recommendation", "columns are called `impressions` and `clicks`", columns)
    counts = called("impressions", columns)
    if (
        counts is not None
        and columns[counts].all(lambda text: whole(text) is not None)
        and _is_clicked(columns)
    ):
        return _of_task("recommendation", f"`{counts}` counts impressions", columns)
    if counted:
        why = f"`{counted['clicks']}` by `{counted['impressions']}` is the rate in another column: clicks"
        return _of_task("recommendation", f"{why} and impressions", columns, counted)
    if _is_copy(columns):
        return _of_task("ad-copy", "columns are called like a product and its text", columns)
    clicked = called("clicked", columns)
    if clicked is not None and _word(clicked) in _GENERAL and not _is_shown(columns) and _is_read(columns):
        clicked = None
    if clicked is not None and columns[clicked].all(_is_outcome) and len(columns[clicked].values) <= 11:
        return _of_task("recommendation", f"`{clicked}` says whether something was clicked", columns)
    long = _longest(columns)
    label = _label(columns, without=long[:1])
    if label is not None:
        return _of_task("behavior", f"`{label}` has {len(columns[label].values)} different values", columns)
    if len(long) > 1:
        return _of_task(
            "ad-copy", f"`{long[0]}` and `{long[1]}` hold texts, and no column holds labels", columns
        )
    return _of_task("behavior", "nothing tells; change it if another task is meant", columns)


def _is_shown(columns: Mapping[str, Column]) -> bool:
    """Whether a column is called like a user, or like an ad."""
    return any(called(role, columns) for role in ("user", "ad", "user_id", "ad_id"))


def _is_read(columns: Mapping[str, Column]) -> bool:
    """Whether a column holds words, and not only codes and numbers, as in a log of clicks without texts."""
    return any(not _CODE.fullmatch(text) for column in columns.values() for text in column.values)


def _is_clicked(columns: Mapping[str, Column]) -> bool:
    """Whether clicks are counted too, or their share is told."""
    return any(called(role, columns) for role in ("clicks", "ctr"))


def _is_copy(columns: Mapping[str, Column]) -> bool:
    pair = [called(role, columns, "ad-copy") for role in ("product", "copy")]
    texts = _longest(columns)
    return pair[0] != pair[1] and all(name in texts for name in pair)


def _is_outcome(text: str) -> bool:
    return outcome_of(text) is not None or _said(text) in (*_YES, *_NO) or text.isdigit()


def _said(text: str) -> str:
    return text.casefold().rstrip(".!")


def _of_task(
    task: str, why: str, columns: Mapping[str, Column], counted: Mapping[str, str] | None = None
) -> Guess:
    guess = Guess(task, why)
    roles = task_for(task).ROLES
    for role, column in (counted or {}).items():
        guess.roles[role] = (column, f"{roles[role].meaning}; guessed by what it holds")
    for role in roles:
        name = called(role, columns, task)
        if role in guess.roles or name is None or name in (taken for taken, _ in guess.roles.values()):
            continue
        if _holds(role, columns[name]):
            why = "called so" if name == role else f"{roles[role].meaning}; guessed by its name"
            guess.roles[role] = (name, why)
        elif name == role and not roles[role].named:
            guess.roles[role] = (name, _AT_FAULT)
    {"recommendation": _recommendation, "behavior": _behavior, "ad-copy": _ad_copy}[task](guess, columns)
    return guess


def _recommendation(guess: Guess, columns: Mapping[str, Column]) -> None:
    has = guess.roles
    if "impressions" in has and ("clicks" in has or "ctr" in has):
        has.pop("clicked", None)
        has.pop("ctr" if "clicks" in has else "clicks", None)
    else:
        for role in ("impressions", "clicks", "ctr"):
            has.pop(role, None)
    if "clicked" in has:
        _outcomes(guess, columns[has["clicked"][0]])
    elif "impressions" not in has:
        two = next(
            (
                c
                for c in columns.values()
                if c.all(lambda t: outcome_of(t) is not None) and len(c.values) == 2
            ),
            None,
        )
        if two is not None:
            has["clicked"] = (two.name, "its values are 0 and 1")
    if "text" in has and ("user" in has or "ad" in has):
        has.pop("text")
    if "impressions" in has and not {"user", "text"} & has.keys():
        _most_different(guess, columns)
    if not {"user", "ad", "text"} & has.keys():
        taken = {name for name, _ in has.values()}
        guess.features = tuple(name for name in columns if name not in taken)
        guess.features_why = "no column is called user, ad or text: all others are read"


def _most_different(guess: Guess, columns: Mapping[str, Column]) -> None:
    """The ad of a report, where no column is called like one, or only like what holds many ads: the texts that differ
    most."""
    has = guess.roles
    named = has["ad"][0] if "ad" in has else None
    if named is not None and (called_so("ad", named) or not says(named) & {"ad_group", "campaign"}):
        return
    taken = {name for role, (name, _) in has.items() if role != "ad"}
    texts = [
        column
        for column in columns.values()
        if column.name not in taken
        and column.words >= 2
        and not column.all(is_numeral)
        and not column.all(_is_moment)
    ]
    most = max(texts, key=lambda column: len(column.values), default=None)
    if most is not None and (named is None or len(most.values) > len(columns[named].values)):
        has["ad"] = (most.name, "its texts differ most from row to row")


def _outcomes(guess: Guess, column: Column) -> None:
    values = [text for text in column.values if text and outcome_of(text) is None]
    if not values:
        return
    if all(text.isdigit() for text in column.values if text):
        most = max(int(text) for text in column.values if text)
        guess.labels = {text: int(2 * int(text) > most) for text in sorted(column.values, key=int) if text}
        guess.labels_why = f"numbers from 0 to {most}: those above half of it are taken for a click"
        return
    guess.labels = {text: int(_said(text) in _YES) for text in column.values if _said(text) in (*_YES, *_NO)}
    guess.labels_why = "1 is what was clicked or bought"


def _behavior(guess: Guess, columns: Mapping[str, Column]) -> None:
    long = _longest(columns)
    if "text" not in guess.roles and long:
        guess.roles["text"] = (long[0], "its texts are the longest")
    taken = [name for role, (name, _) in guess.roles.items() if role != "label"]
    label = _label(columns, without=taken)
    if "label" not in guess.roles and label is not None:
        guess.roles["label"] = (label, f"{len(columns[label].values)} different values, the fewest")


def _ad_copy(guess: Guess, columns: Mapping[str, Column]) -> None:
    taken = [name for name, _ in guess.roles.values()]
    long = [name for name in _longest(columns) if name not in taken]
    if "copy" not in guess.roles and long:
        guess.roles["copy"] = (long.pop(0), "its texts are the longest")
    if "product" not in guess.roles and long:
        guess.roles["product"] = (long[0], "the other column of texts")
    if "product" not in guess.roles:
        taken = [name for name, _ in guess.roles.values()]
        guess.features = tuple(name for name in columns if name not in taken)
        guess.features_why = "all other columns describe the product"


def called(role: str, columns: Mapping[str, Column], task: str = "recommendation") -> str | None:
    """The column that is called like a role of a task, or as clients and platforms often call it."""
    roles = task_for(task).ROLES
    names = {_word(name): name for name in reversed(list(columns))}
    wanted = (role, *_ALSO.get(role, ()), *roles[role].often)
    found = next((names[_word(word)] for word in wanted if _word(word) in names), None)
    meant = next((m for m in (role, *_IN_PLACE.get(role, ())) if m in said_by(columns)), None)
    found = found or next((name for name in columns if meant in says(name)), None)
    if found is None and role == "clicked" and called("impressions", columns) is None:
        telling = [name for name, column in columns.items() if _tells_clicks(column)]
        found = telling[0] if len(telling) == 1 else None
    return found


def _tells_clicks(column: Column) -> bool:
    """Whether a column is called after clicks or purchases among other words, such as `hat_geklickt`, `广告点击` or
    `clic`, none of which denies it, and says yes or no."""
    name = unicodedata.normalize("NFKC", column.name).casefold()
    words = re.split(r"[\W_]+", name)
    named = not _CLICKED.isdisjoint(words) or any(word in name for word in _CLICKED if _UNSPACED.match(word))
    if not _NOT.isdisjoint(words) or _NOT_UNSPACED.search(name):
        return False
    two = len(column.values) == 2 and column.all(
        lambda text: outcome_of(text) is not None or _said(text) in (*_YES, *_NO)
    )
    return named and two


def called_so(role: str, name: str) -> bool:
    """Whether a column is called like a role, and not like what stands in its place."""
    return role in says(name) or _word(name) in map(_word, (role, *_ALSO.get(role, ())[:-1]))


def _word(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _holds(role: str, column: Column) -> bool:
    """Whether a column's cells can be what a role needs."""
    if role in ("impressions", "clicks"):
        return column.all(lambda text: whole(text) is not None) and "" not in column.values
    if role == "ctr":
        return column.all(lambda text: share_of(text) is not None) and "" not in column.values
    if role == "clicked":
        return column.all(_is_outcome) and len(column.values) <= 11
    if role == "timestamp":
        return (
            column.all(_is_moment)
            and "" not in column.values
            and len({is_numeral(t) for t in column.values}) == 1
        )
    if role == "weight":
        return "" not in column.values and column.all(_is_weight)
    return any(column.values) and ("" not in column.values or role not in _FILLED)


def _is_weight(text: str) -> bool:
    return re.fullmatch(r"\d*\.?\d+", text) is not None and float(text) > 0


def _is_moment(text: str) -> bool:
    try:
        float(text) if is_numeral(text) else datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _longest(columns: Mapping[str, Column]) -> list[str]:
    """Columns of texts, the longest first."""
    found = [column for column in columns.values() if column.words >= _WORDS and not column.all(is_numeral)]
    return [column.name for column in sorted(found, key=lambda column: -column.words)]


def _label(columns: Mapping[str, Column], without: Sequence[str]) -> str | None:
    """The column with the fewest different values, each of which comes again."""
    rows = max((column.values.total() for column in columns.values()), default=0)
    found = [
        column
        for column in columns.values()
        if column.name not in without
        and 1 < len(column.values) <= min(_MOST_LABELS, rows // 2)
        and "" not in column.values
    ]
    return min(found, key=lambda column: len(column.values)).name if found else None
