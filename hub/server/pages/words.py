"""The words of the page, in English and Chinese. A text of a template is its own key; what data, adapters and errors
say stays in the words that it was written in."""

from collections.abc import Callable, Mapping
from typing import Any

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
CHINESE: Mapping[str, str] = {}


def words_in(language: str) -> Callable[..., str]:
    """What tells a text in a language: `t("version {number}", number=3)`."""
    known = CHINESE if language == "zh" else {}

    def told(text: str, **named: Any) -> str:
        found = known.get(text, text)
        return found.format(**named) if named else found

    return told


def asked_for(accepted: str) -> str:
    """The language that a browser likes best of those there are. accepted: its `Accept-Language`."""
    best, most = "en", 0.0
    for part in accepted.split(",")[:20]:
        code, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = code.partition("-")[0].lower()
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return best
