"""Characters that act on a terminal or a page where they should be read: shown as what they are.

    visible("sale\\x1b[2J")     "sale␛[2J"          a terminal's commands, by Unicode's pictures of them
    visible("ad\\u202etxt")     "ad\\\\u202etxt"      what turns the order of a line round, as an escape

Such text comes from strangers: messages, tags, labels, names of files and columns. Whatever is shown to people goes
through here. Line breaks and tabs stay. Passwords and tokens in addresses are not shown.
"""

import re

from adapters.errors import without_credentials

__all__ = ["escaped", "hidden", "visible"]

# C0 but tab and line feed, DEL, C1, half characters, separators of lines, and all of Unicode's Bidi_Control.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with a picture or an escape for each character that acts instead of being read."""
    text = without_credentials(text)
    return text if text.isascii() and text.isprintable() else _HIDDEN.sub(_picture, text)


def escaped(text: str) -> str:
    """A JSON document with JSON's own escapes for such characters, so that it says the same and acts on nothing."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def hidden(text: str) -> str | None:
    """The first such character of a text, as an escape (`\\x1b`); None where it has none. Line breaks and tabs are
    none."""
    found = _HIDDEN.search(text)
    return None if found is None else ascii(found[0])[1:-1]


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else ascii(found[0])[1:-1]
