"""What a shell offers while a command line is typed."""

import os
import subprocess
import sys

from hub.hub import Hub
from tests.hub.conftest import Run
from tests.hub.tiny import NAME, lora


def complete(words: str) -> list[str]:
    """What a shell offers for a command line that ends where the last word is typed."""
    told = {"_REPERTOIRE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys, hub.cli\ntry: hub.cli.main([])\nfinally: assert 'torch' not in sys.modules"
    environment = {**os.environ, **told, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_shell_completes_references(run: Run) -> None:
    hub = Hub("campaigns")
    for name in (NAME, "acme/autumn/behavior", "globex/launch/ad-copy"):
        hub.publish(lora(), name)
    hub.set_alias(NAME, "production", 1)
    assert complete("repertoire show acm") == ["acme/autumn/behavior", NAME]
    assert complete("repertoire publish adapter acme/spr") == [NAME]
    assert complete("repertoire versions acme/spr") == [NAME]
    assert complete(f"repertoire recommend {NAME}@") == [f"{NAME}@latest", f"{NAME}@production"]
    assert complete("repertoire show --hub campaigns globex/launch/") == ["globex/launch/ad-copy"]
    assert complete("repertoire show --hub nowhere acme") == []
    assert complete("repertoire sho") == ["show"]
