"""Stop strings, and pieces of a growing text."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.serving.text import Pieces, stopped


def test_the_first_of_all_stop_strings_counts() -> None:
    assert stopped("one, two. three", (".", ",")) == "one"
    assert stopped("one", (".", ",")) is None
    assert stopped("line\nnext", ("\n",)) == "line"


@given(text=st.text(alphabet="ab .\n雪é", max_size=30), cuts=st.lists(st.integers(0, 40), max_size=8))
def test_pieces_put_together_are_the_text_whatever_the_steps(text: str, cuts: list[int]) -> None:
    """Bytes arrive in any portions; a character that is not whole yet shows as U+FFFD, as a tokenizer decodes it."""
    stop = ("a.b", "\nb")
    data = text.encode()
    pieces, shown = Pieces(stop), ""
    for cut in sorted({min(cut, len(data)) for cut in cuts}):
        written = data[:cut].decode(errors="replace")
        if stopped(written, stop) is not None:
            break
        shown += pieces.next(written)
    final = stopped(text, stop)
    final = text if final is None else final
    shown += pieces.next(final, done=True)
    assert shown == final.strip()


def test_what_may_become_a_stop_string_is_held_back() -> None:
    pieces = Pieces(("END",))
    assert pieces.next("buy EN") == "buy"
    assert pieces.next("buy ENGLISH E") == " ENGLISH"
    assert pieces.next("buy ENGLISH ", done=True) == ""
