"""Requests for labels: texts or ads, each read once by every adapter that is asked, and answered by their mean.

request     Analyze(["a", "b"], [text 0, text 1])
rows        text 0 for a, text 0 for b, text 1 for a, text 1 for b
answer      for each text the mean of its rows' probabilities, label by label; of a single adapter its own
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from adapters import Base, Head
from adapters.errors import RepertoireError, RequestError
from adapters.serving import Request as Row
from hub.registry.content import Content
from hub.registry.requests import Analysis, Analyze, Ranked, Recommend
from recipes.answer import Reading, Voice


@dataclass(frozen=True)
class Member:
    """An adapter that a request names: the key of its content, its voice, and its client."""

    key: Content
    voice: Voice
    client: str


class Labelling:
    """A `Recommend` or `Analyze` on its way. rows: what the runtime is asked, as drawn above; `tokenize` gives them.

    Raises RequestError where the request does not fit an adapter, or the adapters do not fit each other.
    """

    def __init__(self, request: Recommend | Analyze, members: Mapping[str, Member]) -> None:
        self._request, self._members = request, members
        self._cuts: Sequence[int] = ()
        self.rows: Sequence[Row] = ()
        _check_labels(members)
        self.readings: dict[str, list[Reading]] = {}
        for reference, member in members.items():
            with naming(reference, members):
                readings = member.voice.read(columns_of(request, member.voice))
                if not readings:
                    raise RequestError("nothing to answer; give at least one ad or text")
            self.readings[reference] = readings

    @property
    def members(self) -> Mapping[str, Member]:
        """The adapters that read it, by their references."""
        return self._members

    def take(self, tokens: Mapping[str, Sequence[tuple[tuple[int, ...], int]]]) -> None:
        """The tokens of its readings, and how many of each were cut, by reference."""
        deadline = self._request.deadline
        each_text = list(zip(*(tokens[reference] for reference in self._members), strict=True))
        self._cuts = [max(cut for _, cut in each) for each in each_text]
        self.rows = [
            Row(member.key, ids, client=member.client, deadline=deadline)
            for each in each_text
            for member, (ids, _) in zip(self._members.values(), each, strict=True)
        ]

    def answer(self, results: Sequence[Any]) -> list[Ranked] | list[Analysis]:
        """The answer. results: of the rows. Raises the first error among them."""
        (answer,) = label([self], [results])
        if isinstance(answer, RepertoireError):
            raise answer
        return answer

    def failed(self, results: Sequence[Any]) -> RepertoireError | None:
        """The first error among the results of the rows."""
        for result, reference in zip(results, cycle(self._members), strict=False):
            if isinstance(result, RepertoireError):
                return named(result, reference, self._members)
        return None

    def answer_by(self, found: Sequence[Sequence[Sequence[float]]]) -> list[Ranked] | list[Analysis]:
        """The answer. found: of each member the probabilities of its rows, `[rows, labels]`."""
        shares = [
            [dict(zip(_head(member).labels, each, strict=True)) for each in own]
            for member, own in zip(self._members.values(), found, strict=True)
        ]
        first = next(iter(self._members.values()))
        means, head = shares[0] if len(shares) == 1 else _means(shares), _head(first)
        if isinstance(self._request, Recommend):
            ads = zip(self._request.ads, means, self._cuts, strict=True)
            return sorted(
                (Ranked(ad, mean[first.voice.click], cut) for ad, mean, cut in ads),
                key=lambda each: -each.probability,
            )
        analyses = []
        for text, mean, cut in zip(self._request.texts, means, self._cuts, strict=True):
            top = max(mean, key=mean.__getitem__)
            chosen = tuple(label for label, p in mean.items() if p > 0.5) if head.multi_label else (top,)
            analyses.append(Analysis(text, chosen, mean, cut))
        return analyses


def label(
    asked: Sequence[Labelling], results: Sequence[Sequence[Any]]
) -> list[list[Ranked] | list[Analysis] | RepertoireError]:
    """The answers of requests, each or its error; the rows of one adapter become probabilities together, whichever
    requests they are of.

    Args:
        asked: the requests.
        results: of the rows of each.
    """
    failed = [each.failed(own) for each, own in zip(asked, results, strict=True)]
    by_key: dict[str, list[tuple[int, str]]] = {}
    for at, each in enumerate(asked):
        if failed[at] is None:
            for reference, member in each.members.items():
                by_key.setdefault(member.key, []).append((at, reference))
    found: list[dict[str, list[list[float]]]] = [{} for _ in asked]
    for own in by_key.values():
        logits: list[Any] = []
        readings: list[Reading] = []
        for at, reference in own:
            members = asked[at].members
            logits += results[at][[*members].index(reference) :: len(members)]
            readings += asked[at].readings[reference]
        at, reference = own[0]
        rest = iter(asked[at].members[reference].voice.probabilities(logits, readings).tolist())
        for at, reference in own:
            found[at][reference] = list(islice(rest, len(asked[at].readings[reference])))
    return [
        error or each.answer_by([own[reference] for reference in each.members])
        for each, own, error in zip(asked, found, failed, strict=True)
    ]


def tokenize(asked: Sequence[Labelling], base: Base) -> None:
    """Give requests their rows; the texts of one adapter are tokenized together, whichever requests they are of."""
    by_key: dict[str, list[tuple[Labelling, str]]] = {}
    for labelling in asked:
        for reference, member in labelling.members.items():
            by_key.setdefault(member.key, []).append((labelling, reference))
    found: dict[int, dict[str, Sequence[tuple[tuple[int, ...], int]]]] = {id(each): {} for each in asked}
    for own in by_key.values():
        first, reference = own[0]
        voice = first.members[reference].voice
        readings = [reading for labelling, each in own for reading in labelling.readings[each]]
        ids = voice.tokens(base, readings)
        rest = iter(zip(ids, voice.cuts(base, readings, ids), strict=True))
        for labelling, reference in own:
            found[id(labelling)][reference] = list(islice(rest, len(labelling.readings[reference])))
    for labelling in asked:
        labelling.take(found[id(labelling)])


@contextmanager
def naming(reference: str, among: Collection[str]) -> Iterator[None]:
    """In an ensemble, an error says whose it is."""
    try:
        yield
    except RepertoireError as error:
        if (told := named(error, reference, among)) is error:
            raise
        raise told from error


def named(error: RepertoireError, reference: str, among: Collection[str]) -> RepertoireError:
    """An error that says whose it is, in an ensemble."""
    if len(among) == 1:
        return error
    told = copy(error)
    told.args = (f"{reference}: {error}",)
    return told


def columns_of(request: Recommend | Analyze, voice: Voice) -> list[Mapping[str, Any]]:
    """Each ad's or text's columns, as a training row had them."""
    if isinstance(request, Analyze):
        return [text if isinstance(text, Mapping) else {"text": text} for text in request.texts]
    user = {"user": request.user} if "user" in voice.roles else {}
    role = "text" if "text" in voice.roles else "ad"
    own = (ad if isinstance(ad, Mapping) else {role: ad} for ad in request.ads)
    return [{**user, **request.features, **ad} for ad in own]


def _means(shares: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """For each text, label -> the mean of what the members give it, in the first one's order. shares: by member."""
    return [
        {label: sum(share[label] for share in each) / len(each) for label in each[0]}
        for each in zip(*shares, strict=True)
    ]


def _head(member: Member) -> Head:
    assert member.voice.head is not None
    return member.voice.head


def _check_labels(members: Mapping[str, Member]) -> None:
    """Probabilities are averaged by label: each member must have every label. Raises RequestError."""
    (one, first), *others = members.items()
    for other, member in others:
        own, theirs = _head(first), _head(member)
        if own.multi_label != theirs.multi_label:
            several, single = (one, other) if own.multi_label else (other, one)
            raise RequestError(
                f"{several} may give a text several labels, {single} gives one; name adapters of one kind"
            )
        if odd := sorted({*own.labels} ^ {*theirs.labels}):
            raise RequestError(
                f"{one} and {other} have different labels (only one of them has {', '.join(odd)}); adapters answer as "
                "one where all have the same labels, in any order"
            )


def no_click(reference: str, labels: int) -> str:
    """Why an adapter of another tool, which says nothing of a click, ranks no ads."""
    if labels > 2:
        return (
            f"{reference} has {labels} labels, none of which is said to be a click; ask it to analyze texts"
        )
    return (
        f"{reference} does not say that it recommends, nor which of its labels is the click; publish it again with "
        "--task recommendation --roles user,ad"
    )
