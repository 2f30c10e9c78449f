"""Where two hubs contradict each other: each contradiction in words, with what to do about it.

What is a contradiction, and what does not move for it, stands in `lacking.py`.
"""

from dataclasses import dataclass

from hub.catalogue import records
from hub.errors import Damaged
from hub.storage.storage import Storage


@dataclass(frozen=True)
class Conflict:
    """Where two hubs say different things.

    Attributes:
        name: `client/campaign/task`.
        what: `version 3` or `alias production`.
        source: what the one says.
        target: what the other says.
        advice: what to do.
    """

    name: str
    what: str
    source: str
    target: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}: {self.what} is {self.source} in the one hub, {self.target} in the other. {self.advice}"


def contested(source: Storage, target: Storage, name: str, number: int) -> Conflict:
    """Both hubs gave a number to something else."""
    told = []
    for storage in (source, target):
        try:
            told.append(f"publish id {records.read(storage, name, number).publish_id}")
        except Damaged:
            told.append("a damaged record")
    advice = (
        f"Nothing of {name} was moved. Publish the one that you need again, so that it gets the next number; remove "
        f"version {number} in both hubs (`repertoire rm {name}@{number} --hub ...`); then do this again"
    )
    return Conflict(name, f"version {number}", told[0], told[1], advice)


def parted(name: str, alias: str, meant: int | None, other: int | None) -> Conflict:
    """An alias was moved in both hubs, to different versions."""
    told = [f"version {version}" if version else "removed" for version in (meant, other)]
    advice = (
        "None of its changes was moved. Let it mean the same version in both hubs (`repertoire alias set "
        f"{name} {alias} VERSION --hub ...`)"
    )
    return Conflict(name, f"alias {alias}", told[0], told[1], advice)


def removed(name: str, number: int, aliases: list[str], here: bool) -> Conflict:
    """One hub, the source where `here`, removed a version that aliases mean in the other."""
    several = " and ".join(aliases)
    meant = f"what {several} mean{'s' * (len(aliases) == 1)}"
    source, target = ("removed", meant) if here else (meant, "removed")
    advice = (
        f"Neither was moved. Where it still stands, let {several} mean another version (`repertoire alias set {name} "
        "ALIAS VERSION --hub ...`), then do this again; the adapter can be published again, as a new version"
    )
    return Conflict(name, f"version {number}", source, target, advice)
