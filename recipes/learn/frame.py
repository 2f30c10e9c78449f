"""What stands around a prompt when a base is asked: the chat template's text before and after the user's words.

    <|im_start|>user\nWrite an ad.\nname: Kettle K2<|im_end|>\n<|im_start|>assistant\n
    └──── before ───┘└────────── prompt ──────────┘└──────────── after ────────────┘

An adapter keeps what it was trained with, and is asked the same way when a template tells the day, or is another.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapters.errors import BadAdapter, BaseError

if TYPE_CHECKING:
    from adapters.base import Reader

_MARK = "\ue000prompt\ue000"  # of the private use area: no template holds it, or changes it
_LONGEST = 20_000  # characters; a template with an adapter's whole instructions has a few thousand


@dataclass(frozen=True)
class PromptFrame:
    """before, after: a prompt. special: whether the tokenizer adds its own first and last tokens, as a template says
    them itself."""

    before: str
    after: str
    special: bool

    @classmethod
    def of(cls, base: "Reader") -> "PromptFrame":
        """As a base's chat template has it now; a line by itself where it has none. Raises BaseError for a template
        that cannot hold a user's words as they are, or is longer than an adapter can keep."""
        if not base.tokenizer.chat_template:
            return cls("", "\n", True)
        try:
            before, *after = rendered(base, _MARK).split(_MARK)
        except Exception as error:  # a template is a program: what it raises has any type
            raise BaseError(f"the base's chat template takes no user's turn by itself: {error}") from error
        if len(after) != 1:
            raise BaseError(
                f"the base's chat template shows the user's turn {len(after)} times; mend its template, or take it out"
            )
        if (length := len(before + after[0])) > _LONGEST:
            raise BaseError(
                f"the base's chat template puts {length:,} characters around the user's turn, where an adapter can "
                f"keep {_LONGEST:,}; mend its template, or take it out"
            )
        return cls(before, after[0], False)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> "PromptFrame | None":
        """What an adapter's `info` says; None for those that say nothing, such as all of before. Raises BadAdapter."""
        said = info.get("frame")
        if said is None:
            return None
        told = said if isinstance(said, Mapping) else {}
        frame = cls(told.get("before", 0), told.get("after", 0), told.get("special", 0))
        texts = isinstance(frame.before, str) and isinstance(frame.after, str)
        if not texts or type(frame.special) is not bool or len(frame.before + frame.after) > _LONGEST:
            raise BadAdapter("what stands around its prompts cannot be used; train the adapter again")
        return frame

    def to_info(self) -> dict[str, Any]:
        """As it stands in an adapter's `info["frame"]`."""
        return asdict(self)


def rendered(base: "Reader", prompt: str) -> str:
    """A prompt as a base's chat template has it now."""
    turns = [{"role": "user", "content": prompt}]
    return str(base.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
