"""What must never enter a hub does not, and all reasons are given at once."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adapters import Adapter
from adapters.format import files
from hub.errors import Refused
from hub.hub import Hub
from hub.intake.admission import admit
from hub.intake.folders import read_folder
from tests.hub.cli.clicks import REPORT, clicks
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora, prefix


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files.write(lora(), tmp_path / "adapter")


def configure(folder: Path, **changes: object) -> None:
    path = folder / files.CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.filterwarnings("ignore:Could not find a config file in owner/tiny")
def test_a_stock_peft_directory_is_published_and_read_back(tmp_path: Path, hub: Hub) -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
    )
    model.name_or_path = "owner/tiny"
    stock = peft.get_peft_model(
        model, peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    )
    stock.save_pretrained(tmp_path / "stock")
    version = hub.publish(tmp_path / "stock", NAME)
    assert version.record.base.id == "owner/tiny"
    assert version.record.base.fingerprint is None
    back = hub.read(version)
    wanted = peft.get_peft_model_state_dict(stock)
    assert {name: t.tolist() for name, t in back.tensors.items()} == {
        n: t.tolist() for n, t in wanted.items()
    }
    config = json.loads((version.folder / files.CONFIG).read_text())
    assert config["auto_mapping"] is None, "PEFT would import the class that it names"
    assert list(config) == sorted(config)


def test_the_same_adapter_from_memory_and_from_disk_is_the_same_version_content(
    folder: Path, hub: Hub
) -> None:
    assert hub.publish(folder, NAME).digest == hub.publish(lora(), NAME).digest


def test_a_folder_without_a_card_gets_one_and_one_of_ours_is_made_again(folder: Path) -> None:
    made = admit(folder)[1][files.CARD]
    assert made == admit(lora())[1][files.CARD] != files.render(lora())[files.CARD]
    (folder / files.CARD).unlink()
    assert admit(folder)[1][files.CARD] == made


def test_a_card_that_the_maker_wrote_is_kept(folder: Path) -> None:
    (folder / files.CARD).write_text("---\ntags: [mine]\n---\n# Our adapter")
    assert admit(folder)[1][files.CARD] == b"---\ntags: [mine]\n---\n# Our adapter"


def test_all_files_that_do_not_belong_are_named_at_once(folder: Path) -> None:
    (folder / "head.bin").write_bytes(b"")
    (folder / "modeling.py").write_text("")
    (folder / "adapter.tar.gz").write_bytes(b"")
    (folder / "new_embeddings.safetensors").write_bytes(b"")
    with pytest.raises(Refused) as refused:
        admit(folder)
    text = str(refused.value)
    assert "head.bin does not belong to an adapter (pickle can run code" in text
    assert "modeling.py does not belong to an adapter (code is never taken)" in text
    assert (
        "adapter.tar.gz" in text and "new_embeddings.safetensors may be part of what the adapter is" in text
    )
    assert "nothing was written" in text


def test_what_a_training_left_beside_an_adapter_is_passed_over_and_named(folder: Path) -> None:
    left = (
        "optimizer.pt rng_state.pth scheduler.pt special_tokens_map.json tokenizer.json trainer_state.json "
    )
    left += (
        "training_args.bin chat_template.jinja merges.txt zero_to_fp32.py latest adapter_model.bin .DS_Store"
    )
    for name in left.split():
        (folder / name).write_bytes(b"")
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / files.CONFIG).write_bytes(b"")
    assert admit(folder)[1].keys() == {files.CONFIG, files.WEIGHTS, files.CARD}
    assert {*read_folder(folder).left} == {*left.split(), "checkpoint-10/ (1 file)"}


def test_the_folder_above_one_named_adapter_is_enough(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("of nobody")
    assert admit(tmp_path)[1] == admit(folder)[1]
    files.write(lora(1), tmp_path / "other")
    with pytest.raises(Refused, match=r"holds 2 adapters: adapter, other; give the folder of one"):
        admit(tmp_path)


def test_links_are_refused_even_to_sound_files(folder: Path, tmp_path: Path) -> None:
    (folder / files.WEIGHTS).rename(tmp_path / "weights")
    (folder / files.WEIGHTS).symlink_to(tmp_path / "weights")
    with pytest.raises(Refused, match=r"adapter_model.safetensors is a symbolic link; copy the file itself"):
        admit(folder)
    (tmp_path / "door").symlink_to(folder)
    with pytest.raises(Refused, match="is not a folder"):
        admit(tmp_path / "door")


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / files.CARD).unlink()
    os.mkfifo(folder / files.CARD)
    with pytest.raises(Refused, match=r"README.md does not belong"):
        admit(folder)


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        Refused, match=r"(?s)adapter_config.json is missing.*adapter_model.safetensors is missing"
    ):
        admit(tmp_path / "empty")


@pytest.mark.parametrize(
    "base",
    ["/home/me/llama", "./llama", "../llama", "~/llama", "C:\\llama", "file:llama", "a/b/c", "", None, 3],
)
def test_a_base_that_is_no_id_is_refused(folder: Path, base: object) -> None:
    configure(folder, base_model_name_or_path=base)
    with pytest.raises(Refused, match="set base_model_name_or_path to"):
        admit(folder)


def test_a_relative_path_to_a_model_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "llama").mkdir(parents=True)
    (tmp_path / "models" / "llama" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    configure(folder, base_model_name_or_path="models/llama")
    with pytest.raises(Refused, match="by a path of this machine"):
        admit(folder)


@pytest.mark.parametrize(
    "says",
    [
        {"task_type": "FEATURE_EXTRACTION"},
        {"task_type": None, "auto_mapping": {"base_model_class": "BertModel"}},
        {"task_type": None, "auto_mapping": {"base_model_class": "LlamaModel"}},
    ],
)
def test_what_embeds_texts_answers_no_call(folder: Path, says: dict[str, object]) -> None:
    configure(folder, **says)
    with pytest.raises(Refused, match="FEATURE_EXTRACTION: it embeds texts"):
        admit(folder)


def test_configuration_that_loads_code_is_refused(folder: Path) -> None:
    configure(folder, auto_map={"AutoModel": "modeling.Evil"})
    with pytest.raises(Refused, match="auto_map, which loads code"):
        admit(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff", '{"peft_type": "LORA"}'])
def test_broken_configuration_is_refused(folder: Path, text: str) -> None:
    (folder / files.CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(Refused, match=r"adapter_config.json"):
        admit(folder)


def broken(change: Callable[[Adapter], None], adapter: Adapter) -> str:
    change(adapter)
    with pytest.raises(Refused) as refused:
        admit(adapter)
    return str(refused.value)


LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


def test_values_that_are_not_finite_are_refused() -> None:
    for value in (float("nan"), float("inf")):
        text = broken(lambda a, value=value: a.tensors[f"{LAYER}.lora_A.weight"].fill_(value), lora())
        assert "not finite" in text


def test_a_lora_with_a_half_missing_or_of_another_rank_is_refused() -> None:
    assert "has no lora_B beside it" in broken(lambda a: a.tensors.pop(f"{LAYER}.lora_B.weight"), lora())
    assert "has no lora_A beside it" in broken(lambda a: a.tensors.pop(f"{LAYER}.lora_A.weight"), lora())

    def widen(adapter: Adapter) -> None:
        adapter.tensors[f"{LAYER}.lora_A.weight"] = torch.zeros(4, 8)
        adapter.tensors[f"{LAYER}.lora_B.weight"] = torch.zeros(8, 4)

    assert "has rank 4, the configuration says 2" in broken(widen, lora())
    text = broken(lambda a: a.tensors.update({f"{LAYER}.lora_A.weight": torch.zeros(3, 8)}), lora())
    assert "[3, 8] does not fit its lora_B [8, 2]" in text


def test_tensors_of_something_else_are_refused() -> None:
    extra = {"model.embed_tokens.weight": torch.zeros(2, 2)}
    assert "does not belong to a LoRA adapter" in broken(lambda a: a.tensors.update(extra), lora())
    assert "does not belong to a Prefix adapter" in broken(lambda a: a.tensors.update(extra), prefix())


def test_a_head_must_have_a_row_for_each_label() -> None:
    text = broken(lambda a: a.tensors.update({"base_model.model.score.weight": torch.zeros(3, 8)}), lora())
    assert "has 3 rows for 2 labels" in text
    assert "no tensor of a head" in broken(lambda a: a.tensors.pop("base_model.model.score.weight"), lora())


def test_truncated_weights_are_refused(folder: Path) -> None:
    data = (folder / files.WEIGHTS).read_bytes()
    for length in (0, 7, 8, 40, len(data) - 1):
        (folder / files.WEIGHTS).write_bytes(data[:length])
        with pytest.raises(Refused, match=r"adapter_model.safetensors is damaged"):
            admit(folder)


def test_nothing_is_written_when_something_is_refused(folder: Path, hub: Hub) -> None:
    (folder / "evil.py").write_text("")
    with pytest.raises(Refused):
        hub.publish(folder, NAME)
    assert os.listdir(Path(hub.address)) == ["hub.json"] or sorted(os.listdir(Path(hub.address))) == [
        ".tmp",
        "hub.json",
    ]
    assert hub.names() == ()


SENTENCE = "the gain in auc over TF-IDF is +0.010 (95 %: -0.020 to +0.040); wanted +0.000 or more"


def judged(passed: bool) -> Adapter:
    verdict = {"gate": "min_gain", "passed": passed, "wanted": 0.0, "found": 0.01, "sentence": SENTENCE}
    return lora(report=REPORT, gates={"passed": passed, "verdicts": [verdict]})


def test_a_hub_refuses_what_failed_its_gates_with_the_reasons(hub: Hub) -> None:
    with pytest.raises(Refused, match="did not pass its recipe's gates") as caught:
        hub.publish(judged(False), NAME)
    assert f"min_gain: {SENTENCE}" in str(caught.value)
    assert "--force --reason TEXT" in str(caught.value)
    assert hub.names() == ()


def test_what_passed_is_taken_and_a_reason_that_was_not_needed_is_not_kept(hub: Hub) -> None:
    record = hub.publish(judged(True), NAME, force_reason="just in case").record
    assert record.forced is None
    assert record.gates is not None and record.gates["passed"] is True
    assert hub.publish(lora(), NAME).record.gates is None


def test_force_needs_a_reason_and_the_record_keeps_it(hub: Hub) -> None:
    with pytest.raises(Refused, match="say why"):
        hub.publish(judged(False), NAME, force_reason="  ")
    hub.publish(judged(False), NAME, force_reason="the client asked for a pilot")
    record = hub.resolve(NAME).record
    assert record.forced == "the client asked for a pilot"
    assert record.gates is not None and record.gates["verdicts"][0]["sentence"] == SENTENCE


@pytest.mark.parametrize("gates", [{}, {"passed": "yes"}, "passed", {"passed": False, "verdicts": [3]}])
def test_a_mark_that_does_not_say_passed_is_a_failure(hub: Hub, gates: Any) -> None:
    with pytest.raises(Refused, match="gates"):
        hub.publish(lora(gates=gates), NAME)


def test_the_command_line_refuses_forces_and_shows(run: Run, tmp_path: Path) -> None:
    folder = files.write(judged(False), tmp_path / "adapter")
    code, _, err = run("publish", folder, NAME)
    assert code == 4 and SENTENCE in err
    for half in (("--force",), ("--reason", "pilot")):
        code, _, err = run("publish", folder, NAME, *half)
        assert code == 2 and "go together" in err
    assert run("publish", folder, NAME, "--force", "--reason", "pilot")[0] == 0
    code, out, _ = run("show", NAME)
    assert code == 0
    assert "pilot (its gates had failed)" in out
    assert f"✗ gate min_gain: {SENTENCE}" in out


def test_train_says_that_publish_will_refuse_and_publish_does(run: Run, tmp_path: Path) -> None:
    words = ("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought")
    labels = ("--label", "1=Yes.", "--label", "0=No.")
    options = ("--set", "train.max_steps=1", "--set", "lora.rank=2", "--set", "gates.min_gain=0.9")
    data = clicks(tmp_path / "clicks.csv")
    code, out, err = run("train", "recommendation", data, "--out", "made", *words, *labels, *options)
    assert code == 0, err
    assert "✗ gate min_gain: the gain in auc over" in out
    assert "publish will refuse it" in out
    assert run("publish", "made", NAME)[0] == 4


def test_an_adapter_of_a_task_that_is_not_known_here_is_kept_for_those_who_know_it(hub: Hub) -> None:
    later = replace(lora(), task="pricing", info={"recipe": {"task": "pricing"}})
    assert hub.publish(later, NAME).record.task == "pricing"
    assert hub.verify().findings == []
