"""The rules of a Write: which texts may be given, and how it is told that none may."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from adapters.errors import RequestError
from hub.registry.requests import RefusedText, Write
from recipes.errors import RecipeError
from recipes.measure import Kind, Limit, Policy, Violation, stays, violations
from recipes.options import Recipe, read_policy
from recipes.tasks import ad_copy

_REMEDIES: Mapping[Kind, str] = {
    "banned": "train the adapter on texts without such terms, or allow what is meant in its recipe's write.policy",
    "missing": "train the adapter on texts that hold the disclaimer",
    "too long": "raise max_chars or the policy's limit, or train the adapter on shorter texts",
    "unsupported": "give the product's numbers in the request, or train the adapter on texts true to their products",
}


def product_text(request: Write, recipe: Recipe) -> str:
    """The product as the adapter's training rows had it."""
    if isinstance(request.product, str):
        return request.product
    return ad_copy.render({name: str(value) for name, value in request.product.items()}, recipe)


def rules(request: Write, recipe: Recipe) -> Policy:
    """The rules of the adapter's recipe and of the request together, the limit in characters among them.

    Raises RequestError for a policy that is wrong, that would loosen the adapter's, or that no text could keep.
    """
    given = {} if request.policy is None else request.policy
    if not isinstance(given, Mapping):
        raise RequestError(f'policy is {given!r}; write a mapping such as {{"banned": ["cheap"]}}')
    if "allowed" in given:
        raise RequestError("policy.allowed: a request can only add rules; allow it in the adapter's recipe")
    most = recipe.write.max_chars if request.max_chars is None else request.max_chars
    limit = Policy(limits=() if most is None else (Limit(most),))
    try:
        return recipe.write.policy.rules().tightened(read_policy(given).rules()).tightened(limit)
    except RecipeError as error:
        raise RequestError(str(error)) from None


def none_kept(reference: str, refused: Sequence[RefusedText]) -> RequestError:
    """Why no text can be given: how many broke which kind of rule, the text that broke the fewest, what to do."""
    kinds = Counter(kind for each in refused for kind in sorted({reason.kind for reason in each.reasons}))
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    nearest = min(refused, key=lambda each: (len(each.reasons), len(each.text)))
    return RequestError(
        f"none of {len(refused)} texts by {reference} keeps the rules: {counted}. The nearest is "
        f"{nearest.text!r}: {'; '.join(map(str, nearest.reasons))}. To get one, "
        f"{'; '.join(_REMEDIES[kind] for kind, _ in kinds.most_common())}"
    )


def checked(pieces: Iterable[str], product: str, policy: Policy) -> Iterator[str]:
    """The pieces of a text while it keeps the policy.

    Raises RequestError as soon as it breaks a rule however it goes on. A term or number that may still become a lawful
    one ("best" in "bestow") is held back until that is known, so that no refused one is shown whole. Whether a
    disclaimer is missing is known only at the end.
    """
    text, shown = "", 0
    for piece in pieces:
        text += piece
        found = violations(text, product, policy)
        if sure := [each for each in found if stays(each, text, policy)]:
            raise _broken(sure)
        # What an allowed phrase at the end excuses is held back too: with more letters it may be none.
        found += violations(text + "x", product, policy)
        upto = min((each.where[0] for each in found if each.where is not None), default=len(text))
        if upto > shown:
            yield text[shown:upto]
            shown = upto
    if broken := violations(text, product, policy):
        raise _broken(broken)
    if shown < len(text):
        yield text[shown:]


def _broken(found: Sequence[Violation]) -> RequestError:
    return RequestError(
        f"the text breaks a rule: {'; '.join(map(str, found))}; write without a stream, so that it is drawn again, or "
        "loosen the rule (max_chars, policy)"
    )
