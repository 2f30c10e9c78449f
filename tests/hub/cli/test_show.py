"""repertoire show and card: one version, for a person."""

import json
from pathlib import Path

from adapters.format import files
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora, prefix


def test_facts_that_nobody_gave_are_left_out(run: Run, tmp_path: Path) -> None:
    run("publish", files.write(prefix(), tmp_path / "adapter"), "globex/launch/ad-copy")
    code, out, _ = run("show", "globex/launch/ad-copy")
    assert code == 0 and "prefix, 3 positions" in out
    assert not any(fact in out for fact in ("labels", "tags", "forced", "imported from", "signed by"))


def test_many_labels_are_counted(run: Run, tmp_path: Path) -> None:
    labels = tuple(f"mood-{number:02}" for number in range(14))
    run("publish", files.write(lora(labels=labels), tmp_path / "adapter"), NAME)
    out = run("show", NAME)[1]
    assert "mood-11" in out and "mood-12" not in out and "and 2 more" in out


def test_a_card_is_markdown_or_part_of_a_document(run: Run, folder: Path) -> None:
    run("publish", folder, NAME)
    code, out, _ = run("card", NAME)
    assert code == 0 and out.startswith("---\n") and f"\n# {NAME}@1\n" in out
    told = json.loads(run("card", NAME, "--json")[1])
    assert (told["reference"], told["card"]) == (f"{NAME}@1", out) and told["servable_by"]
