"""What can go wrong with a hub; the whole tree stands in adapters/errors.py.

HubError          the folder holds something else, or a newer format, or its file system cannot hold a hub
├── NoHub         there is no hub in this place
├── BadName       a name or a reference that the grammar does not allow
├── NotInHub      no such adapter, version or alias; lists the nearest
├── BadSearch     a filter or an order that cannot be read
├── Refused       intake: what was to be published is not a sound, safe adapter, or failed its gates; lists every
│                 problem
└── Damaged       stored bytes are not the bytes that were published
"""

from adapters.errors import RepertoireError


class HubError(RepertoireError):
    """A hub cannot be opened or written."""


class NoHub(HubError):
    """There is no hub in this place."""


class BadName(HubError):
    """A name or a reference that the grammar does not allow."""


class NotInHub(HubError):
    """No such adapter, version or alias in this hub."""


class BadSearch(HubError):
    """A filter or an order of a search that cannot be read."""


class Refused(HubError):
    """What was to be published is not a sound, safe adapter, or did not pass its recipe's gates."""


class Damaged(HubError):
    """Stored bytes are missing, or are not the bytes that were published."""
