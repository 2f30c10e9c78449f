"""What a registry is asked, and what it answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar, Literal

from adapters.errors import RepertoireError
from recipes.measure import Violation

REASON = "the model's reason, not the customer's"


@dataclass(frozen=True)
class Recommend:
    """Rank `ads` for a `user`. `features` are further columns that the adapter's recipe renders into the text.

    An ad is its text, or a mapping of columns of its own. For an adapter trained on one ready `text` column, an
    "ad" is that text, and there is no user. deadline: seconds from now.

    reference: one adapter, or an ensemble, `"a@3+a@4"` or `["a@3", "a@4"]`: the mean of their probabilities.
    """

    CALL: ClassVar[str] = "recommend"
    reference: str | Sequence[str]
    user: str
    ads: Sequence[str | Mapping[str, Any]]
    features: Mapping[str, Any] = field(default_factory=dict)
    deadline: float | None = None


@dataclass(frozen=True)
class Analyze:
    """Label texts; a text may be a mapping of columns, for adapters whose recipe renders several. deadline: seconds
    from now. reference: one adapter or an ensemble, as in `Recommend`."""

    CALL: ClassVar[str] = "analyze"
    reference: str | Sequence[str]
    texts: Sequence[str | Mapping[str, Any]]
    deadline: float | None = None


MOST_TEXTS = 1000
"""For one product, drafts among them."""


@dataclass(frozen=True)
class Write:
    """Write `n` texts for a product, given as text or as columns. What is left out comes from the adapter's recipe.

    max_chars: texts over it are drawn again, never cut. policy: rules beside those of the adapter's recipe, with the
    keys of its `write.policy`, such as `{"banned": [...], "required": [...]}`; it can only add, so that `allowed` is
    refused. Texts that break a rule are drawn again too; `Texts.refused` tells them. Several texts, and texts that are
    drawn again, need a temperature above 0: unless given it is 0.6, of tokens at least a fifth as likely as the
    likeliest one. drafts: of how many drafts each text is the one that is most like the others; the first is the one
    that is written without others, which are drawn as several texts are. deadline: seconds from now. The rest is that
    of `adapters.serving.Sampling`, such as logprobs.
    """

    CALL: ClassVar[str] = "write"
    reference: str
    product: str | Mapping[str, Any]
    n: int = 1
    max_chars: int | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: Sequence[str] | None = None
    seed: int = 0
    deadline: float | None = None
    policy: Mapping[str, Any] | None = None
    logprobs: int | None = None
    min_p: float | None = None
    drafts: int | None = None

    @property
    def drafts_asked(self) -> int:
        """How many drafts it asks for itself, of all texts; what it says may be wrong yet."""
        return prod(max(1, each) for each in (self.n, self.drafts) if isinstance(each, int))


@dataclass(frozen=True)
class Embed:
    """The base's pooled hidden states of texts, through one adapter, as its head reads them (an adapter that writes:
    their mean). Texts are read as they are, cut at the adapter's limit. deadline: seconds from now."""

    CALL: ClassVar[str] = "embed"
    reference: str
    texts: Sequence[str]
    deadline: float | None = None


Request = Recommend | Analyze | Write | Embed


@dataclass(frozen=True)
class Influence:
    """By how much a field, or a phrase of it, raised the probability; below 0: lowered. phrase: None for the field."""

    field: str
    phrase: str | None
    by: float


@dataclass(frozen=True)
class Explained:
    """Why a probability is what it is. moved: fields, then phrases, the largest first. reason: whose it is."""

    probability: float
    moved: list[Influence]
    reason: str = REASON


@dataclass(frozen=True)
class Ranked:
    """One ad, as it was given, with its click (or conversion) probability. cut: how many tokens of its text were over
    the limit and not read. explained: why, where that was asked for."""

    ad: str | Mapping[str, Any]
    probability: float
    cut: int = 0
    explained: Explained | None = None


@dataclass(frozen=True)
class Analysis:
    """One text's most likely label (for several labels a text: all over one half), and every label's probability. cut:
    how many of its tokens were over the limit and not read."""

    text: str | Mapping[str, Any]
    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    cut: int = 0

    @property
    def label(self) -> str:
        """The most likely label."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])


@dataclass(frozen=True)
class RefusedText:
    """A text that was written and not given, and every rule that it breaks."""

    text: str
    reasons: tuple[Violation, ...]


@dataclass(frozen=True)
class TokenChance:
    """One token of a text: natural logarithm of its probability, by the logits before temperature, cuts and penalties;
    likeliest: `(token, logprob)` of as many as were asked for, the likeliest first."""

    token: str
    logprob: float
    likeliest: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Told:
    """What is told of a text beside its words. tokens: that were written, without the end token. finish: what ended it:
    the end token, a stop string or the limit of tokens. logprobs: of each token, where `Write.logprobs` asks."""

    tokens: int
    finish: Literal["end", "stop", "length"]
    logprobs: tuple[TokenChance, ...] = ()


class Texts(list[str]):
    """The texts that a `Write` gives.

    Attributes:
        refused: in the order of writing, those that broke a rule.
        told: of each text that is given, in their order.
        prompt_tokens: that were read, once for all texts.
        completion_tokens: that were written, also of texts that are not given.
    """

    def __init__(
        self,
        texts: Iterable[str] = (),
        refused: Iterable[RefusedText] = (),
        told: Iterable[Told] = (),
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        super().__init__(texts)
        self.refused = tuple(refused)
        self.told = tuple(told)
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


@dataclass(frozen=True)
class Embedding:
    """One text's vector, of length 1. cut: how many of its tokens were over the limit and not read."""

    text: str
    vector: tuple[float, ...]
    cut: int = 0


Result = list[Ranked] | list[Analysis] | list[Embedding] | Texts
Answer = Result | RepertoireError
