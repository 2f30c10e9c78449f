"""Safetensors files that lie, and what is asked of the reader: whatever it takes, the safetensors package takes, and
reads as the same tensors under PEFT's names; whatever it refuses, it refuses in its own words. The tests tell it
hundreds of lies, `benchmarks/faults.py` hundreds of thousands."""

import json
import math
import random
from typing import Any

import torch
from safetensors.torch import load, save

from adapters.errors import BadAdapter
from adapters.format.config import Lora
from adapters.format.files import parse
from adapters.format.spelling import as_saved

CONFIG = json.dumps(
    {
        "peft_type": "LORA",
        "base_model_name_or_path": "starter",
        "r": 2,
        "lora_alpha": 4,
        "target_modules": ["q_proj"],
    }
).encode()
_ODD: list[Any] = [
    *(-1, 0, 1, 2, 7, 24, 2**31, 2**63, 2**64, 10**30, 0.0, 1.5, 1e999, -0.0, True, False, None, "", "x", "0"),
    *([], [0], [1, 1], [0, 24], [24, 0], [-1], [2.0, 3], [True, 2], {}, {"a": 1}),
    *("F32", "I8", "F64", "BOOL", "F8_E4M3"),
]  # fmt: skip


def true_file(chance: random.Random) -> bytes:
    """A small sound file: a few tensors of several types, one perhaps empty."""
    kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
    tensors = {
        name: torch.randn(
            [chance.randrange(0, 4) for _ in range(chance.randrange(0, 3))], dtype=torch.float64
        ).to(chance.choice(kinds))
        for name in chance.sample(["a", "b", "a.lora_A.weight", "a.lora_B.weight", "é", ""], 3)
    }
    return save(tensors, metadata=chance.choice([None, {"format": "pt"}]))


def lie(chance: random.Random) -> bytes:
    """A file with one to three lies in it, or with none."""
    data = true_file(chance)
    for _ in range(chance.randrange(0, 4)):
        data = chance.choice([_flip, _cut, _pad, _length, _field, _field, _field, _text, _entry])(
            data, chance
        )
    return data


def examine(data: bytes | bytearray) -> bool:
    """Whether our reader takes it. Raises AssertionError where it takes what it must not, or reads it otherwise; any
    other error is one too, but for BadAdapter."""
    try:
        found = parse(CONFIG, data).tensors
    except BadAdapter:
        return False
    tensors = load(bytes(data))
    spelled = as_saved(tensors)
    expected = {spelled[name]: tensor for name, tensor in tensors.items()}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.shape == expected[name].shape and torch.equal(tensor, expected[name].float()), name
    return True


def _split(data: bytes) -> tuple[Any, bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _join(header: bytes, content: bytes, aligned: bool = True) -> bytes:
    if aligned:
        header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8]) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return chance.choice([data[:at], data[at:], data[:at] + data[at + chance.randrange(1, 9) :]])


def _pad(data: bytes, chance: random.Random) -> bytes:
    at, extra = chance.randrange(len(data) + 1), chance.randbytes(chance.randrange(1, 9))
    return data[:at] + chance.choice([extra, b"\0" * len(extra), data[:at]]) + data[at:]


def _length(data: bytes, chance: random.Random) -> bytes:
    said = int.from_bytes(data[:8], "little")
    other = chance.choice(
        [0, 1, said - 1, said + 1, said + 8, len(data), 2**31, 2**63, 2**64 - 1, 100_000_001]
    )
    return (other % 2**64).to_bytes(8, "little") + data[8:]


def _field(data: bytes, chance: random.Random) -> bytes:
    """Another value in one place of the header."""
    try:
        header, content = _split(data)
        entry = header[chance.choice(sorted(header))]
        field = chance.choice(sorted(entry))
        if isinstance(entry[field], list) and entry[field] and chance.random() < 0.6:
            entry[field][chance.randrange(len(entry[field]))] = chance.choice(_ODD)
        else:
            entry[field] = chance.choice(_ODD)
        return _join(json.dumps(header).encode(), content, chance.random() < 0.9)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return data


def _entry(data: bytes, chance: random.Random) -> bytes:
    """A tensor more, less, twice, under another name, or in another's place."""
    try:
        header, content = _split(data)
        name, other = chance.choice(sorted(header)), chance.choice(sorted(header))
        match chance.randrange(5):
            case 0:
                header["more"] = dict(header[name])
            case 1:
                del header[name]
            case 2:
                header[name], header[other] = header[other], header[name]
            case 3:
                header[chance.choice(["__metadata__", "../../etc/passwd", "a\0b", "\ud800"])] = header.pop(
                    name
                )
            case _:
                text = json.dumps(header)
                twice = (
                    f"{text[:-1]}, {json.dumps(name)}: {json.dumps(chance.choice([header[other], *_ODD]))}}}"
                )
                return _join(twice.encode(), content)
        return _join(json.dumps(header).encode(), content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return data


def _text(data: bytes, chance: random.Random) -> bytes:
    """A header that is JSON only nearly, or of an odd kind."""
    end = 8 + int.from_bytes(data[:8], "little")
    header, content = data[8:end], data[end:]
    odd = chance.choice(
        [
            *(b" " + header, b"\xef\xbb\xbf" + header, header + b"\0", header + b"x", header + header, header[::-1]),
            *(b"[" * 5000, b'{"a":' * 5000, b"null", b"[]", b"{}", b'""', b"NaN", header.replace(b"0", b"NaN")),
            *(header.replace(b'"F32"', b'"F32\\u0000"'), header.replace(b":", b": \n"), header.replace(b"0", b"00")),
            *(header.replace(b"1", b"1e0"), header.replace(b"2", b"2.0"), header.replace(b",", b",,")),
            header.decode("latin1").encode("utf-16"),
        ]
    )  # fmt: skip
    return _join(odd, content, chance.random() < 0.7)


def lying_config(chance: random.Random) -> bytes:
    """A PEFT configuration in which something is not as it should be."""
    config: dict[str, Any] = json.loads(CONFIG)
    if chance.random() < 0.3:
        config = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3, "num_layers": 1, "token_dim": 8}
        config |= {"num_attention_heads": 2, "base_model_name_or_path": "starter"}
    for _ in range(chance.randrange(1, 4)):
        key = chance.choice(
            [*sorted(config), "rank_pattern", "alpha_pattern", "use_dora", "auto_map", "bias", "x"]
        )
        config[key] = chance.choice([*_ODD, *_PATTERNS, {chance.choice(_PATTERNS): chance.choice(_ODD)}])
    data = json.dumps(config).encode()
    return data if chance.random() < 0.8 else chance.choice([_flip, _cut, _pad])(data, chance)


_PATTERNS = [
    *(r"(a|aa)+$", r"(\w+\s?)+!", r"(.*)*x", r"((a{999}){999}){999}", "(" * 500, "[", r"\1", "(?P<n>a)(?P=n)+"),
    *(r".*\.q_proj", "q_proj", "..", "../../../etc/passwd", "/etc/passwd", "C:\\base", "~/base", "file:base"),
    "a" * 9999,
    *("LORA", "PREFIX_TUNING", "ADALORA", "IA3", "lora", "a\0b", "\ud800", "starter\n", "ｓtarter", "star\u200bter"),
]  # fmt: skip


def examine_config(config: bytes) -> bool:
    """Whether an adapter with this configuration is taken, and its terms can be computed. Only BadAdapter says no."""
    weights = save({f"base_model.model.l.0.q_proj.lora_{x}.weight": torch.ones(2, 2) for x in "AB"})
    try:
        method = parse(config, weights).method
        if isinstance(method, Lora):
            for module in ("model.layers.0.self_attn.q_proj", "a" * 200 + "!"):
                assert method.covers(module) in (True, False)
                assert method.rank_of(module) >= 1 and math.isfinite(method.scaling_of(module))
    except BadAdapter:
        return False
    return True
