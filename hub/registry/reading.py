"""From a request to rows of the adapters that it names: which those are, and whether they do what is asked."""

from collections.abc import Callable
from typing import Any

from adapters import Base
from adapters.errors import RequestError
from hub.registry.content import Content
from hub.registry.door import check
from hub.registry.embedding import Embedded
from hub.registry.labelling import Labelling, Member, naming, no_click
from hub.registry.pending import Asked
from hub.registry.requests import Embed, Request, Write
from hub.registry.writing import Drafting
from hub.storage.names import client_of, members
from recipes.answer import Voice
from recipes.tasks import task_for, task_names, usual_task

VoiceOf = Callable[[Content], Voice]


def read(
    request: Request, key: Callable[[str], Content], voice: VoiceOf, base: Base, run: Callable[..., Any]
) -> Asked:
    """A request, read once.

    Args:
        request: as it was given.
        key: of the content that a reference means now.
        voice: of that content.
        base: that reads its tokens.
        run: answers further rows, for texts that are drawn again.

    Raises:
        RequestError: it is none, or does not fit its adapters; and what `key` and `voice` raise.
    """
    check(request)
    references = members(request.reference)
    if isinstance(request, Write | Embed):
        if len(references) > 1:
            raise RequestError(f"several adapters cannot {request.CALL} one text together; name one of them")
        member = _member(references[0], key(references[0]), request, voice)
        if isinstance(request, Embed):
            return Embedded(request, member, base)
        return Drafting(request, member, base, run)
    found: dict[str, Member] = {}
    for reference in references:
        with naming(reference, references):
            member = _member(reference, key(reference), request, voice)
        same = [other for other, known in found.items() if known.key == member.key]
        if same:
            raise RequestError(f"{same[0]} and {reference} are the same adapter; name it once")
        found[reference] = member
    return Labelling(request, found)


def _member(reference: str, key: Content, request: Request, voice_of: VoiceOf) -> Member:
    voice = voice_of(key)
    if request.CALL == Embed.CALL:
        return Member(key, voice, client_of(reference))
    calls = {name: task_for(name).CALL for name in task_names()}
    if voice.task is None and request.CALL == "recommend" and voice.head is not None:
        raise RequestError(no_click(key.version.reference, len(voice.head.labels)))
    task = voice.task or usual_task(writes=voice.head is None)
    if task not in calls:
        raise RequestError(
            f"{key.version.reference} does {task}, which this release does not know; upgrade Repertoire to use it"
        )
    if calls[task] != request.CALL:
        wanted = " or ".join(name for name, call in calls.items() if call == request.CALL)
        raise RequestError(f"{key.version.reference} does {task}, not {wanted}; use the call for {task}")
    return Member(key, voice, client_of(reference))
