"""A hub inside vLLM: its server asks for each name that it does not know, and is given a verified copy.

    vllm     model="acme/spring/ad-copy@3" -> HubResolver -> REPERTOIRE_HUB, hashes and signatures -> a folder -> vLLM

vLLM keeps what a name meant when it was first asked for, until its server ends. So a resolver gives `name@3` only,
which never means anything else; names and aliases are made into that by `versioned.py`, request by request. No answer
and no prefix that vLLM has cached is ever another version's.
"""

import asyncio
import hashlib
import logging
import os
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapters.base import source_of
from adapters.errors import RepertoireError
from hub.errors import BadName, HubError, NotInHub
from hub.exchange.exports import export
from hub.hub import Hub
from hub.storage.names import parse

HUB = "REPERTOIRE_HUB"
_log = logging.getLogger(__name__)


class HubResolver:
    """What vLLM calls a LoRA resolver. Nothing of vLLM is imported before the first adapter is found.

    The copies lie in a temporary folder (TMPDIR says where) as long as this lives: vLLM's workers read them again when
    they had made room.
    """

    @cached_property
    def _folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="repertoire-")

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> Any:
        """A `LoRARequest` with the reference as its name and a verified copy as its path; None where this is not for
        vLLM, with the reason in the log unless the hub has no such name.

        Args:
            base_model_name: the model that vLLM serves, as it was told to it.
            lora_name: `client/campaign/task@3`.
        """
        try:
            # Made here: of threads, each might make one of its own.
            folder = self._folder.name
            found = await asyncio.to_thread(_copied, folder, base_model_name, lora_name)
        except (BadName, NotInHub):
            return None
        except (RepertoireError, OSError) as error:
            _log.error("%s is not served: %s", lora_name, error)
            return None
        from vllm.lora.request import LoRARequest

        # vLLM's server counts its adapters itself, and puts its own number in the place of this one.
        number = int.from_bytes(hashlib.sha256(str(found).encode()).digest()[:4]) | 1
        return LoRARequest(lora_name=lora_name, lora_int_id=number, lora_path=str(found))


def register() -> None:
    """vLLM's entry point (`vllm.general_plugins`), called in each of its processes. Does nothing without
    REPERTOIRE_HUB."""
    if not os.environ.get(HUB):
        return
    from vllm.lora.resolver import LoRAResolverRegistry

    LoRAResolverRegistry.register_resolver("Repertoire", HubResolver())


@cache
def opened() -> Hub:
    """The hub that REPERTOIRE_HUB names. Raises HubError where there is none."""
    address = os.environ.get(HUB)
    if not address:
        raise HubError(f"no hub is named; set {HUB} to its folder or address")
    return Hub(address, create=False)


def _same(id: str, served: str) -> bool:
    """Whether vLLM serves the base that an adapter names: by that very name, or from the folder where it lies here."""
    known = source_of(id)
    return served in (id, known) or (
        os.path.isdir(known) and os.path.isdir(served) and os.path.samefile(known, served)
    )


def _copied(folder: str, served: str, reference: str) -> Path:
    """The folder of a version, each of its files as it was published but for the name of the base."""
    if parse(reference).version is None:
        raise HubError(
            "an alias may move; `--middleware hub.exchange.Versioned` follows it, or ask for name@3"
        )
    hub = opened()
    version = hub.resolve(reference)
    if not _same(version.record.base.id, served):
        raise HubError(f"it was made for {version.record.base.id}, and this is {served}")
    return export(hub, version.reference, folder, "vllm", served).folder
