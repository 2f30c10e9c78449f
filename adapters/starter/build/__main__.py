"""Makes the starter: `python -m adapters.starter.build --minutes 70 --threads 1 --out adapters/starter/weights`.

Trains the tokenizer on a sample of the corpus, then a small Llama on an endless stream of it for a budget of
minutes, spreads the rows of tokens that the corpus never holds, and writes the folder as plain transformers files with
a model card. A build that was killed goes on. Nothing is downloaded. `--spread` does the last two on weights that are
there.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from adapters.starter.build.card import finish, progress_of
from adapters.starter.build.training import train
from adapters.starter.build.unmet import spread_weights


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Train the embedded base on text that the project generates."
    )
    parser.add_argument("--minutes", type=float, default=70.0, help="training time in all (default: 70)")
    parser.add_argument("--steps", type=int, default=None, help="instead of a time: so many steps in all")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "weights", help="the folder to write"
    )
    parser.add_argument(
        "--state", type=Path, default=None, help="checkpoint to resume from (default: OUT.state.pt)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="begin anew, even if a checkpoint is there")
    parser.add_argument(
        "--spread", action="store_true", help="train nothing: spread the rows of the weights in OUT"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.spread:
        progress = progress_of(options.out)
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        state = options.state or options.out.with_name(options.out.name + ".state.pt")
        if options.fresh:
            state.unlink(missing_ok=True)
        progress = train(options.out, state, options.minutes, options.seed, steps=options.steps)
    unmet = spread_weights(options.out, options.seed)
    losses = finish(options.out, progress, options.seed, unmet)
    print(
        f"held-out nats per token: {losses.model:.3f}, bigram {losses.bigram:.3f}, unigram {losses.unigram:.3f}",
        flush=True,
    )
    if (size := sum(file.stat().st_size for file in options.out.iterdir())) > 25_000_000:
        raise SystemExit(
            f"{options.out} has {size:,} bytes; it must stay under 25,000,000: make the model smaller"
        )


if __name__ == "__main__":
    main()
