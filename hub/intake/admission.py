"""What may enter a hub: checked before anything is written, every problem reported at once.

    adapter_config.json          PEFT's configuration, stored with sorted keys and without what could name code
    adapter_model.safetensors    finite numbers under the names that the method needs, and no others
    README.md                    model card: the maker's own where it wrote one, else made here; see card.py

Nothing else: no pickle, no code, no archive, no symlink, no path of the publisher's machine. An adapter that failed
its recipe's gates enters only with a reason.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from adapters import Adapter, BadAdapter
from adapters.bounds import LABEL_CHARACTERS, LABELS
from adapters.errors import RepertoireError
from adapters.format import (
    CARD,
    CONFIG,
    WEIGHTS,
    Bytes,
    Shape,
    adapter_problems,
    canonical,
    check_weights,
    embeds,
    parse,
    render,
)
from hub.errors import Refused
from hub.intake import card
from hub.intake.allowed import refused, size_problem
from hub.intake.declared import Declared, as_declared, declared_problems
from hub.intake.facts import describe
from hub.intake.folders import read_folder
from hub.intake.huggingface import Download
from hub.intake.naming import base_problems, name_problems, named
from recipes.answer import Voice
from recipes.judge import Gates
from recipes.tasks import task_names

_CODE_KEYS = ("auto_map", "auto_mapping")


def admit(
    source: Adapter | Download | str | os.PathLike[str],
    base: Shape | None = None,
    early: Callable[[Bytes], object] | None = None,
    said: Declared | None = None,
) -> tuple[Adapter, dict[str, Bytes], dict[str, Any]]:
    """Let an adapter in.

    Args:
        source: an adapter, a PEFT directory, or what was downloaded of one.
        base: what it must fit, name by name and shape by shape: a loaded base or `load_shape`. Without one, what can be
            known without it is checked, and loading checks the rest.
        early: is given the weights as soon as they are read, before they are checked.
        said: what the publisher says of an adapter that does not say it itself.

    Returns:
        The adapter, the files that a version of it holds, and what a record says of it.

    Raises:
        Refused: with all that is wrong.
    """
    rendered: dict[str, Bytes]
    if isinstance(source, Adapter):
        rendered, where = {**render(source)}, "this adapter"
    else:
        found = source if isinstance(source, Download) else read_folder(source)
        rendered, where = {**found.files}, found.address
    _look_first(rendered, where)
    if early is not None:
        early(rendered[WEIGHTS])
    said = said or Declared()
    problems = list(_config_problems(rendered[CONFIG]))
    if not problems:
        config = named(json.loads(rendered[CONFIG]), base, said)
        rendered[CONFIG] = json.dumps(config).encode()
        problems = list(name_problems(config, base, said))
    if problems:
        raise refused(where, problems)
    try:
        read = parse(rendered[CONFIG], rendered[WEIGHTS])
    except BadAdapter as error:
        raise refused(where, [str(error)]) from error
    rendered[CONFIG] = _canonical_config(config, base)
    config = json.loads(rendered[CONFIG])
    if read.base.revision is None:
        read = replace(read, base=replace(read.base, revision=config.get("revision")))
    problems = [*declared_problems(read, said), *base_problems(read, config, base, said.base_id_is_alias)]
    adapter = read if problems else _checked_against(as_declared(read, said), base)
    problems += [*_adapter_problems(adapter, base), *_label_problems(adapter)]
    if problems:
        raise refused(where, problems)
    rendered[WEIGHTS] = canonical(rendered[WEIGHTS], None if adapter is read else adapter)
    told = describe(adapter, config)
    if CARD not in rendered or card.is_ours(rendered[CARD]):
        rendered[CARD] = card.adapter_card(adapter, told["servable_by"]).encode()
    return adapter, rendered, told


def _look_first(rendered: Mapping[str, Bytes], where: str) -> None:
    """Raise Refused for what is more than a hub takes, or whose header says already that it is wrong."""
    problems = [*filter(None, (size_problem(name, len(data)) for name, data in rendered.items()))]
    weights = rendered[WEIGHTS]
    if not problems:
        try:
            check_weights(lambda count: weights[:count], len(weights))
        except BadAdapter as error:
            problems.append(str(error))
    if problems:
        raise refused(where, problems)


def _label_problems(adapter: Adapter) -> Iterator[str]:
    labels = adapter.head.labels if adapter.head else ()
    longest = max(labels, key=len, default="")
    problems = (
        LABELS.problem(len(labels), "its head"),
        LABEL_CHARACTERS.problem(len(longest), f"the label {longest[:40]!r}"),
    )
    yield from filter(None, problems)


def stored_problems(config: Bytes, weights: Bytes) -> list[str]:
    """What speaks against an adapter that lies in a hub: whatever `admit` would not let in today."""
    problems = list(_config_problems(config))
    if problems:
        return problems
    problems += name_problems(json.loads(config), None, Declared())
    if json.loads(config).get("auto_mapping"):
        problems.append(f"{CONFIG} has auto_mapping, which names a class to import")
    try:
        return [*problems, *_adapter_problems(parse(config, weights))]
    except Exception as error:  # whatever such bytes lead to: who walks a hub goes on
        return [*problems, str(error) or type(error).__name__]


def pass_gates(adapter: Adapter, force_reason: str | None = None) -> str | None:
    """Refuse an adapter that its recipe's gates held back, unless somebody says why it may enter all the same.

    Returns that reason where it was needed. Raises Refused with every gate that failed, and for an empty reason.
    """
    if force_reason is not None and not force_reason.strip():
        raise Refused("the reason to publish by force is empty; say why, it stays in the record")
    gates = Gates.read(adapter.info.get("gates"))
    if gates is None or gates.passed:
        return None
    if force_reason is not None:
        return force_reason.strip()
    failed = [f"\n  - {verdict.gate}: {verdict.sentence}" for verdict in gates.failed]
    raise Refused(
        "the adapter did not pass its recipe's gates; nothing was written:"
        + "".join(failed)
        + "\nTrain a better one, or publish it all the same: --force --reason TEXT (force_reason=...)"
    )


def _config_problems(data: Bytes) -> Iterator[str]:
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        yield f"{CONFIG} is not JSON ({error}); save the adapter again"
        return
    if not isinstance(config, dict):
        yield f"{CONFIG} is not a JSON object; save the adapter again"
        return
    try:
        json.dumps(config, ensure_ascii=False).encode()
    except ValueError:
        yield f"{CONFIG} holds half a character (a lone surrogate); save the adapter again"
    if config.get("auto_map"):
        yield f"{CONFIG} has auto_map, which loads code; take it out"
    if embeds(config):
        yield f"{CONFIG} says FEATURE_EXTRACTION: it embeds texts, which no call asks for; run it in PEFT"


def _canonical_config(config: Mapping[str, Any], base: Shape | None) -> bytes:
    """Sorted keys; `auto_mapping`, by which PEFT would import a class by its name, is emptied. An adapter that names
    its base and no revision gets the one of the base that it is checked against."""
    kept = {key: None if key in _CODE_KEYS else value for key, value in config.items()}
    if base is not None and not kept.get("revision") and kept["base_model_name_or_path"] == base.identity.id:
        kept["revision"] = base.identity.revision
    return json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _adapter_problems(adapter: Adapter, base: Shape | None = None) -> Iterator[str]:
    """Whether it is sound, and on the base where that is at hand; what its info says of its answers too, where its task
    is one that is known here."""
    if adapter.task is None or adapter.task in task_names():
        try:
            Voice.of(adapter)
        except RepertoireError as error:
            yield str(error)
    on = "" if base is None else f"on {base.identity.id}: "
    yield from (on + problem for problem in adapter_problems(adapter, base))


def _checked_against(adapter: Adapter, base: Shape | None) -> Adapter:
    """The adapter with the fingerprint of the base that it was checked against, where it has none itself."""
    if adapter.base.fingerprint is not None or base is None or base.identity.fingerprint is None:
        return adapter
    return replace(adapter, base=replace(adapter.base, fingerprint=base.identity.fingerprint))


def check(
    source: Adapter | Download | str | os.PathLike[str],
    base: Shape | None = None,
    said: Declared | None = None,
    force_reason: str | None = None,
) -> None:
    """See whether an adapter may enter a hub, before there is one. Arguments and errors as of `admit` and
    `pass_gates`."""
    pass_gates(admit(source, base, said=said)[0], force_reason)
