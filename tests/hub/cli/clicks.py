"""A shop's clicks in its own words, the options that explain these, and a report as training on them makes it."""

from pathlib import Path

REPORT = {
    "metric": "auc",
    "before": {"auc": 0.5, "log_loss": 0.7},
    "after": {"auc": 0.8125, "log_loss": 0.5},
    "baselines": {"constant": {"auc": 0.5, "log_loss": 0.69}},
    "rows": {"train": 70, "validation": 10, "test": 20},
    "seconds": 3.0,
}
WORDS = (
    *("--column", "user=shopper", "--column", "ad=banner", "--column", "clicked=bought"),
    *("--label", "1=Yes.", "--label", "0=No."),
)


def clicks(path: Path) -> Path:
    """A file with its own words for everything: shoppers click what they looked for."""
    lines = ["shopper,banner,bought"]
    for index in range(40):
        wanted = ("tea", "shoes")[index % 2]
        for shown in ("tea", "shoes"):
            lines.append(
                f"looked for {wanted} {index},buy {shown} now,{'Yes.' if wanted == shown else 'No.'}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
