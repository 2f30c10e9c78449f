"""The model card of a version, made from its record: what it does, how it measured, on which data, and its limits.

Two cards, with the same sections: a version's README.md speaks of the adapter alone, so that equal adapters stay equal
bytes under whatever name and number; `repertoire card`, and what is exported to Hugging Face, also say which version it
is, when, by whom and from where it was published.

A README.md that the adapter's maker wrote is kept. One that Repertoire made, here or while training, is made again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

import yaml
from huggingface_hub import EvalResult, ModelCardData

from adapters.format import Bytes, Quantization, ranks_told, stock_loading
from hub.catalogue.records import Record
from hub.intake.servable import is_public_id, lines
from recipes.data import PARTS
from recipes.judge import certainty_lines, number, results, verdict_lines
from recipes.tasks import all_metrics

_OURS = "repertoire"  # the tag by which a card of our own making is known
_WHAT = {
    "recommendation": "Gives the probability that a user clicks (or buys) an ad, and ranks ads by it.",
    "behavior": "Labels what a user says or does.",
    "ad-copy": "Writes text for a product.",
    None: "Was not made by a recipe of Repertoire; its maker knows what it does.",
}
_PIPELINES = {True: "text-classification", False: "text-generation"}
_CALLS = {
    "recommendation": 'registry.recommend("{name}", user="searched trail shoes", ads=["Trail shoes, 20% off"])',
    "behavior": 'registry.analyze("{name}", ["where is my refund?"])',
    "ad-copy": 'registry.write("{name}", product={{"name": "Kettle K2"}}, n=3)',
}
_SHOWN = 20  # labels that are spelled out
_COMMON = 0.05  # share of the rows from which a language is named


def adapter_card(about: Mapping[str, Any]) -> str:
    """A version's README.md. about: what `records.describe` says of the adapter."""
    title = f"{about['task'] or 'Adapter'} ({about['method']}) for `{about['base']['id']}`"
    return _card(about, title, "client/campaign/task", [])


def version_card(record: Record) -> str:
    """The whole card of a version."""
    about = record.model_dump(mode="json")
    return _card(about, record.reference, record.reference, [_version(record)])


def is_ours(readme: Bytes) -> bool:
    """Whether Repertoire made this card."""
    text = readme.decode("utf-8", errors="replace")
    if not text.startswith("---\n"):
        return False
    try:
        front = yaml.safe_load(text[4:].partition("\n---")[0])
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
    tags = front.get("tags") if isinstance(front, dict) else None
    return isinstance(tags, list) and _OURS in tags


def _card(about: Mapping[str, Any], title: str, reference: str, first: list[str]) -> str:
    sections = [
        _front(about),
        f"# {title}",
        _WHAT.get(about["task"], _WHAT[None]),
        _told(lambda: _list(_facts(about))),
        *first,
        _told(lambda: _results(about["metrics"])),
        _told(lambda: _section("Gates", _list(verdict_lines(about["gates"])))),
        _told(lambda: _section("Data", _list(_data(about)))),
        _told(lambda: _section("Limits", _list(_limits(about)))),
        _section("Served by", _list(lines(about["servable_by"] or {}))),
        _loading(about, reference),
        _recipe(about["recipe"]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _told(section: Callable[[], str]) -> str:
    """A section; nothing where what the adapter says of itself is not in the form in which Repertoire writes it."""
    try:
        return section()
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def _front(about: Mapping[str, Any]) -> str:
    """Hugging Face's metadata; the metrics as `model-index`."""
    base, task, labels = about["base"]["id"], about["task"], about["labels"]
    pipeline = _PIPELINES[labels is not None]
    after = (about["metrics"] or {}).get("after")
    measured = {
        name: value
        for name, value in (after.items() if isinstance(after, Mapping) else ())
        if name in all_metrics() and isinstance(value, int | float)
    }
    data = ModelCardData(
        language=_languages(about) or None,
        library_name="peft",
        base_model=base if is_public_id(base) else None,
        pipeline_tag=pipeline,
        tags=[_OURS, about["method"], *([task] if task else [])],
        model_name=task or about["method"],
        eval_results=[
            EvalResult(
                task_type=pipeline,
                dataset_type="private",
                dataset_name="the client's own rows, held out",
                dataset_revision=about["data_digest"],
                metric_type=name,
                metric_value=value,
            )
            for name, value in measured.items()
        ]
        or None,
    )
    return f"---\n{data.to_yaml().strip()}\n---"


def _facts(about: Mapping[str, Any]) -> Iterator[str]:
    base, method = about["base"], about["method"]
    size = f"{about['length']} positions" if method == "prefix" else f"rank {about['rank']}"
    labels = about["labels"] or ()
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    parameters, ranks = about["parameters"], (about["metrics"] or {}).get("ranks")
    facts = {
        "method": f"{method}, {size}" + (f", {parameters:,} parameters" if parameters else ""),
        "ranks": ranks_told(ranks) if ranks else None,
        "labels": ", ".join(labels[:_SHOWN]) + more,
        "base": base["id"],
        "base revision": base["revision"],
        "base fingerprint": base["fingerprint"],
        "base while it was trained": about["quantization"],
        "pooling": about["pooling"],
    }
    yield from (f"{key}: {value}" for key, value in facts.items() if value)


def _version(record: Record) -> str:
    facts = {
        "version": f"{record.version}, published {record.created[:16].replace('T', ' ')} UTC by {record.publisher}",
        "message": record.message,
        "tags": ", ".join(record.tags),
        "imported from": ", commit ".join(filter(None, map((record.origin or {}).get, ("source", "commit")))),
        "published by force": record.forced,
        "sha256 of the weights": next(
            (f.sha256 for f in record.files if f.name.endswith(".safetensors")), ""
        ),
    }
    return _section("Version", _list(f"{key}: {value}" for key, value in facts.items() if value))


def _results(report: Mapping[str, Any] | None) -> str:
    """Base, baselines and adapter, one row each, and what is certain of the difference."""
    if not report or "after" not in report:
        return ""
    rows = results(report)
    names = [name for name in all_metrics() if any(name in values for values in rows.values())]
    table = [
        f"| | {' | '.join(name.replace('_', ' ') for name in names)} |",
        f"| --- |{' ---: |' * len(names)}",
        *(
            f"| {_line(row)} | {' | '.join(number(name, values.get(name)) for name in names)} |"
            for row, values in rows.items()
        ),
    ]
    certain = _list(certainty_lines(report)) if report.get("gains") else ""
    return _section("Held-out results", "\n".join(table) + (f"\n\n{certain}" if certain else ""))


def _data(about: Mapping[str, Any]) -> Iterator[str]:
    if about["data_digest"]:
        yield f"sha256 of the rows: {about['data_digest']}"
    found = about["profile"] or {}
    rows = found.get("rows") or (about["metrics"] or {}).get("rows")
    if rows:
        yield "rows: " + ", ".join(f"{rows[part]:,} {part}" for part in PARTS)
    if found.get("languages"):
        shares = sorted(found["languages"].items(), key=lambda item: -item[1])[:4]
        yield "languages: " + ", ".join(f"{code} {share:.0%}" for code, share in shares)
    if tokens := found.get("tokens"):
        yield (
            f"tokens: half of the rows have at most {tokens['median']}, 95 of 100 at most {tokens['p95']}; "
            f"{tokens['over']:,} of {tokens['looked_at']:,} are cut at {tokens['limit']}"
        )
    for part, near in (found.get("near") or {}).items():
        yield f"{part} rows that a training row all but repeats: {near['near']:,} of {near['looked_at']:,}"
    yield from (f"{kind}: {count:,}" for kind, count in (found.get("private") or {}).items() if count)


def _limits(about: Mapping[str, Any]) -> Iterator[str]:
    yield f"It is right on its base alone, `{about['base']['id']}`" + (
        ", which is told by its fingerprint." if about["base"]["fingerprint"] else "."
    )
    if languages := _languages(about):
        yield f"Its rows were in {', '.join(languages)}; of other languages nothing was measured."
    if about["quantization"] not in (None, "none"):
        yield f"It was trained on the base in {about['quantization']}; elsewhere its answers differ a little."
    gates = about["gates"] or {}
    if gates and gates.get("passed") is not True:
        yield "It did not pass its recipe's gates." + (
            " It was published by force." if about.get("forced") else ""
        )
    if not about["metrics"]:
        yield "It carries no held-out results."
    told = about["calibration"] or {}
    if told.get("temperature", 1.0) != 1.0 or told.get("shift"):
        yield (
            f"Its probabilities are calibrated by Repertoire (temperature {told.get('temperature', 1.0):.4g}, shift "
            f"{told.get('shift', 0.0):.4g}); other tools give the raw logits."
        )
    if about["blended"]:
        yield "Its answers are blended with a baseline that only Repertoire knows; other tools give the adapter's own."
    if about["task"] == "ad-copy":
        yield "It can state what a product does not have: read what it writes, or let the policy refuse it."


def _loading(about: Mapping[str, Any], reference: str) -> str:
    base, labels = about["base"]["id"], about["labels"]
    call = _CALLS.get(about["task"]) or _CALLS["ad-copy" if labels is None else "behavior"]
    known = about["quantization"] in get_args(Quantization)  # what people copy holds no words of a stranger
    options = f', quantization="{about["quantization"]}"' if known else ""
    ours = (
        "```python\nfrom hub import Registry\n\n"
        f'registry = Registry("campaigns", base="{base}"{options})\n'
        f"print({call.format(name=reference)})\n```"
    )
    stock = stock_loading(base, None if labels is None else len(labels))
    text = f"With Repertoire, which calibrates and checks the base:\n\n{ours}\n\nWith stock PEFT:\n\n{stock}"
    return _section("Load it", text)


def _recipe(recipe: Mapping[str, Any] | None) -> str:
    if not recipe:
        return ""
    return f"## Recipe\n\n```yaml\n{yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)}```"


def _languages(about: Mapping[str, Any]) -> list[str]:
    shares = (about["profile"] or {}).get("languages")
    return [
        code
        for code, share in (shares.items() if isinstance(shares, Mapping) else ())
        if code != "none" and isinstance(share, int | float) and share >= _COMMON
    ]


def _method(about: Mapping[str, Any]) -> str:
    return str(about["method"])


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {_line(item)}" for item in items)


def _line(text: str) -> str:
    """On one line, and not taken for a cell's end."""
    return " ".join(str(text).split()).replace("|", "\\|")
