"""A sentence with what is put into it, so that it can be said in another language too.

Said("about {rows} more test rows would decide", {"rows": "1,400"})     the English text is the key of the others
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Union

Named = Mapping[str, Union[str, "Said"]]
"""What is put into a sentence: numbers and names as they are shown, or sentences in turn."""


@dataclass(frozen=True)
class Said:
    """text: English, with a place for each of `named`."""

    text: str
    named: Named = field(default_factory=dict)

    def in_words(self, told: Callable[..., str]) -> str:
        """In a language. told: gives the text of a key in it, with its places filled: `told(text, rows="1,400")`."""
        return told(
            self.text,
            **{
                name: each.in_words(told) if isinstance(each, Said) else each
                for name, each in self.named.items()
            },
        )

    def __str__(self) -> str:
        return self.in_words(str.format)
