"""What a file that is no UTF-8 probably is, and how it is read all the same: a guess, for the message alone.

Windows-1251      iconv -f WINDOWS-1251 -t UTF-8 …, if it should read 'Чай;Свежий чай'
several at once   UTF-8 but for a few lines, as where exports are joined: converting it all would spoil the others
none at all       a picture, a PDF, a program
"""

import re
from itertools import chain
from pathlib import Path

from recipes.data.packed import plain_name, through, unpacked
from recipes.errors import Problem

# As Python calls it -> as iconv does, and people do.
_NAMES = {
    "cp1252": ("WINDOWS-1252", "Windows-1252"),
    "cp1250": ("WINDOWS-1250", "Windows-1250"),
    "cp1251": ("WINDOWS-1251", "Windows-1251"),
    "cp1253": ("WINDOWS-1253", "Windows-1253"),
    "cp1254": ("WINDOWS-1254", "Windows-1254"),
    "cp1255": ("WINDOWS-1255", "Windows-1255"),
    "cp1256": ("WINDOWS-1256", "Windows-1256"),
    "koi8_r": ("KOI8-R", "KOI8-R"),
    "gb18030": ("GB18030", "GBK (GB18030)"),
    "big5": ("BIG5", "Big5"),
    "cp932": ("CP932", "Shift JIS (CP932)"),
    "euc_jp": ("EUC-JP", "EUC-JP"),
    "cp949": ("CP949", "EUC-KR (CP949)"),
    "utf_16": ("UTF-16", "UTF-16"),
    "utf_16_le": ("UTF-16LE", "UTF-16"),
    "utf_16_be": ("UTF-16BE", "UTF-16"),
}
_CHINESE = "的一是不了在人有我他这這中大来來上国國好很就也都和，。！？、：；“”（）"
_KANA = "".join(map(chr, range(0x3041, 0x30FF)))
_WIDE = {"cp932": _KANA, "euc_jp": _KANA, "gb18030": _CHINESE, "big5": _CHINESE}  # encoding -> known by
_ASKED = 2**16  # bytes of lines that are no ASCII; more say nothing new
_NO_CHANCE = 12  # characters that are UTF-8 by chance in no file of GBK or Big5
_SHOWN = 40  # characters of a line
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\v\f\r\x1a\x1b"))  # no text holds them, whatever encodes it
_OTHER_KINDS = {b"%PDF": "a PDF", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"GIF8": "a picture"}


def wrong_encoding(path: Path, invalid: int, said: str | None, named: str | None = None) -> Problem:
    """Says where the text ends, what the file probably is, and the command that converts it.

    Args:
        path: of the file.
        invalid: the offset of the first byte that is no text.
        said: the encoding that the recipe names, None for UTF-8, and for UTF-16 that may be another.
        named: the encoding that the recipe names, whichever that is.
    """
    name = str(path)
    with unpacked(path) as file:
        raw = file.read()
    if named is not None and b"\0" not in raw and _is_text(raw):
        return wrongly_said(path, named)
    line = raw.count(b"\n", 0, invalid) + 1
    if said is not None:
        fix = "Name the encoding that it has in data.format.encoding, or leave that out for UTF-8"
        return Problem(name, f"byte {invalid} is not {said}", fix)
    plain = plain_name(path)
    if raw[invalid : invalid + 1] == b"\0" and 4 * raw.count(0) < len(raw) and _is_text(raw):
        message = (
            f"{raw.count(0)} bytes are NUL, which is no character of a text; the first is byte {invalid}"
        )
        clean = plain.with_name(f"{plain.stem}-clean{plain.suffix}")
        fix = "Take them out: " + through(path, "tr -d '\\000'", clean)
        return Problem(name, message, fix, line=line)
    wide = _wide(raw)
    if wide is None and (what := _no_text(raw)) is not None:
        return Problem(
            name, f"the file is {what}, and no table", "Export the data as CSV, and name that file"
        )
    if wide is None and (others := _lines_among_utf8(raw)):
        return _several(name, raw, others)
    encoding = wide or _guess(raw)
    iconv, called = _NAMES[encoding]
    converted = plain.with_name(f"{plain.stem}-utf8{plain.suffix}")
    fix = (
        f"ave it as UTF-8: {through(path, f'iconv -f {iconv} -t UTF-8', converted)}; or set "
        f"data.format.encoding={iconv.lower()}"
    )
    fix = f"S{fix}" if wide else f"If it should read {_read(raw, line, encoding)} there, s{fix}"
    message = f"byte {invalid} is not UTF-8; the file is probably {called}"
    return Problem(name, message, fix, line=line)


def is_utf8(said: str, foreign: int) -> bool:
    """Whether a file of which another encoding is said, and that reads as UTF-8 too, is UTF-8. One of an encoding with
    a byte a character hardly ever does so by chance; of those with several, a short one may.

    Args:
        said: the encoding.
        foreign: the characters of the file that are no ASCII, as UTF-8 has them.
    """
    single = len(bytes(range(128, 256)).decode(said, errors="replace")) == 128
    return single or foreign >= _NO_CHANCE


def wrongly_said(path: Path, said: str) -> Problem:
    """A file of UTF-8 that is to be read by another encoding: how its first such line reads, either way."""
    with unpacked(path) as file:
        first = file.readline()
        # Of ASCII, which is UTF-8 too, the first line reads otherwise as well.
        lines = enumerate(chain([first], file), start=1)
        line, raw = next(((n, raw) for n, raw in lines if not raw.isascii()), (1, first))
    fix = (
        f"Leave data.format.encoding out, or set it to utf-8, if it should read {_read(raw, 1, 'utf-8')} there, and "
        f"not {_read(raw, 1, said)}"
    )
    return Problem(str(path), f"the file is UTF-8, and no {said} (data.format.encoding)", fix, line=line)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wide(raw: bytes) -> str | None:
    """UTF-16 in either order, by its mark or by every other byte, which is 0."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf_16"
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if even + odd <= len(raw) // 10 or min(even, odd) > max(even, odd) // 4:
        return None
    return "utf_16_le" if odd >= even else "utf_16_be"


def _no_text(raw: bytes) -> str | None:
    """What a file is that is no text at all."""
    known = next((what for head, what in _OTHER_KINDS.items() if raw.startswith(head)), None)
    controls = len(raw) - len(raw.translate(None, _CONTROLS))
    return known or ("binary" if 50 * controls > len(raw) else None)


def _lines_among_utf8(raw: bytes) -> list[int]:
    """The lines that are no UTF-8 in a file whose other lines are, and are no ASCII either; none where it is not so."""
    lines = raw.split(b"\n")
    foreign = [number for number, line in enumerate(lines, start=1) if not line.isascii()]
    odd = [number for number in foreign if not _is_text(lines[number - 1])]
    # Two bytes of another encoding may be a character of UTF-8 by chance; half of all lines are not.
    return odd if 2 * len(odd) <= len(foreign) else []


def _several(name: str, raw: bytes, others: list[int]) -> Problem:
    lines = raw.split(b"\n")
    encoding = _guess(b"\n".join(lines[number - 1] for number in others))
    told = ", ".join(map(str, others[:5])) + (" and more" if len(others) > 5 else "")
    message = f"the file is UTF-8, but not in {len(others)} of its lines (line {told})"
    fix = (
        "Mend them, or export what was joined again as UTF-8; another encoding for the whole file would spoil the "
        f"others. As {_NAMES[encoding][1]}, line {others[0]} reads {_read(raw, others[0], encoding)}"
    )
    return Problem(name, message, fix, line=others[0])


def _read(raw: bytes, line: int, encoding: str) -> str:
    """A line as it reads in an encoding, from a little before what is no ASCII."""
    text = raw.split(b"\n")[line - 1].decode(encoding, errors="replace").strip()
    first = re.search(r"[^\x00-\x7f]", text)
    begins = max(0, (first.start() if first else 0) - _SHOWN // 2)
    return repr(text[begins : begins + _SHOWN])


def _guess(raw: bytes) -> str:
    """The encoding of a text that is neither ASCII nor UTF-8."""
    from charset_normalizer import from_bytes

    foreign = b"\n".join(line for line in raw[: 2**24].split(b"\n") if not line.isascii())[:_ASKED]
    shares = {encoding: _share(foreign, encoding, known) for encoding, known in _WIDE.items()}
    likeliest = max(shares, key=lambda encoding: shares[encoding])
    if shares[likeliest] > _OFTEN:
        return likeliest
    asked = [encoding for encoding in _NAMES if not encoding.startswith("utf")]
    found = list(from_bytes(foreign, cp_isolation=asked))
    if not found:
        return "cp1252"
    best = found[0]
    alike = {
        name
        for match in found
        if match.chaos <= best.chaos and match.coherence >= best.coherence - _NEAR
        for name in match.could_be_from_charset
    }
    return "cp1252" if "cp1252" in alike else best.encoding


_NEAR = 0.02  # in coherence: neither is the better reading, and Windows-1252 the commoner one
_OFTEN = 0.05  # of what is no ASCII: characters that come in nearly every sentence


def _share(raw: bytes, encoding: str, known: str) -> float:
    """How much of a reading are characters that its language cannot do without: a wrong one lands among the rare."""
    text = raw.decode(encoding, errors="replace")
    foreign = [character for character in text if ord(character) > 127]
    if foreign.count("\ufffd") > 0.01 * len(foreign):
        return 0.0
    return sum(character in known for character in foreign) / max(len(foreign), 1)


def once(text: str) -> str | None:
    """What a text was before it was made UTF-8 twice, "Größe" of "GrÃ¶ÃŸe"; None where that makes no text."""
    if text.isascii():
        return None
    try:
        before = b"".join(_byte(character) for character in text).decode()
    except UnicodeError:
        return None
    return before


def _byte(character: str) -> bytes:
    """The byte that Windows-1252 reads as a character, or that it has none for."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
