"""The names that an adapter's tensors have in files of other tools, brought to those that stock PEFT saves.

    q_proj.lora_A.default.weight                    of a whole state, with the adapter's name     q_proj.lora_A.weight
    q_proj.lora_magnitude_vector.default.weight     the same of DoRA             q_proj.lora_magnitude_vector
    score.modules_to_save.default.weight            the copy that was trained                     score.weight
    prompt_encoder.default.embedding.weight         a prefix's table                              prompt_embeddings
    model.layers.0. ...                             without PEFT's wrapping                       base_model.model. ...
    _orig_mod, _fsdp_wrapped_module, ...            what torch wraps around a module              nothing

Only where one meaning is possible: a file that holds two adapters, or two tensors for one place, is refused.
"""

import re
from collections.abc import Iterable

from adapters.errors import BadAdapter
from adapters.format.names import LORA_A, LORA_B, MAGNITUDE, TABLE

_WRAPPED = re.compile(r"(^module\.)|((?<=\.)|^)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_PAIR = re.compile(r"(?P<stem>.*\.lora_[AB])\.(?P<adapter>[^.]+)(?P<end>\.weight)")
_MAGNITUDE = re.compile(r"(?P<stem>.*\.lora_magnitude_vector)(\.(?P<adapter>(?!weight$)[^.]+))?(\.weight)?")
_SAVED = re.compile(
    r"(?P<stem>.*)\.modules_to_save(\.(?P<adapter>[^.]+))??(?P<end>(\.dense|\.out_proj)?\.(weight|bias))"
)
_TABLE = re.compile(r"prompt_encoder\.(?P<adapter>[^.]+)\.embedding\.weight")
_HEAD = re.compile(r"(score|classifier)(\.dense|\.out_proj)?\.(weight|bias)")


def as_saved(names: Iterable[str]) -> dict[str, str]:
    """How stock PEFT would have saved an adapter's tensors.

    Args:
        names: as they stand in a file.

    Returns:
        Each of them -> the name that it is read by.

    Raises:
        BadAdapter: the file holds several adapters, or one thing twice.
    """
    given = list(names)
    adapters: dict[str, None] = {}
    found = {name: name if _is_usual(name) else _plain(name, adapters) for name in given}
    prefix = "base_model." if TABLE in found.values() else "base_model.model."
    for name, plain in found.items():
        if not plain.startswith("base_model.") and (".lora_" in plain or _HEAD.fullmatch(plain)):
            found[name] = prefix + plain
    if len(adapters) > 1:
        raise BadAdapter(
            f"the weights hold several adapters ({', '.join(adapters)}); save one alone: "
            "save_pretrained(folder, selected_adapters=[NAME])"
        )
    taken: dict[str, str] = {}
    for name, plain in found.items():
        if taken.setdefault(plain, name) != name:
            raise BadAdapter(
                f"{taken[plain]} and {name} are one and the same tensor; save the adapter with save_pretrained"
            )
    return found


def _is_usual(name: str) -> bool:
    """What nearly all are: worth no regular expression where an adapter of thousands is loaded."""
    usual = name.startswith("base_model.model.") and name.endswith((LORA_A, LORA_B, MAGNITUDE))
    return usual and "_module." not in name and "_orig_mod." not in name


def _plain(name: str, adapters: dict[str, None]) -> str:
    """A name without wrappers and without its adapter's name, which is noted."""
    name = _WRAPPED.sub("", name)
    if name.endswith((LORA_A, LORA_B, MAGNITUDE)):
        return name
    for pattern in (_PAIR, _MAGNITUDE, _SAVED, _TABLE):
        if match := pattern.fullmatch(name):
            if match["adapter"]:
                adapters[match["adapter"]] = None
            if pattern is _TABLE:
                return TABLE
            return match["stem"] + (match["end"] if "end" in pattern.groupindex else "")
    return name
