"""What a written text took: tokens, what ended it, and how likely each token was, in the base's own words."""

from collections.abc import Sequence

from adapters import Base
from adapters.serving import Chance, Completion
from hub.registry.requests import TokenChance, Told


def told_of(completion: Completion, base: Base) -> Told:
    """What is told of a finished text."""
    return Told(len(completion.ids), completion.finish, token_chances(completion.chances, base))


def token_chances(chances: Sequence[Chance], base: Base) -> tuple[TokenChance, ...]:
    """Tokens as texts, each with its log-probability."""
    return tuple(
        TokenChance(
            base.decode([each.token]),
            each.logprob,
            tuple((base.decode([token]), logprob) for token, logprob in each.likeliest),
        )
        for each in chances
    )
