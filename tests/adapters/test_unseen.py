"""Characters that act on a terminal are shown as what they are, and nothing else changes."""

import json
import unicodedata

from adapters.unseen import escaped, hidden, visible

TEXT = "Größe 42 €, 你好 👩\u200d👩\u200d👧, שלום, a\tb\nc"


def test_good_text_stays() -> None:
    assert visible(TEXT) == TEXT and hidden(TEXT) is None and escaped(TEXT) == TEXT


def test_every_control_and_every_turn_of_direction_is_shown() -> None:
    acting = [
        chr(code)
        for code in range(0x10000)
        if chr(code) not in "\n\t"
        and (
            unicodedata.category(chr(code)) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(chr(code))
            in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
            or chr(code) in "\u061c\u200e\u200f"
        )
    ]
    assert len(acting) > 2000
    for each in acting:
        shown = visible(f"a{each}b")
        assert each not in shown and shown.startswith("a") and shown.endswith("b") and len(shown) > 2
        assert hidden(f"a{each}b") is not None
        document = json.dumps({"x": each}, ensure_ascii=False)
        assert each not in escaped(document) and json.loads(escaped(document)) == {"x": each}
    assert visible("\x1b[2J\x7f\x9b\u202e") == "␛[2J␡\\x9b\\u202e"
