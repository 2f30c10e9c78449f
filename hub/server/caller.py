"""Who asks: what a key lets its bearer see and do. Without keys everybody on this machine may do everything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.errors import RequestError
from hub.server.keys import Key, Scope


class Forbidden(RequestError):
    """A key may not do this; scope: what it would need."""


@dataclass(frozen=True)
class Caller:
    """The bearer of a key, or anybody where no key is asked for (key: None)."""

    key: Key | None = None

    @property
    def id(self) -> str:
        """Of its key; empty without one."""
        return self.key.id if self.key else ""

    @property
    def client(self) -> str:
        """Whose key it is; empty without one."""
        return self.key.client if self.key else ""

    @property
    def all_clients(self) -> bool:
        """Whether it sees every client's adapters."""
        return self.may(Scope.admin)

    def sees(self, name: str) -> bool:
        """Whether it may know of an adapter, by its name or a reference to it."""
        return self.key is None or self.key.sees(name.partition("@")[0])

    def visible(self, names: Iterable[str]) -> Sequence[str]:
        """Those of some names that it may know of."""
        return [name for name in names if self.sees(name)]

    def may(self, scope: Scope) -> bool:
        """Whether its key may so much."""
        return self.key is None or self.key.scope >= scope

    def need(self, scope: Scope) -> None:
        """Raises Forbidden where its key may less."""
        if self.key is not None and not self.may(scope):
            raise Forbidden(
                f"this key may {self.key.scope.name} only; this call needs one with --scope {scope.name}"
            )
