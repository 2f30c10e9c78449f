"""Signed versions: where their files lie, and who reads them."""

from pathlib import Path

import torch

from adapters import Adapter
from hub.catalogue.signing import PrivateKey
from hub.hub import Hub
from tests.hub.tiny import NAME, lora

OTHER = "globex/launch/ad-copy"


def reader(hub: Hub, trust: Path) -> Hub:
    """The same hub, opened by somebody who asks for signatures."""
    return Hub(hub.address, trust=trust)


def record_of(hub: Hub, number: int = 1, name: str = NAME) -> Path:
    return Path(hub.address) / f"adapters/{name}/.records/{number:06d}.json"


def bundle_of(hub: Hub, key: PrivateKey, number: int = 1, name: str = NAME) -> Path:
    return Path(hub.address) / f"adapters/{name}/.signatures/{number:06d}/{key.public.id}.json"


def which(adapter: Adapter) -> int:
    """The seed of an adapter that was read."""
    [seed] = [
        seed
        for seed in range(5)
        if all(torch.equal(adapter.tensors[n], t) for n, t in lora(seed).tensors.items())
    ]
    return seed


def overwrite(path: Path, data: bytes) -> None:
    """What somebody with write access to the hub's disk can do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
