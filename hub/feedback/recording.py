"""From an answer to an impression: what may be stored of a request, and what of the answer was shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from adapters.errors import RequestError
from adapters.fields import has_halves, shown
from hub.feedback.events import Candidate, Impression, Place, ad_key
from hub.registry.requests import Analysis, Analyze, Ranked, Recommend, Request, Result, Texts, Write
from hub.storage.names import parse

if TYPE_CHECKING:
    from hub.registry.labelling import Member
    from recipes.answer import Voice

T = TypeVar("T")
_DAY = 86_400.0


class Logged(list[T], Generic[T]):
    """An answer, and `impression`, by which outcomes name it; None where it was not logged, or the queue was full."""

    def __init__(self, answers: Iterable[T], impression: str | None) -> None:
        super().__init__(answers)
        self.impression = impression


@dataclass(frozen=True)
class Seen:
    """Who sees an answer, and what of it.

    Attributes:
        user_key: the user's key in the caller's own words, such as an account's number; it is stored hashed.
        top: how many ads of a ranking are shown, from the first on.
        consent: whether the user agreed to be learned from; None where nobody asked.
        on_disk: wait until the impression is on the disk.
        arm, chooser, seconds: as in `Impression`.
        chosen: what was shown instead of the first ones, place after place: where it stands in the answer, and its
            propensity.
    """

    user_key: str | None = None
    top: int = 1
    consent: bool | None = None
    on_disk: bool = False
    arm: str | None = None
    chooser: str = "best"
    chosen: Sequence[tuple[int, float]] | None = None
    seconds: float | None = None

    def check(self) -> None:
        """See that it is one. Raises RequestError."""
        if self.user_key is not None and (not isinstance(self.user_key, str) or not self.user_key):
            raise RequestError(f"user_key is {shown(self.user_key)}; expected the user's key as a text")
        if self.user_key is not None and has_halves(self.user_key):
            raise RequestError("user_key holds half a character (a lone surrogate); send whole ones")
        if not isinstance(self.top, int) or isinstance(self.top, bool) or self.top < 1:
            raise RequestError(f"top is {shown(self.top)}; expected how many ads are shown, 1 or more")
        if self.consent not in (None, True, False):
            raise RequestError(f"consent is {shown(self.consent)}; expected True, False or None")


def impression_of(
    request: Request,
    members: Mapping[str, "Member"],
    answer: Result,
    seen: Seen,
    now: float,
    hashed: Callable[[str, str], str],
) -> Impression:
    """The impression of an answer.

    Args:
        request: that was answered.
        members: the adapters that did, by their references.
        answer: to the request.
        seen: by whom, and what of it.
        now: seconds since 1970.
        hashed: the stored key of a client and a user's key.
    """
    voice = next(iter(members.values())).voice
    versions = [member.key.version for member in members.values()]
    name = parse(next(iter(members))).name
    columns = asked_columns(request, members)
    candidates = candidates_of(request, answer, members)
    days = [
        days
        for member in members.values()
        if (days := member.voice.recipe.feedback.retention_days) is not None
    ]
    top = seen.top if isinstance(request, Recommend) else len(candidates)
    chosen = (
        [(index, 1.0) for index in range(min(top, len(candidates)))] if seen.chosen is None else seen.chosen
    )
    return Impression(
        at=now,
        name=name,
        task=voice.recipe.task,
        reference=" + ".join(members),
        version=versions[0].number if len(versions) == 1 else None,
        digest="+".join(version.digest for version in versions),
        columns=columns,
        candidates=candidates,
        places=[
            Place(position, candidates[index].ad, candidates[index].probability, propensity)
            for position, (index, propensity) in enumerate(chosen, 1)
        ],
        chooser=seen.chooser,
        arm=seen.arm,
        user=None if seen.user_key is None else hashed(name.split("/")[0], seen.user_key),
        consent=seen.consent,
        expires=now + min(days) * _DAY if days else None,
        seconds=seen.seconds,
        refused=len(answer.refused) if isinstance(answer, Texts) else None,
    )


def asked_columns(request: Request, members: Mapping[str, "Member"]) -> dict[str, Any]:
    """The columns of the user and the request itself, as they may be stored."""
    return _keep(members)(_asked(request, next(iter(members.values())).voice))


def candidates_of(request: Request, answer: Result, members: Mapping[str, "Member"]) -> list[Candidate]:
    """What could be shown, in the answer's order, as it may be stored.

    Args:
        request: that was answered.
        answer: to it.
        members: the adapters that did.
    """
    from hub.registry.labelling import columns_of

    voice, keep = next(iter(members.values())).voice, _keep(members)
    if isinstance(request, Write):
        return [_candidate(keep({"ad": text}), None) for text in answer if isinstance(text, str)]
    if isinstance(request, Recommend):
        ranked = [each for each in answer if isinstance(each, Ranked)]
        own = columns_of(Recommend(request.reference, "", [each.ad for each in ranked]), voice)
        return [
            _candidate(
                keep({name: cell for name, cell in columns.items() if name != "user"}), each.probability
            )
            for columns, each in zip(own, ranked, strict=True)
        ]
    assert isinstance(request, Analyze), "vectors are not shown to anybody"
    return [
        _candidate({**keep(columns), "answered": each.label}, each.probabilities[each.label])
        for columns, each in zip(columns_of(request, voice), answer, strict=True)
        if isinstance(each, Analysis)
    ]


def _asked(request: Request, voice: "Voice") -> Mapping[str, Any]:
    """The columns of the request itself."""
    if isinstance(request, Write):
        return request.product if isinstance(request.product, Mapping) else {"product": request.product}
    if isinstance(request, Recommend):
        from hub.registry.labelling import columns_of

        return columns_of(Recommend(request.reference, request.user, [{}], request.features), voice)[0]
    return {}


def _candidate(columns: dict[str, Any], probability: float | None) -> Candidate:
    return Candidate(ad_key(columns), columns, probability)


def _keep(members: Mapping[str, "Member"]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What may be stored of a row; of an ensemble, what one of its recipes masks is masked."""

    def keep(row: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(row)
        for member in members.values():
            found = member.voice.kept(found)
        return found

    return keep
