"""What a look at a hub can find: each kind of finding, how bad it is, and what mends it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["damage", "warning", "note"]
Kind = Literal[
    "record missing",
    "record unreadable",
    "blob missing",
    "blob damaged",
    "blob in the trash",
    "unneeded blob damaged",
    "adapter unsound",
    "alias event missing",
    "alias event unreadable",
    "alias dangling",
    "tombstone unreadable",
    "folder missing",
    "folder differs",
    "folder of no version",
    "folder of a removed version",
    "link",
    "no file",
    "stranger",
    "stray",
    "set aside",
    "permissions",
    "name outside",
    "purge unfinished",
    "cannot be listed",
]

# level; what mends it (`repertoire repair` tries all in REPAIRED)
_ABOUT: dict[Kind, tuple[Level, str]] = {
    "record missing": (
        "damage",
        "bring the file back from another copy of the hub, or `repertoire rm` the version",
    ),
    "record unreadable": (
        "damage",
        "bring the file back from another copy of the hub, or `repertoire rm` the version",
    ),
    "blob missing": (
        "damage",
        "`repertoire repair` looks for a copy, with `--from HUB` in another hub too; or publish the same adapter again",
    ),
    "blob damaged": (
        "damage",
        "`repertoire repair` looks for a copy, with `--from HUB` in another hub too; or publish the same adapter again",
    ),
    "blob in the trash": ("warning", "`repertoire repair` brings it back, and so does whoever reads it"),
    "unneeded blob damaged": ("warning", "`repertoire gc` collects it; no version needs it"),
    "adapter unsound": (
        "damage",
        "`repertoire rm` the version, and publish the adapter again from its source",
    ),
    "alias event missing": ("damage", "set the alias again; what it pointed at before is lost"),
    "alias event unreadable": ("damage", "set the alias again"),
    "alias dangling": (
        "damage",
        "bring the version's record back from another copy of the hub, or `repertoire alias set` a version that stands",
    ),
    "tombstone unreadable": ("damage", "take the file away and `repertoire rm` the version again"),
    "folder missing": ("warning", "`repertoire repair` makes it again"),
    "folder differs": (
        "damage",
        "`repertoire repair` makes it again; what does not belong there goes to the trash",
    ),
    "folder of no version": (
        "damage",
        "bring its record back from another copy of the hub; or publish the folder if you need it, and `repertoire rm` "
        "the version",
    ),
    "folder of a removed version": (
        "warning",
        "`repertoire repair` takes it away, and so does `repertoire gc`",
    ),
    "link": ("damage", "take the link away, then `repertoire repair`"),
    "no file": ("damage", "take it away, then `repertoire repair`"),
    "stranger": ("warning", "take it away; nothing in the hub uses it"),
    "stray": ("damage", "`repertoire repair` sets it aside; what is published counts on without it"),
    "set aside": (
        "note",
        "look at it, and take it away; a record that was acknowledged can be put back where it lay",
    ),
    "permissions": ("warning", "`repertoire repair` puts them right"),
    "name outside": ("warning", "if it is no backup, publish elsewhere: who writes there changes the hub"),
    "purge unfinished": ("warning", "`repertoire purge` the client again"),
    "cannot be listed": ("damage", "give yourself the right to read the folder"),
}
_JUNK = {".DS_Store", "Thumbs.db", "desktop.ini", "lost+found", ".gitkeep", ".directory"}
_JUNK_STARTS = ("._", ".nfs", ".fuse_hidden", ".Trash-", ".~lock")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. where: a path in the hub. what: in a sentence."""

    kind: Kind
    where: str
    what: str
    level: Level
    mend: str


def finding(kind: Kind, where: str, what: str) -> Finding:
    """A finding with the level of its kind; what file managers leave behind is only noted."""
    level, mend = _ABOUT[kind]
    if kind in ("stranger", "folder differs") and is_junk(where):
        level, mend = "note", "nothing; it does no harm"
    return Finding(kind, where, what, level, mend)


def is_junk(path: str) -> bool:
    """Whether a file manager or a file system left this."""
    name = path.rsplit("/", 1)[-1]
    return name in _JUNK or name.startswith(_JUNK_STARTS)
