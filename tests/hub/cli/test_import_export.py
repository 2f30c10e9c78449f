"""repertoire import and export, as a person sees them; what they take and write is in tests/hub/exchange."""

from pathlib import Path

from tests.hub.conftest import Run
from tests.hub.tiny import NAME


def test_a_person_is_told_what_was_imported_and_where_it_was_written(run: Run, folder: Path) -> None:
    assert run("import", folder, NAME)[:2] == (0, f"Imported {folder}, as {NAME}@1 in campaigns.\n")
    code, out, _ = run("export", NAME, "copy", "--to", "peft")
    assert code == 0 and out.startswith(f"Wrote {NAME}@1 to {Path('copy').resolve()}.\n")
    assert Path("copy", "adapter_config.json").is_file()


def test_an_upload_takes_no_other_base(run: Run, folder: Path) -> None:
    run("import", folder, NAME)
    code, _, err = run("export", NAME, "hf://owner/x", "--to", "hf", "--base", "owner/base")
    assert code == 2 and "without --base" in err
