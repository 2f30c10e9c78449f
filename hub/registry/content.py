"""The key of content, which brings along a version that has it, for as long as anybody holds the key."""

from hub.catalogue.version import Version


class Content(str):
    """The digest of a version, by which slots, host memory and queues know an adapter: equal for equal content, under
    whatever name.

    Attributes:
        version: one that has the content; whoever holds the key can fetch it, and when nobody does any more, nothing
            of it stays.
    """

    __slots__ = ("version",)
    version: Version


def content(version: Version) -> Content:
    """The key of what a version holds."""
    key = Content(version.digest)
    key.version = version
    return key


def version_of(key: str) -> Version:
    """The version that a key brought along through the runtime, which knows nothing of versions."""
    assert isinstance(key, Content)
    return key.version
