"""What makes two bases the same one, as hashes: of the files on disk, or of a configuration."""

import hashlib
import json
from pathlib import Path
from typing import Any

from transformers.utils import cached_file

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
)
_NOTHING_OF_THE_MODEL = (
    "transformers_version",
    "_name_or_path",
    "dtype",
    "torch_dtype",
    "quantization_config",
    "_attn_implementation",
)


def sample_weights(folder: Path) -> str:
    """A revision for a local folder: sha256 over each weight file's name, size, first and last MiB."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(2**20))
            file.seek(max(0, size - 2**20))
            digest.update(file.read())
    return digest.hexdigest()


def file_hashes(source: str, revision: str | None) -> dict[str, str]:
    """Hashes of the configuration and the tokenizer as they lie on disk, so that no library version changes them."""
    hashes = {}
    for name in ("config.json", *_TOKENIZER_FILES):
        path = cached_file(source, name, revision=revision, _raise_exceptions_for_missing_entries=False)
        if path is None:
            continue
        data = Path(path).read_bytes()
        if name == "config.json":
            data = json.dumps(plain_config(json.loads(data)), sort_keys=True).encode()
        hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes


def plain_config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what says nothing about the model: versions, paths, number types, quantization."""
    return {key: value for key, value in config.items() if key not in _NOTHING_OF_THE_MODEL}


def digest(parts: dict[str, Any]) -> str:
    """sha256 over these parts as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
