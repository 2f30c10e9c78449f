"""A report as a model card (README.md): what an adapter does, how it measured, on which data, and its limits.

The card lies beside the weights from the day they are trained. A hub makes it again from what it keeps of a version,
with sections of its own (which version it is, who else can serve it, how to ask for it by name), and so all cards say
the same. What is not of Repertoire's form in an adapter of strangers is left out.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from adapters import Adapter, BaseId, Prefix
from adapters.format import is_public_id, one_line, peft_loading
from adapters.unseen import visible
from recipes.data.facts import PARTS, DataFacts, Profile
from recipes.judge.info import AdapterInfo
from recipes.judge.report import Report
from recipes.judge.results import (
    certainty_lines,
    columns,
    gate_lines,
    number,
    plain,
    rank_line,
    results,
)
from recipes.measure.calibration import UNCALIBRATED
from recipes.tasks.task import Task, all_metrics, task_for, task_names

OURS = "repertoire"  # the tag by which a card of our own making is known
_UNKNOWN = "Was not made by a recipe of Repertoire; its maker knows what it does."
_PIPELINES = {True: "text-classification", False: "text-generation"}
_SHOWN = 20  # labels that are spelled out
_COMMON = 0.05  # share of the rows from which a language is named


@dataclass(frozen=True)
class Subject:
    """The adapter that a card speaks of.

    size: rank, or positions of a prefix. labels: None without a head. parameters: how many numbers it holds. info: what
    a recipe left in it. blended: whether answers are blended with a baseline that only Repertoire knows.
    forced: whether it was published although it did not pass its gates.
    """

    base: BaseId
    method: str
    size: int | None
    task: str | None
    labels: tuple[str, ...] | None
    pooling: str | None
    parameters: int | None
    info: AdapterInfo
    blended: bool
    forced: bool = False

    @property
    def title(self) -> str:
        """For a card that knows no name of the adapter."""
        return f"{self.task or 'Adapter'} ({self.method}) for `{self.base.id}`"


def subject(adapter: Adapter) -> Subject:
    """What a card says of an adapter in memory."""
    method, head, info = adapter.method, adapter.head, AdapterInfo.of(adapter.info)
    return Subject(
        base=adapter.base,
        method=method.name,
        size=method.length if isinstance(method, Prefix) else method.rank,
        task=adapter.task,
        labels=None if head is None else head.labels,
        pooling=None if head is None else head.pooling,
        parameters=sum(tensor.numel() for tensor in adapter.tensors.values()),
        info=info,
        blended=bool(info.blend),
    )


def trained_card(adapter: Adapter) -> str:
    """The card that lies beside an adapter as soon as it is trained."""
    about = subject(adapter)
    return model_card(about, about.title, section("Load with stock PEFT", peft_loading(adapter)))


def model_card(about: Subject, title: str, loading: str, first: str = "", served_by: str = "") -> str:
    """Markdown with Hugging Face's front matter.

    Args:
        about: what is told.
        title: of the card.
        loading: the section on how it is loaded.
        first: a section in front of the results.
        served_by: a section behind the limits.
    """
    info, task = about.info, _task(about)
    sections = [
        _front(about),
        one_line(f"# {title}"),
        _UNKNOWN if task is None else task.SAYS,
        bullets(_facts(about)),
        first,
        _results(info.report),
        section("Gates", bullets(gate_lines(info.gates))),
        section("Data", bullets(_data(about))),
        section("Limits", bullets(_limits(about))),
        served_by,
        loading,
        _recipe(info.recipe),
    ]
    return "\n\n".join(each for each in sections if each) + "\n"


def section(title: str, body: str) -> str:
    """Nothing without a body."""
    return f"## {title}\n\n{body}" if body else ""


def bullets(items: Iterable[str]) -> str:
    """A list, of one line each."""
    return "\n".join(f"- {one_line(item)}" for item in items)


def _front(about: Subject) -> str:
    """Hugging Face's metadata; the metrics as `model-index`."""
    report = about.info.report or Report()
    pipeline = _PIPELINES[about.labels is not None]
    data = ModelCardData(
        language=_languages(about) or None,
        library_name="peft",
        base_model=about.base.id if is_public_id(about.base.id) else None,
        pipeline_tag=pipeline,
        tags=[OURS, about.method, *([about.task] if about.task else [])],
        model_name=about.task or about.method,
        eval_results=[
            EvalResult(
                task_type=pipeline,
                dataset_type="private",
                dataset_name="the client's own rows, held out",
                dataset_revision=_facts_of_data(about).digest,
                metric_type=name,
                metric_value=value,
            )
            for name, value in sorted(report.after.numbers.items())
            if name in all_metrics() and value == value
        ]
        or None,
    )
    return f"---\n{visible(data.to_yaml().strip())}\n---"


def _facts(about: Subject) -> Iterator[str]:
    info, labels = about.info, about.labels or ()
    size = f"{about.size} positions" if about.method == "prefix" else f"rank {about.size}"
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    ranks = None if info.report is None else info.report.ranks
    facts = {
        "method": f"{about.method}, {size}"
        + (f", {about.parameters:,} parameters" if about.parameters else ""),
        "ranks": rank_line(ranks) if ranks else None,
        "labels": ", ".join(labels[:_SHOWN]) + more,
        "base": about.base.id,
        "base revision": about.base.revision,
        "base fingerprint": about.base.fingerprint,
        "base while it was trained": info.quantization,
        "pooling": about.pooling,
    }
    yield from (f"{key}: {value}" for key, value in facts.items() if value)


def _results(report: Report | None) -> str:
    """Base, baselines and adapter, one row each, and what is certain of the difference."""
    if report is None or not report.after.numbers:
        return ""
    names = columns(report)
    table = [
        f"| | {' | '.join(map(plain, names))} |",
        f"| --- |{' ---: |' * len(names)}",
        *(
            f"| {one_line(row)} | {' | '.join(number(name, metrics.get(name)) for name in names)} |"
            for row, metrics in results(report).items()
        ),
    ]
    certain = bullets(certainty_lines(report))
    return section("Held-out results", "\n".join(table) + (f"\n\n{certain}" if certain else ""))


def _data(about: Subject) -> Iterator[str]:
    facts, report = _facts_of_data(about), about.info.report
    profile = facts.profile or Profile()
    if facts.digest:
        yield f"sha256 of the rows: {facts.digest}"
    rows = profile.rows or (
        report.rows.model_dump() if report is not None and report.rows is not None else {}
    )
    if rows:
        yield "rows: " + ", ".join(f"{rows.get(part, 0):,} {part}" for part in PARTS)
    if profile.languages:
        shares = sorted(profile.languages.items(), key=lambda item: -item[1])[:4]
        yield "languages: " + ", ".join(f"{code} {share:.0%}" for code, share in shares)
    if (tokens := profile.tokens) is not None:
        yield (
            f"tokens: half of the rows have at most {tokens.median}, 95 of 100 at most {tokens.p95}; "
            f"{tokens.over:,} of {tokens.looked_at:,} are cut at {tokens.limit}"
        )
    for part, each in profile.near.items():
        yield f"{part} rows that a training row all but repeats: {each.near:,} of {each.looked_at:,}"
    yield from (f"{kind}: {count:,}" for kind, count in profile.private.items() if count)


def _limits(about: Subject) -> Iterator[str]:
    info = about.info
    yield f"It is right on its base alone, `{about.base.id}`" + (
        ", which is told by its fingerprint." if about.base.fingerprint else "."
    )
    if languages := _languages(about):
        yield f"Its rows were in {', '.join(languages)}; of other languages nothing was measured."
    if info.quantization not in (None, "none"):
        yield f"It was trained on the base in {info.quantization}; elsewhere its answers differ a little."
    if info.gates is not None and not info.gates.passed:
        yield "It did not pass its recipe's gates." + (" It was published by force." if about.forced else "")
    if info.report is None:
        yield "It carries no held-out results."
    calibration = info.calibration or UNCALIBRATED
    if calibration != UNCALIBRATED:
        yield (
            f"Its probabilities are calibrated by Repertoire (temperature {calibration.temperature:.4g}, shift "
            f"{calibration.shift:.4g}{', a bias of each label' if calibration.bias else ''}); other tools give the raw "
            "logits."
        )
    if about.blended:
        yield "Its answers are blended with a baseline that only Repertoire knows; other tools give the adapter's own."
    if (task := _task(about)) is not None:
        yield from task.LIMITS


def _recipe(recipe: dict[str, Any] | None) -> str:
    if not recipe:
        return ""
    text = visible(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    # Longer than any fence inside it, so that nothing in the recipe ends the block.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"## Recipe\n\n{fence}yaml\n{text}{fence}"


def _task(about: Subject) -> Task | None:
    """What it was made for; None where that is no task that is known here."""
    return task_for(about.task) if about.task in task_names() else None


def _languages(about: Subject) -> list[str]:
    """Those that more than a few rows are in."""
    shares = (_facts_of_data(about).profile or Profile()).languages
    return [code for code, share in shares.items() if code not in ("none", "unsure") and share >= _COMMON]


def _facts_of_data(about: Subject) -> DataFacts:
    return about.info.data or DataFacts()
