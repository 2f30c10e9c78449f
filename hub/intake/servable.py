"""Who else can serve a version: stock PEFT, vLLM's LoRA resolver, LoRAX, and why not where they cannot.

Judged by the rules that those projects publish, and only where all of these agree:

vLLM   `lora_filesystem_resolver` (vllm/plugins/lora_resolvers/filesystem_resolver.py, commit 03c45fd and the API pages
       of 0.9.0 to 0.20.2): the folder is <VLLM_LORA_RESOLVER_CACHE_DIR>/<name in the request>, `peft_type` is LORA, and
       `base_model_name_or_path` is the very text that was given as the served model. PEFTHelper
       (vllm/lora/peft_helper.py, API pages 0.10.0 and latest): no `modules_to_save`, no DoRA, bias none, rank at most
       `--max-lora-rank`, which is one of RANKS (vllm/config/lora.py, commit 01230b4). Later sources read
       `rank_pattern` and `alpha_pattern`; what came before passes over them, with wrong answers, so that they do not
       count as served here. A head of a classifier is taken by 0.32 (pull request 53555), and refused before. Run with
       0.32.0 on a CPU, in fp32: LoRA on Llama bases, from exported folders and from a hub, gave our greedy tokens, all
       of them, and a head our logits.
LoRAX  server/lorax_server/adapters/lora.py (commit 03679f3), utils/adapter.py (0070edf), utils/sources/local.py
       (27db411) and docs/models/adapters/lora.md (24e4f22): it reads r, lora_alpha, use_rslora and pairs of lora_A and
       lora_B for the modules that it lists, and takes a kind of module only where every layer has it. Everything else
       is left out with a warning, so that it is refused here. All safetensors files of a folder are read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.format import STARTER, Adapter, Lora, is_public_id, pools_as_transformers

TOOLS = {"repertoire": "Repertoire", "peft": "stock PEFT", "vllm": "vLLM", "lorax": "LoRAX"}
VLLM_SEEN = "with vLLM 0.32.0, LoRA on Llama bases was seen to write the same greedy tokens (fp32, CPU)"
VLLM_SEEN_HEADS = "with vLLM 0.32.0, a head on a Llama base was seen to give the same logits (fp32, CPU)"
_CLASSIFY = (
    "--runner pooling --convert classify --hf-overrides '{{\"num_labels\": {0}}}' --max-lora-cls-labels {0}"
)
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_LORAX_MODULES = frozenset(
    "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj lm_head qkv_proj gate_up_proj dense fc1 fc2 c_attn c_proj "
    "w1 w2 c_fc Wqkv out_proj query_key_value dense_h_to_4h dense_4h_to_h".split()
)
_LAYER = re.compile(r"\.(\d+)\..*?([^.]+)$")


@dataclass(frozen=True)
class Compatibility:
    """Whether one tool serves a version. why_not: everything that stands against it; notes: what must be known where
    it serves."""

    served: bool
    why_not: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def servable_by(config: Mapping[str, Any], adapter: Adapter) -> dict[str, dict[str, Any]]:
    """Tool -> `Compatibility` as JSON. config: the adapter's `adapter_config.json`."""
    refusals = {"peft": (), "vllm": tuple(_vllm(config, adapter)), "lorax": tuple(_lorax(config, adapter))}
    notes = {
        "peft": tuple(_peft_notes(adapter)),
        "vllm": tuple(_vllm_notes(config, adapter)),
        "lorax": tuple(_lorax_notes(config, adapter)),
    }
    found = {tool: Compatibility(not why, why, () if why else notes[tool]) for tool, why in refusals.items()}
    return {tool: _plain(each) for tool, each in found.items()}


def lines(compatible: Mapping[str, Any]) -> list[str]:
    """A line for each tool: "vLLM: yes; ..." or "vLLM: no: ..."."""
    told = []
    for tool, called in TOOLS.items():
        if of_tool := compatible.get(tool):
            details = of_tool["notes"] if of_tool["served"] else of_tool["why_not"]
            answer = ("yes" + ("; " if details else "")) if of_tool["served"] else "no: "
            told.append(f"{called}: {answer}{'; '.join(details)}")
    return told


def smallest_limit(rank: int) -> int | None:
    """The smallest `--max-lora-rank` that holds a rank; None where none does."""
    return next((limit for limit in RANKS if limit >= rank), None)


def _common(config: Mapping[str, Any], adapter: Adapter) -> Iterator[str]:
    if config.get("peft_type") != "LORA" or not isinstance(adapter.method, Lora):
        yield f"it is {config.get('peft_type')}, only LORA is taken"
        return
    if adapter.method.dora:
        yield "it is DoRA"
    if config.get("bias", "none") != "none":
        yield "it has biases"
    if adapter.method.rank_pattern or adapter.method.alpha_pattern:
        yield "its layers differ in rank or alpha (rank_pattern, alpha_pattern)"


def _vllm(config: Mapping[str, Any], adapter: Adapter) -> Iterator[str]:
    yield from _common(config, adapter)
    saved = config.get("modules_to_save") or ()
    if (adapter.head is not None or saved) and not _vllm_reads(adapter, saved):
        yield "its head (modules_to_save) is not one `score` over the last token, for one label a text"
    if isinstance(adapter.method, Lora) and smallest_limit(adapter.method.rank) is None:
        yield f"its rank {adapter.method.rank} is over {RANKS[-1]}"
    base = config.get("base_model_name_or_path")
    if base == STARTER or str(base).startswith("local/"):
        yield (
            f"it names its base {base!r}, which is no model that vLLM could serve under that name; "
            "`repertoire export --to vllm --base NAME` writes the name or folder that yours is served by; "
            "Repertoire's plugin in vLLM finds the folder itself"
        )


def _vllm_reads(adapter: Adapter, saved: Any) -> bool:
    head = adapter.head
    return (
        head is not None
        and (head.pooling, head.bias, head.multi_label) == ("last", False, False)
        and "base_model.model.score.weight" in adapter.tensors
        and isinstance(saved, list | tuple)
        and all(name in ("classifier", "score") for name in saved)
    )


def _lorax(config: Mapping[str, Any], adapter: Adapter) -> Iterator[str]:
    yield from _common(config, adapter)
    if adapter.head is not None or config.get("modules_to_save"):
        yield "it has a head of its own (modules_to_save)"
    if not isinstance(adapter.method, Lora):
        return
    layers: dict[str, set[int]] = {}
    for name in adapter.tensors:
        found = _LAYER.search(name.split(".lora_")[0]) if ".lora_" in name else None
        if found:
            layers.setdefault(found[2], set()).add(int(found[1]))
    unknown = sorted(layers.keys() - _LORAX_MODULES)
    if unknown:
        yield f"it adapts {', '.join(unknown)}, which LoRAX leaves out"
    depth = max((max(numbers) + 1 for numbers in layers.values()), default=0)
    if adapter.method.partial or any(len(numbers) != depth for numbers in layers.values()):
        yield "it adapts some layers only, and LoRAX takes a module for every layer or not at all"


def _peft_notes(adapter: Adapter) -> Iterator[str]:
    head = adapter.head
    if head is not None and not pools_as_transformers(adapter):
        yield (
            f"the head pools by {head.pooling!r}, which transformers' class for this base does not: the weights load, "
            "and the answers are others"
        )
    told = adapter.info.get("calibration") or {}
    if isinstance(told, Mapping) and (
        told.get("temperature", 1.0) != 1.0 or told.get("shift") or told.get("bias")
    ):
        yield "the logits are not calibrated (temperature, bias, shift)"
    if adapter.info.get("blend"):
        yield "the baseline that is blended in is left out"


def _vllm_notes(config: Mapping[str, Any], adapter: Adapter) -> Iterator[str]:
    if isinstance(adapter.method, Lora):
        base, limit = config.get("base_model_name_or_path"), smallest_limit(adapter.method.rank)
        command = f"vllm serve {base} --enable-lora --max-lora-rank {limit}"
        if adapter.head is None:
            yield f"`{command}`"
            yield VLLM_SEEN
        else:
            yield f"`{command} {_CLASSIFY.format(len(adapter.head.labels))}`, vLLM 0.32 or newer"
            yield VLLM_SEEN_HEADS
            yield from _peft_notes(adapter)
    yield from _prompt_note(adapter)


def _lorax_notes(config: Mapping[str, Any], adapter: Adapter) -> Iterator[str]:
    base = config.get("base_model_name_or_path")
    if is_public_id(base):
        yield f"`lorax-launcher --model-id {base}`"
    else:
        yield f"with --model-id naming the folder of {base!r}; LoRAX cannot check that it is the right one"
    yield from _prompt_note(adapter)


def _prompt_note(adapter: Adapter) -> Iterator[str]:
    if adapter.info.get("recipe"):
        yield "the prompt must be the recipe's, and its policy and length limits are yours to keep"


def _plain(told: Compatibility) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(told).items()}
