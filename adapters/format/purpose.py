"""What an adapter of another tool answers, judged by its configuration: the labels of a text, or a text.

    task_type SEQ_CLS, or a class ...ForSequenceClassification     a head       labels
    task_type CAUSAL_LM, or a class ...ForCausalLM                 no head      texts
    task_type FEATURE_EXTRACTION, or a class BertModel             no head      hidden states
    no task_type and no class                                      by the head alone
    any other: TOKEN_CLS, QUESTION_ANS, ...ForMultipleChoice       what no call here could mean

PEFT notes the class of the model in `auto_mapping` where it was given no `task_type`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_EMBEDS = "FEATURE_EXTRACTION"
_HEADED = {
    "SEQ_CLS": True,
    "SequenceClassification": True,
    "CAUSAL_LM": False,
    "CausalLM": False,
    _EMBEDS: False,
}
_CLASS = re.compile(r"For([A-Z]\w+)$")


def purpose_problems(config: Mapping[str, Any], has_head: bool) -> Iterator[str]:
    """Why an adapter can answer nothing that is asked here.

    Args:
        config: its `adapter_config.json`, as PEFT wrote it.
        has_head: whether its weights hold a head.
    """
    said = _said(config)
    if said is None:
        return
    if said not in _HEADED:
        yield (
            f"it was trained for {said}; here adapters give a whole text labels (SEQ_CLS) or write texts (CAUSAL_LM): "
            "run it in PEFT"
        )
    elif _HEADED[said] and not has_head:
        yield (
            f"it was trained for {said}, and its weights hold no head (score or classifier); save it with "
            'modules_to_save=["score"] or ["classifier"]'
        )
    elif has_head and not _HEADED[said]:
        yield (
            f"it has a head, and was trained for {said}, which needs none; set task_type to SEQ_CLS where the head "
            "labels whole texts"
        )


def embeds(config: Mapping[str, Any]) -> bool:
    """Whether an adapter was trained to give hidden states, which are neither labels nor texts.

    Args:
        config: its `adapter_config.json`, as PEFT wrote it.
    """
    return _said(config) == _EMBEDS


def _said(config: Mapping[str, Any]) -> str | None:
    """The task, or what the model's class is for; None where neither tells."""
    if config.get("task_type"):
        return str(config["task_type"])
    noted = config.get("auto_mapping")
    name = str(noted.get("base_model_class")) if isinstance(noted, Mapping) else ""
    if name.endswith("Model") and not name.endswith("LMHeadModel"):
        return _EMBEDS
    found = _CLASS.search(name)
    return found[1] if found else None
