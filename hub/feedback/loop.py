"""A registry whose answers are logged: what the answer was, who saw it, and later what came of it.

loop = Loop(Registry("campaigns"), Feedback("campaigns"))
ranked = loop.recommend("acme/spring/recommendation", user=..., ads=[...], user_key="u-17")
loop.feedback(ranked.impression, "click")
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hub.feedback.recording import Seen, impression_of
from hub.registry.pending import Pending
from hub.registry.requests import Analysis, Analyze, Ranked, Recommend, Request, Result, Write

if TYPE_CHECKING:
    from hub.feedback.log import Feedback
    from hub.registry.registry import Registry

T = TypeVar("T")


class Logged(list[T], Generic[T]):
    """An answer, and `impression`, by which outcomes name it; None where it was not logged, or the queue was full."""

    def __init__(self, answers: Iterable[T], impression: str | None) -> None:
        super().__init__(answers)
        self.impression = impression


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

    def recommend(
        self,
        reference: str | Sequence[str],
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
        log: bool = True,
        **seen: Any,
    ) -> Logged[Ranked]:
        """The ads, the most likely to be clicked first. Raises as `Registry.recommend`, and FeedbackError."""
        return self._ask(Recommend(reference, user, ads, features or {}), log, seen)

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

    def note(self, pending: Pending, answer: Result, seen: Seen) -> str | None:
        """Log an answer that was waited for elsewhere, such as in a server.

        Args:
            pending: of `Registry.submit`.
            answer: its result.
            seen: by whom, and what of it.

        Returns:
            The impression's id; None where the queue is full and the disk was not asked for.
        """
        members = pending.members
        versions = [member.key.version for member in members.values()]
        now = self.log.now()
        impression = impression_of(pending.request, members, versions, answer, seen, now, self.log.user_key)
        return self.log.add(impression, seen.on_disk)

    def close(self) -> None:
        """Close the registry, and write what waits."""
        self.registry.close()
        self.log.close()

    def _ask(self, request: Request, log: bool, seen: Mapping[str, Any]) -> Logged[Any]:
        who = Seen(**seen)
        who.check()
        pending = self.registry.submit(request, wait=True)
        answer = pending.result()
        return Logged(answer, self.note(pending, answer, who) if log else None)
