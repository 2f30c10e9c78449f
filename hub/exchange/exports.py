"""Versions for other tools: real copies of their files, laid out as each tool looks for them, or put into a repository.

    peft   DIR/adapter_config.json, adapter_model.safetensors, README.md
    hf     the same, with the version's whole model card
    vllm   DIR/<client>/<campaign>/<task>@3/...   where DIR is VLLM_LORA_RESOLVER_CACHE_DIR: the model's name in a
           request is the version's reference, and `base_model_name_or_path` the name by which vLLM serves the base

What a tool would refuse, or answer wrongly, is not written for it (`servable.py`).
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from adapters.errors import AdapterError
from adapters.format import CARD, CONFIG, WEIGHTS, parse
from hub.catalogue.version import Version
from hub.errors import Damaged, HubError, Refused, Untrusted
from hub.hub import Hub
from hub.intake import card, huggingface
from hub.intake.facts import describe
from hub.intake.huggingface import Uploaded
from hub.intake.servable import TOOLS, servable_by

TARGETS = ("vllm", "peft", "hf")


@dataclass(frozen=True)
class Exported:
    """Where a version was written, and what to know there.

    Attributes:
        reference: the version, `name@3`.
        folder: where its files lie.
        notes: what the tool does otherwise, and how it is started.
    """

    reference: str
    folder: Path
    notes: tuple[str, ...]


def export(
    hub: Hub, reference: str, folder: str | os.PathLike[str], to: str, base: str | None = None
) -> Exported:
    """Write a version for another tool.

    Args:
        hub: from where.
        reference: which version.
        folder: a new or an empty one.
        to: `vllm`, `peft` or `hf`.
        base: the name or folder by which that tool knows the base, in the place of the adapter's own id; of an export
            only, since a hub holds no path.

    Raises:
        Refused: with what the tool would not take.
        HubError: where the folder holds other files, or nothing is written for such a tool.
        NotInHub: as `Hub.resolve`.
        Damaged: as `Hub.read`.
    """
    if to not in TARGETS:
        raise HubError(f"{to!r} is no tool that is written for; use {', '.join(TARGETS)}")
    if "://" in os.fspath(folder):
        raise HubError(
            f"{folder} is no folder; write to one of this machine, or to hf://owner/repo with --to hf"
        )
    version = hub.resolve(reference)
    contents = files_for(hub, version, base)
    tool = "vllm" if to == "vllm" else "peft"
    judged = servable_by(json.loads(contents[CONFIG]), parse(contents[CONFIG], contents[WEIGHTS]))[tool]
    if not judged["served"]:
        raise Refused(f"{version.reference} is not for {TOOLS[tool]}: {'; '.join(judged['why_not'])}")
    target = Path(folder).absolute()
    if to == "vllm":
        target = target / version.reference
    _write(target, contents)
    return Exported(version.reference, target, tuple(judged["notes"]))


def upload(
    hub: Hub, reference: str, address: str, private: bool = True, api: HfApi | None = None
) -> Uploaded:
    """Put a version with its model card into a repository of a model hub, in one commit.

    Args:
        hub: from where.
        reference: which version.
        address: `hf://owner/repo[@branch][/folder]`; the repository is made where there is none.
        private: whether a repository that is made is.
        api: the client to use; one of the environment's unless given.

    Raises:
        BadName: for what is no address.
        NotInHub: where there is no such version, or the repository cannot be written.
        HubError: where the model hub cannot be reached or will not.
    """
    version = hub.resolve(reference)
    message = f"{version.reference}: {version.record.message}".rstrip(": ")
    return huggingface.upload(address, files_for(hub, version), message, private, api)


def files_for(hub: Hub, version: Version, base: str | None = None) -> dict[str, bytes]:
    """The files of a version, checked against their hashes, with the version's own card where the maker wrote none."""
    hub.check_signed(version)
    contents = {file.name: bytes(hub.store.get(file.sha256, file.most)) for file in version.record.files}
    if base is not None:
        config: dict[str, Any] = json.loads(contents[CONFIG])
        config["base_model_name_or_path"] = base
        contents[CONFIG] = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    if card.is_ours(contents.get(CARD, b"")) or CARD not in contents:
        contents[CARD] = card.version_card(complete(hub, version).record).encode()
    return contents


def complete(hub: Hub, version: Version) -> Version:
    """The version with what an older record does not say of its adapter, worked out from the adapter where that is
    sound."""
    record = version.record
    if record.servable_by is not None:
        return version
    try:
        file = record.file(CONFIG)
        config = json.loads(hub.store.get(file.sha256, file.most))
        told = describe(hub.read(version), config)
    except (Damaged, Untrusted, AdapterError):
        return version
    missing = {key: value for key, value in told.items() if getattr(record, key) in (None, False)}
    return Version(record.model_copy(update=missing), version.folder)


def _write(target: Path, contents: Mapping[str, bytes]) -> None:
    """A new folder that appears whole. One that is there already must hold the same."""
    if target.is_dir() and any(target.iterdir()):
        there = {path.name: path.read_bytes() for path in target.iterdir() if path.is_file()}
        if there == dict(contents):
            return
        raise HubError(f"{target} holds other files; give a new or an empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        for name, data in contents.items():
            with open(temporary / name, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
