"""What a registry asks of the log of its answers, which stands above this room: `hub.Feedback` is one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hub.registry.requests import Ranked

if TYPE_CHECKING:
    from hub.registry.registry import Registry


class Loops(Protocol):
    """Answers as the registry does, and logs that; see `hub.feedback.Loop`."""

    def recommend(
        self,
        reference: str | Sequence[str],
        user: str = "",
        ads: Sequence[str | Mapping[str, Any]] = (),
        features: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[Ranked]:
        """The ads, with the impression."""

    def feedback(self, impression: str, kind: str, **told: Any) -> bool:
        """What a user did; whether it was new."""


class Log(Protocol):
    """Remembers what was shown."""

    def around(self, registry: "Registry") -> Loops:
        """What answers by a registry, and logs it."""
