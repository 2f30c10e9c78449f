"""One side of `benchmarks.peers`, in a process and an environment of its own: it loads, and then runs what it is told.

A line on standard input names a case; a line on standard output says what it took. Nothing of this project but this
file is imported, except by its own side. All sides run one thread, and time is CPU seconds of the process: other work
on the machine counts for little, and a thread that spins counts.
"""

import json
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

Case = Callable[[], dict[str, Any]]
LABELS = ("no", "yes")


def main(side: str, told: dict[str, Any]) -> None:
    """Serve cases until standard input ends; with `first` in what is told, only write one token."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print where answers go
    cases = SIDES[side](told)
    cases["write 1"]() if told.get("first") else None
    print(json.dumps({"ready": side, "cases": sorted(cases)}), file=answers, flush=True)
    for line in () if told.get("first") else sys.stdin:
        try:
            answer = cases[json.loads(line)]()
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def rows_of(seed: int, count: int, fewest: int, most: int) -> list[list[int]]:
    """Token ids: the same for all sides."""
    draw = random.Random(seed)
    return [[draw.randrange(100, 12000) for _ in range(draw.randint(fewest, most))] for _ in range(count)]


def taken(run: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it gave."""
    began = process_time()
    found = run()
    return process_time() - began, found


def writing(
    told: dict[str, Any], write: Callable[[list[list[int]], int], list[list[int]]], rows: int
) -> Case:
    """A step of writing: what so many steps take beyond the first token, divided by them; what is done once only is
    done before."""
    prompts, steps = rows_of(rows, rows, told["prompt"], told["prompt"]), told["steps"]
    warm = iter([2])

    def case() -> dict[str, Any]:
        if told.get("first"):
            return {"texts": write(prompts, 1)}
        for new in warm:
            write(prompts, new)
        first, _ = taken(lambda: write(prompts, 1))
        all_of_them, texts = taken(lambda: write(prompts, 1 + steps))
        return {"seconds": (all_of_them - first) / steps, "texts": texts}

    return case


def timed(run: Callable[[], Any]) -> Case:
    """A case that is one call; where it returns logits, these are told too."""

    def case() -> dict[str, Any]:
        seconds, found = taken(run)
        return {"seconds": seconds, "logits": found}

    return case


def ours(told: dict[str, Any]) -> dict[str, Case]:
    import torch

    from adapters import load_base, read
    from adapters.serving import Fetched, Request, Runtime, Sampling, Writing, write
    from adapters.slots import Slots, pack
    from recipes.learn.encode import EncodedRow
    from recipes.learn.predict import logits

    base = load_base(told["base"], told["quantization"])
    slots = Slots(base, len(told["adapters"]) + 1)
    for slot, folder in enumerate([*told["adapters"], told["head"]]):
        slots.load(slot, read(folder))
    ranked = Runtime(base, lambda _: Fetched(read(told["head"])))
    turn = iter(range(10**6))

    def written(prompts: list[list[int]], new: int, bare: bool = False) -> list[list[int]]:
        texts = [Writing(tuple(ids), None if bare else s, Sampling(new)) for s, ids in enumerate(prompts)]
        with torch.inference_mode():
            write(base, slots, texts)
        return [list(text.written) for text in texts]

    def bare(prompts: list[list[int]], new: int) -> list[list[int]]:
        return written(prompts, new, bare=True)

    def place() -> None:
        for slot, folder in enumerate(told["adapters"]):
            slots.put(slot, pack(read(folder), base, slots.dtype))

    def rank() -> list[list[float]]:
        user, ads = ranking(told, next(turn))
        with torch.inference_mode():
            return [each.tolist() for each in ranked.run([Request("head", (*user, *ad)) for ad in ads])]

    def score() -> list[list[float]]:
        rows = [EncodedRow(tuple(ids)) for ids in texts_of(told)]
        found: list[list[float]] = logits(base, slots, len(told["adapters"]), rows).tolist()
        return found

    many = len(told["adapters"])
    ranked.load("head")
    return {
        "write 1": writing(told, written, 1),
        "write 16": writing(told, written, many),
        "bare 1": writing(told, bare, 1),
        "bare 16": writing(told, bare, many),
        "place 16": timed(place),
        "rank": timed(rank),
        "score": timed(score),
    }


def ranking(told: dict[str, Any], turn: int) -> tuple[list[int], list[list[int]]]:
    """A user who was never seen before, and ads."""
    return rows_of(100 + turn, 1, told["user"], told["user"])[0], rows_of(500 + turn, told["ads"], 12, 18)


def texts_of(told: dict[str, Any]) -> list[list[int]]:
    return rows_of(7, told["texts"], 8, 24)


def peft(told: dict[str, Any]) -> dict[str, Case]:
    import peft
    import torch
    import transformers as tf

    tf.logging.set_verbosity_error()
    loaded = tf.AutoModelForCausalLM.from_pretrained(told["base"], dtype=torch.float32).eval()
    names = [f"a{number}" for number in range(len(told["adapters"]))]
    model: Any = peft.PeftModel.from_pretrained(loaded, told["adapters"][0], adapter_name="a0")
    for name, folder in zip(names[1:], told["adapters"][1:], strict=True):
        model.load_adapter(folder, adapter_name=name)
    model.eval()
    turn, placed = iter(range(10**6)), iter(range(10**6))
    classifying: list[Any] = []

    @torch.inference_mode()
    def written(prompts: list[list[int]], new: int) -> list[list[int]]:
        ids = torch.tensor(prompts)
        mixed = {"adapter_names": names[: len(prompts)]} if len(prompts) > 1 else {}
        found = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new,
            do_sample=False, **mixed,
        )  # fmt: skip
        return [row[ids.shape[1] :].tolist() for row in found]

    def place() -> None:
        fresh = f"more{next(placed)}-"
        for number, folder in enumerate(told["adapters"]):
            model.load_adapter(folder, adapter_name=f"{fresh}{number}")

    def place_and_drop() -> dict[str, Any]:
        seconds, _ = taken(place)
        for name in [name for name in model.peft_config if name.startswith("more")]:
            model.delete_adapter(name)
        return {"seconds": seconds}

    def classifier() -> Any:
        if not classifying:
            bare = tf.AutoModelForSequenceClassification.from_pretrained(
                told["base"], dtype=torch.float32, num_labels=len(LABELS)
            )
            classifying.append(peft.PeftModel.from_pretrained(bare, told["head"]).eval())
        return classifying[0]

    @torch.inference_mode()
    def answered(rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """32 rows at a time, of like length together, padded on the left."""
        model, found = classifier(), [[0.0]] * len(rows)
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        for at in range(0, len(order), 32):
            part = order[at : at + 32]
            width, pad = max(len(rows[row]) for row in part), model.config.pad_token_id
            ids = torch.tensor([[pad] * (width - len(rows[row])) + list(rows[row]) for row in part])
            mask = torch.tensor([[0] * (width - len(rows[r])) + [1] * len(rows[r]) for r in part])
            logits = model(input_ids=ids, attention_mask=mask).logits.tolist()
            for row, own in zip(part, logits, strict=True):
                found[row] = own
        return found

    def rank() -> dict[str, Any]:
        user, ads = ranking(told, next(turn))
        classifier()
        return timed(lambda: answered([[*user, *ad] for ad in ads]))()

    def score() -> dict[str, Any]:
        rows = texts_of(told)
        classifier()
        return timed(lambda: answered(rows))()

    return {
        "write 1": writing(told, written, 1),
        "write 16": writing(told, written, len(names)),
        "place 16": place_and_drop,
        "rank": rank,
        "score": score,
    }


def vllm(told: dict[str, Any]) -> dict[str, Case]:
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
    }
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    many = len(told["adapters"])
    llm = LLM(
        told["base"], dtype="float32", enable_lora=True, max_loras=many, max_cpu_loras=2 * many, max_lora_rank=8,
        max_model_len=256, max_num_seqs=many, enable_prefix_caching=False, enforce_eager=True,
    )  # fmt: skip
    requests = [LoRARequest(f"a{n}", n + 1, folder) for n, folder in enumerate(told["adapters"])]
    more = iter(range(many + 1, 10**6))

    def written(prompts: list[list[int]], new: int) -> list[list[int]]:
        how = SamplingParams(temperature=0, max_tokens=new, min_tokens=new, ignore_eos=True, detokenize=False)
        found = llm.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            how,
            lora_request=requests[: len(prompts)],
            use_tqdm=False,
        )
        return [list(each.outputs[0].token_ids) for each in found]

    def place() -> None:
        for folder in told["adapters"]:
            number = next(more)
            assert llm.llm_engine.add_lora(LoRARequest(f"a{number}", number, folder))

    return {
        "write 1": writing(told, written, 1),
        "write 16": writing(told, written, many),
        "place 16": timed(place),
    }


def llamacpp(told: dict[str, Any]) -> dict[str, Case]:
    import xllamacpp

    how = xllamacpp.CommonParams()
    how.model.path = told["gguf"]
    how.n_parallel, how.n_ctx, how.n_gpu_layers, how.warmup = len(told["adapters"]), 8192, 0, False
    how.cpuparams.n_threads = how.cpuparams_batch.n_threads = 1
    how.cpuparams.poll = how.cpuparams_batch.poll = 0
    how.verbosity = -1
    server = xllamacpp.Server(how)

    def written(prompts: list[list[int]], new: int) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in prompts]

        def one(row: int) -> None:
            asked = {
                "prompt": prompts[row], "n_predict": new, "temperature": 0, "ignore_eos": True,
                "cache_prompt": False, "return_tokens": True, "stream": False,
            }  # fmt: skip
            found[row] = server.handle_completions(asked).get("tokens", [])

        threads = [threading.Thread(target=one, args=[row]) for row in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    one_row = writing(told, written, 1)
    return {"write 1": one_row, "bare 1": one_row, "bare 16": writing(told, written, len(told["adapters"]))}


SIDES: dict[str, Callable[[dict[str, Any]], dict[str, Case]]] = {
    "ours": ours,
    "PEFT": peft,
    "vLLM": vllm,
    "llama.cpp": llamacpp,
}

if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
    os._exit(0)  # some engines wait for threads that never end
