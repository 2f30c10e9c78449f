"""A registry whose answers are logged: what the answer was, who saw it, and later what came of it.

loop = Loop(Registry("campaigns"), Feedback("campaigns"))
ranked = loop.recommend("acme/spring/recommendation", user=..., ads=[...], user_key="u-17")
loop.feedback(ranked.impression, "click")
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from adapters.errors import RepertoireError, RequestError
from hub.errors import FeedbackError
from hub.feedback.arms import CANARY, PRODUCTION, Canary, running
from hub.feedback.comparing import FAILED
from hub.feedback.events import Impression
from hub.feedback.recording import Logged, Seen, impression_of
from hub.registry.explaining import Explaining
from hub.registry.requests import Analysis, Analyze, Ranked, Recommend, Request, Result, Write
from hub.storage.names import parse

if TYPE_CHECKING:
    from hub.feedback.log import Feedback
    from hub.registry.pending import Pending
    from hub.registry.registry import Registry

LIVE, SHADOW = "live", "shadow"
_FRESH = 1.0  # seconds for which it is believed which canary runs
_MOST_NAMES = 10_000  # of which that is remembered


class Loop:
    """A registry and its log. Any thread may call it. Arguments that are not named here are those of `Registry` and of
    `Seen`; `log=False` answers without the log.

    Args:
        registry: that answers.
        log: that remembers.
    """

    def __init__(self, registry: "Registry", log: "Feedback") -> None:
        self.registry, self.log = registry, log
        self.feedback, self.feedback_all = log.feedback, log.feedback_all
        self._canaries: dict[str, tuple[float, Canary | None]] = {}

    def recommend(
        self,
        reference: str | Sequence[str],
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
        log: bool = True,
        explain: bool = False,
        **seen: Any,
    ) -> Logged[Ranked]:
        """The ads, the most likely to be clicked first. Raises as `Registry.recommend`, and FeedbackError."""
        request = Recommend(reference, user, ads, features or {})
        return self._ask(request, log, seen, Explaining(request) if explain else None)

    def analyze(
        self,
        reference: str | Sequence[str],
        texts: Sequence[str | Mapping[str, Any]] | str,
        log: bool = True,
        **seen: Any,
    ) -> Logged[Analysis]:
        """One analysis per text, each a position of the impression. Raises as `Registry.analyze`, and FeedbackError."""
        return self._ask(Analyze(reference, [texts] if isinstance(texts, str) else texts), log, seen)

    def write(
        self,
        reference: str,
        product: str | Mapping[str, Any],
        n: int = 1,
        log: bool = True,
        seen: Seen | None = None,
        **options: Any,
    ) -> Logged[str]:
        """Texts for a product, each a position of the impression; options as of `Write`. Raises as `Registry.write`,
        and FeedbackError."""
        return self._ask(Write(reference, product, n, **options), log, vars(seen or Seen()))

    def note(self, pending: "Pending", answer: Result, seen: Seen) -> str | None:
        """Log an answer that was waited for elsewhere, such as in a server.

        Args:
            pending: of `Registry.submit`.
            answer: its result.
            seen: by whom, and what of it.

        Returns:
            The impression's id; None where the queue is full and the disk was not asked for.
        """
        impression = impression_of(
            pending.request, pending.members, answer, seen, self.log.now(), self.log.user_key
        )
        return self.log.add(impression, seen.on_disk)

    def close(self) -> None:
        """Close the registry, and write what waits."""
        self.registry.close()
        self.log.close()

    def route(self, request: Request, who: Seen) -> tuple[Request, Seen]:
        """Where `name@live` leads a user: to the canary or to production, the same as long as the canary runs.

        Args:
            request: for any reference; only `@live` is changed.
            who: asks; without a user key, production answers.

        Returns:
            The request for what it means, and who, with their arm.

        Raises:
            BadName: for what is no reference.
            FeedbackError: the log does not answer.
        """
        if not isinstance(request.reference, str) or not request.reference.endswith(f"@{LIVE}"):
            return request, who
        name = parse(request.reference).name
        canary, arm = self._canary(name), PRODUCTION
        if canary is not None and not canary.shadow and who.user_key is not None:
            arm = CANARY if canary.has(self.log.user_key(name.split("/")[0], who.user_key)) else PRODUCTION
        return replace(request, reference=f"{name}@{arm}"), replace(who, arm=arm)

    def answered(self, request: Request, who: Seen) -> tuple["Pending", Result, Request, Seen]:
        """Wait for an answer, which is not logged yet: of `name@live` production's, where its canary cannot answer.

        Args:
            request: for any reference.
            who: asks.

        Returns:
            What answered, its answer, the request as it was routed, and who, with their arm.

        Raises:
            RepertoireError: as `Registry.submit` and `Pending.result`.
        """
        asked, who = self.route(request, who)
        try:
            began = perf_counter()
            pending = self.registry.submit(asked, wait=True)
            answer = pending.result()
            return pending, answer, asked, replace(who, seconds=perf_counter() - began)
        except RepertoireError as error:
            instead = self.instead(asked, who, error)
            if instead is None:
                raise
            found = self.answered(instead, replace(who, arm=None))
            self.note_failure(asked, who)
            return found

    def instead(self, asked: Request, who: Seen, error: RepertoireError) -> Request | None:
        """What to ask where a request ended in an error: what is wrong with a canary is nobody's problem but its own,
        and what production refuses too is no fault of it. That production failed is noted while a canary runs.

        Args:
            asked: as it was routed.
            who: asked, with their arm.
            error: that it ended in.

        Returns:
            The request for production; None where the error stands.
        """
        name = parse(str(asked.reference)).name if who.arm else ""
        if who.arm == CANARY:
            return replace(asked, reference=f"{name}@{PRODUCTION}")
        if who.arm is not None and not isinstance(error, RequestError) and self._canary(name) is not None:
            self.note_failure(asked, who)
        return None

    def shadowed(self, asked: Request, who: Seen) -> Request | None:
        """The request for a canary that answers beside production and that nobody sees; None where none does."""
        canary = self._canary(parse(str(asked.reference)).name) if who.arm == PRODUCTION else None
        if canary is None or not canary.shadow:
            return None
        return replace(asked, reference=f"{canary.name}@{CANARY}")

    def shadow(self, request: Request, who: Seen) -> None:
        """Let a canary answer what production answered; it is logged, and nobody sees it. request: of `shadowed`."""
        try:
            pending = self.registry.submit(request)
            self.note(pending, pending.result(), replace(who, arm=SHADOW))
        except RepertoireError:
            self.note_failure(request, replace(who, arm=SHADOW))

    def _canary(self, name: str) -> Canary | None:
        """The canary that runs, as of a second ago, or of when the log answered last."""
        known = self._canaries.get(name)
        now = monotonic()
        if known is None or now > known[0] + _FRESH:
            try:
                found = running(self.log, name)
            except FeedbackError:
                if known is None:
                    raise
                found = known[1]
            if len(self._canaries) > _MOST_NAMES:
                self._canaries.clear()
            known = self._canaries[name] = (now, found)
        return known[1]

    def _ask(
        self, request: Request, log: bool, seen: Mapping[str, Any], reasons: Explaining | None = None
    ) -> Logged[Any]:
        who = Seen(**seen)
        who.check()
        answer: Any
        pending, answer, asked, who = self.answered(request, who)
        if reasons is not None:
            why: Any = self.registry.submit(reasons.request(asked.reference), wait=True).result()
            answer = reasons.explained(answer, why)
        noted = self.note(pending, answer, who) if log else None
        if log and (beside := self.shadowed(asked, who)) is not None:
            self.shadow(beside, who)
        return Logged(answer, noted)

    def note_failure(self, request: Request, who: Seen) -> None:
        """That a request of an arm ended in an error."""
        name = parse(str(request.reference)).name
        self.log.add(
            Impression(
                at=self.log.now(),
                name=name,
                task=request.CALL,
                reference=str(request.reference),
                version=None,
                digest="",
                columns={},
                candidates=(),
                places=(),
                arm=who.arm,
                chooser=FAILED,
            )
        )
