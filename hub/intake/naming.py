"""The base that an adapter names: an id that others know, and no folder of the machine that trained it.

Qwen/Qwen2.5-7B-Instruct                                                    as it is
/root/.cache/huggingface/hub/models--Qwen--Qwen2.5-7B/snapshots/a09a.../    Qwen/Qwen2.5-7B, at that commit
/models/tiny-llama, and --base ./tiny-llama --base-id mycorp/tiny-llama     mycorp/tiny-llama
/models/tiny-llama, and --base ./tiny-llama                                 local/tiny-llama
/models/tiny-llama                                                          refused
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from adapters.errors import WrongBase
from adapters.format import CONFIG, WEIGHTS, Adapter, Shape, check_base
from hub.intake.declared import Declared

_PATH = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]|file:")
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_CACHED = re.compile(r".*[/\\]models--([\w.-]+?)--([\w.-]+)[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]?")


def named(config: Mapping[str, Any], base: Shape | None, said: Declared) -> dict[str, Any]:
    """A configuration that names its base by an id, wherever that is certain.

    Args:
        config: `adapter_config.json`.
        base: that the adapter is checked against.
        said: by who publishes.

    Returns:
        The configuration, with another base's name and revision where it named a folder.
    """
    name = config.get("base_model_name_or_path")
    if not isinstance(name, str) or not _is_path(name):
        return dict(config)
    if cached := _CACHED.fullmatch(name):
        owner, repo, commit = cached.groups()
        return {**config, "base_model_name_or_path": f"{owner}/{repo}", "revision": commit}
    if base is None or base.identity.id is None:
        return dict(config)
    same = PurePosixPath(name.replace("\\", "/")).name == PurePosixPath(base.identity.id).name
    if same or said.base_id_is_alias or said.base_id == base.identity.id:
        return {
            **config, "base_model_name_or_path": base.identity.id, "revision": base.identity.revision
        }  # fmt: skip
    return dict(config)


def name_problems(config: Mapping[str, Any], base: Shape | None, said: Declared) -> Iterator[str]:
    """Why a configuration names no base, or one that nobody else could find.

    Args:
        config: as `named` gives it.
        base: that the adapter is checked against.
        said: by who publishes.
    """
    name = config.get("base_model_name_or_path")
    if said.base_id is not None and not _HUB_ID.fullmatch(said.base_id):
        yield f"--base-id is {said.base_id!r}; write an id such as owner/model"
    if not isinstance(name, str) or not name:
        yield f"{CONFIG} names no base; set base_model_name_or_path to the base's id"
    elif _is_path(name):
        how = "--base FOLDER --base-id owner/model" if base is None else "--base-id owner/model too"
        yield (
            f"{CONFIG} names the base by a path of this machine ({name!r}); say which base that is ({how}), or set "
            "base_model_name_or_path to its id"
        )


def base_problems(
    adapter: Adapter, config: Mapping[str, Any], base: Shape | None, is_alias: bool
) -> Iterator[str]:
    """The configuration and the weights must name one base, which is the one that is at hand: by its fingerprint, and
    where the adapter has none by its id, unless that is an alias."""
    if adapter.base.id != config["base_model_name_or_path"]:
        yield (
            f"{CONFIG} names the base {config['base_model_name_or_path']!r}, {WEIGHTS} was made for "
            f"{adapter.base.id!r}; publish the adapter as it was trained"
        )
    if base is not None:
        try:
            check_base(adapter, base)
        except WrongBase as error:
            yield f"on {base.identity.id}: {error}"
        if adapter.base.fingerprint is None and adapter.base.id != base.identity.id and not is_alias:
            yield (
                f"it names the base {adapter.base.id!r}, and is checked against {base.identity.id!r}; give --base the "
                "base that it was trained on, or say that both are the same model: --base-id-is-alias"
            )


def _is_path(name: str) -> bool:
    return bool(_PATH.match(name) or not _HUB_ID.fullmatch(name) or (Path(name) / "config.json").exists())
