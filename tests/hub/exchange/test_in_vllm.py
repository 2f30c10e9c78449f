"""vLLM itself, where its environment was made (`python -m benchmarks.peers --install`): it finds the plugin, and writes
what we write."""

import json
import os
import random
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapters import Adapter, Lora, load_base
from adapters.serving import Sampling, Writing, write
from adapters.slots import Slots
from benchmarks import peers
from hub.exchange import export
from hub.hub import Hub
from tests.hub.tiny import lora

_INSIDE = """
import asyncio, json, os, sys
told = json.load(sys.stdin)
sys.stdout, answers = sys.stderr, os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from vllm.plugins import load_general_plugins
load_general_plugins()
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.lora.resolver import LoRAResolverRegistry
resolver = LoRAResolverRegistry.get_resolver("Repertoire")
adapters = [asyncio.run(resolver.resolve_lora(told["base"], name)) for name in told["names"]]
adapters.append(LoRARequest("exported", 1, told["exported"]))
llm = LLM(
    told["base"], dtype="float32", enable_lora=True, max_loras=2, max_cpu_loras=4, max_lora_rank=8, max_model_len=256,
    max_num_seqs=8, enforce_eager=True,
)
how = SamplingParams(temperature=0, max_tokens=24, detokenize=False)
prompts = [{"prompt_token_ids": ids} for ids in told["prompts"]]
texts = [
    [list(each.outputs[0].token_ids) for each in llm.generate(prompts, how, lora_request=adapter, use_tqdm=False)]
    for adapter in adapters
]
print(json.dumps(texts), file=answers, flush=True)
"""
_QUIET = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "repertoire",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}


def adapter(seed: int) -> Adapter:
    """Strong enough to change what the starter writes, on two kinds of products of each layer."""
    draw, tensors = torch.Generator().manual_seed(seed), {}
    for layer in range(6):
        for path, wide in (("self_attn.q_proj", 256), ("mlp.down_proj", 704)):
            stem = f"base_model.model.model.layers.{layer}.{path}"
            tensors[f"{stem}.lora_A.weight"] = 0.05 * torch.randn(8, wide, generator=draw)
            tensors[f"{stem}.lora_B.weight"] = 0.05 * torch.randn(256, 8, generator=draw)
    method = Lora(rank=8, alpha=16.0, targets=("down_proj", "q_proj"))
    return replace(lora(), method=method, head=None, tensors=tensors, task="ad-copy")


def installed(folder: Path) -> str:
    """A folder for the path with what an installation says of itself: the plugin is found as vLLM finds any."""
    about = folder / "adapter_repertoire-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: adapter-repertoire\nVersion: 0\n")
    groups = tomllib.loads((peers.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {each}\n" for group in groups for name, each in groups[group].items()]
    (about / "entry_points.txt").write_text("".join(lines))
    return str(folder)


@pytest.mark.skipif(peers.missing("vLLM") is not None, reason=str(peers.missing("vLLM")))
def test_vllm_writes_our_tokens_with_the_resolver_and_with_an_exported_folder(
    hub: Hub, tmp_path: Path
) -> None:
    base = load_base("starter", "none")
    folder = str(Path(peers.ROOT) / "adapters" / "starter" / "weights")
    versions = [
        hub.publish(replace(adapter(seed), base=base.identity), "acme/spring/ad-copy") for seed in (1, 2)
    ]
    draw, slots, ours = random.Random(5), Slots(base, 2), []
    prompts = [[draw.randrange(100, 8000) for _ in range(draw.randint(6, 20))] for _ in range(8)]
    for slot, version in enumerate(versions):
        slots.load(slot, hub.read(version))
        texts = [Writing(tuple(ids), slot, Sampling(24)) for ids in prompts]
        with torch.inference_mode():
            write(base, slots, texts)
        ours.append([list(text.written) for text in texts])
    assert ours[0] != ours[1]
    exported = export(hub, versions[0].reference, tmp_path / "loras", "vllm", folder).folder
    told = {
        "base": folder,
        "names": [version.reference for version in versions],
        "prompts": prompts,
        "exported": str(exported),
    }
    path = os.pathsep.join([str(peers.ROOT), installed(tmp_path / "installed")])
    own = {"PYTHONPATH": path, "REPERTOIRE_HUB": hub.address}
    done = subprocess.run(
        [peers.python_of("vLLM"), "-c", _INSIDE],
        input=json.dumps(told), capture_output=True, text=True, env=os.environ | _QUIET | own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    end = base.tokenizer.eos_token_id
    found = [[[id for id in ids if id != end] for ids in texts] for texts in json.loads(done.stdout)]
    assert found == [*ours, ours[0]]
