"""What a publisher says in words: nothing in it may act on a terminal or turn a line round."""

from collections.abc import Iterator, Sequence

from adapters.bounds import MESSAGE_CHARACTERS, TAGS, WORD_CHARACTERS
from adapters.unseen import hidden
from hub.intake.allowed import refused


def check_words(
    message: str,
    tags: Sequence[str],
    publisher: str | None = None,
    reason: str | None = None,
    publish_id: str | None = None,
) -> None:
    """Refuse control characters and those that turn text round, and what is too long; a message and a reason may have
    several lines.

    Raises Refused with the first of them in each text.
    """
    texts = [("message", message, True), *((f"tag {tag[:40]!r}", tag, False) for tag in tags)]
    texts += [("publisher", publisher or "", False), ("reason", reason or "", True)]
    problems = [*_problems([*texts, ("publish id", publish_id or "", False)])]
    if problem := TAGS.problem(len(tags), "the version"):
        problems.append(problem)
    if problems:
        raise refused("this", problems)


def _problems(texts: Sequence[tuple[str, str, bool]]) -> Iterator[str]:
    """texts: what it is, its text, whether line breaks and tabs may stand in it."""
    for what, text, lines in texts:
        if problem := (MESSAGE_CHARACTERS if lines else WORD_CHARACTERS).problem(len(text), f"the {what}"):
            yield problem
        found = hidden(text) or (None if lines else next((ascii(c)[1:-1] for c in text if c in "\n\t"), None))
        if found is not None:
            yield f"the {what} holds {found}, which is not shown but acts on what is; take it out"
