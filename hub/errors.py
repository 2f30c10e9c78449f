"""What can go wrong with a hub; the whole tree stands in adapters/errors.py.

HubError          the folder holds something else, or a newer format, or its file system cannot hold a hub
├── NoHub         there is no hub at this address
├── BadName       a name or a reference that the grammar does not allow
├── NotInHub      no such adapter, version or alias; lists the nearest
├── BadSearch     a filter or an order that cannot be read
├── Unreachable   a remote store does not answer, or refuses: no network, no permission, no bucket
├── Moved         an alias means another version than was expected: somebody was faster
├── Refused       intake: what was to be published is not a sound, safe adapter, or failed its gates; lists every
│                 problem
├── Untrusted     the reader's trust file asks for a signature that a version does not have; says why none counts
├── BadTrust      a trust file is wrong; lists every problem
├── FeedbackError the log of what users did cannot be opened, read or written
├── BadFeedback   an event that the log does not take: of no impression, from the future, told twice with another value
├── BadKey        a file holds no key that can sign or check, or the password does not open it
└── Damaged       stored bytes are not the bytes that were published
"""

from collections.abc import Iterable

from adapters.errors import RepertoireError


class HubError(RepertoireError):
    """A hub cannot be opened or written."""


class NoHub(HubError):
    """There is no hub at this address."""


class BadName(HubError):
    """A name or a reference that the grammar does not allow."""


class NotInHub(HubError):
    """No such adapter, version or alias in this hub."""


class BadSearch(HubError):
    """A filter or an order of a search that cannot be read."""


class Unreachable(HubError):
    """A remote store does not answer, or refuses; what it acknowledged before is safe."""


class Moved(HubError):
    """An alias means another version than was expected; nothing was changed."""


class Refused(HubError):
    """What was to be published is not a sound, safe adapter, or did not pass its recipe's gates."""


class Untrusted(HubError):
    """The reader's trust file asks for a signature that this version does not have."""


class BadTrust(HubError):
    """A trust file is wrong. `problems` holds one line per fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class FeedbackError(HubError):
    """The log of what users did cannot be opened, read or written; what it acknowledged before is safe."""


class BadFeedback(HubError):
    """An event that the log does not take. `problems` holds one line per fault."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadKey(HubError):
    """A file holds no key that can sign or check signatures, or the password does not open it."""


class Damaged(HubError):
    """Stored bytes are missing, or are not the bytes that were published."""
