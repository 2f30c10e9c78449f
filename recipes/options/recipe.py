"""The typed recipe: task, method, data, training and writing options, read from YAML.

A recipe is a preset plus what differs from it: a YAML file needs to say only `task` and what it changes, the rest
comes from the preset of its task and method. Everything wrong with a recipe is reported at once.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from recipes.errors import RecipeError
from recipes.measure.policy import Limit, Policy, conflicts, faults, normal, ready

TaskName = Literal["recommendation", "behavior", "ad-copy"]
MethodName = Literal["lora", "prefix"]
MetricName = Literal["auc", "log_loss", "accuracy", "macro_f1", "nll"]

PRESETS: tuple[str, ...] = (
    "recommendation",
    "recommendation-prefix",
    "behavior",
    "behavior-prefix",
    "ad-copy",
    "ad-copy-prefix",
)
# The metrics that early stopping can follow, and whether more or less of them is better.
STOPPING: Mapping[str, Mapping[str, Literal["max", "min"]]] = {
    "recommendation": {"auc": "max", "log_loss": "min", "accuracy": "max"},
    "behavior": {"accuracy": "max", "macro_f1": "max", "log_loss": "min"},
    "ad-copy": {"nll": "min"},
}
# The metrics whose uncertainty is measured, so that a gate may ask for a gain in them.
RESAMPLED: Mapping[str, tuple[str, ...]] = {
    "recommendation": (
        "auc",
        "log_loss",
        "accuracy",
        "ndcg@1",
        "ndcg@3",
        "ndcg@5",
        "ndcg@10",
        "pair_accuracy",
    ),
    "behavior": ("accuracy", "macro_f1", "log_loss"),
    "ad-copy": ("nll", "text_chrf"),
}
# Blocks whose keys are the client's words: a dot in them is just a dot.
_FREE_MAPPINGS = ("data.columns", "data.labels")


class _Section(BaseModel):
    """One block of a recipe: no unknown keys, no guessing of types ("3" is not 3)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AdaLoraOptions(_Section):
    """`lora.adalora:` layers start with `lora.rank`, and share out what is left of it by what it is worth in each
    (Zhang et al. 2023, arXiv:2303.10512). The adapter is a plain LoRA in the end.

    target_rank: mean rank of a layer in the end; some have more, some none. start_share: of the steps, before ranks
    begin to fall; final_share: after they are fixed. Only validations after that can be the best, or stop the training.
    every: steps between two cuts. beta1, beta2: how slowly a weight's worth and its unsteadiness are smoothed.
    orthogonality: weight of the penalty that keeps a layer's directions apart.
    """

    target_rank: int = Field(ge=1)
    start_share: float = Field(default=0.1, ge=0, lt=1)
    final_share: float = Field(default=0.3, ge=0, lt=1)
    every: int = Field(default=1, ge=1)
    beta1: float = Field(default=0.85, gt=0, lt=1)
    beta2: float = Field(default=0.85, gt=0, lt=1)
    orthogonality: float = Field(default=0.5, ge=0)

    @model_validator(mode="after")
    def _ranks_can_fall(self) -> Self:
        if self.start_share + self.final_share >= 1:
            raise ValueError("start_share and final_share leave no steps between; keep their sum below 1")
        return self


class LoraOptions(_Section):
    """`lora:` rank and alpha of every targeted layer; `targets` are module-name suffixes or "all-linear".

    dora: learn the magnitude of each output beside its direction (Liu et al. 2024, arXiv:2402.09353), for about a
    third more time; dropout must be 0 with it. adalora: null is off, see AdaLoraOptions.
    """

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: Literal["all-linear"] | list[str] = "all-linear"
    rslora: bool = False
    dora: bool = False
    adalora: AdaLoraOptions | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        wrong = []
        if self.dora and self.dropout:
            wrong.append("dora trains without dropout; write dropout: 0.0 beside it")
        if self.adalora is not None:
            if self.dora or self.rslora:
                wrong.append("adalora is trained without dora and without rslora; leave them out")
            if self.adalora.target_rank >= self.rank:
                wrong.append(
                    f"adalora.target_rank {self.adalora.target_rank} is not below rank {self.rank}, with which layers "
                    "start; raise rank, half as much again will do"
                )
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @field_validator("targets", mode="before")
    @classmethod
    def _some_target(cls, targets: Any) -> Any:
        if targets != "all-linear" and not (_texts(targets) and targets):
            raise ValueError(
                f"{targets!r} names no layers; write all-linear, or a list such as [q_proj, v_proj]"
            )
        return targets


class PrefixOptions(_Section):
    """`prefix:` length in tokens; it starts random or as the keys and values of a text (null: the task's own)."""

    length: int = Field(default=16, ge=1)
    init: Literal["random", "text"] = "text"
    text: str | None = None

    @model_validator(mode="after")
    def _text_needs_init(self) -> Self:
        if self.text is not None and self.init != "text":
            raise ValueError("text is only read where init is text; write init: text, or leave text out")
        if self.text is not None and not self.text.strip():
            raise ValueError("text is empty; write some words, or leave it out for the task's own")
        return self


class HeadOptions(_Section):
    """`head:` pooling: how the tokens become one vector; auto is last for decoders and mean for encoders. init: where
    the head starts, at random or at a linear probe of the untrained adapter's vectors (see `probe.py`)."""

    pooling: Literal["auto", "last", "mean", "first", "pooler"] = "auto"
    init: Literal["random", "probe"] = "random"


class History(_Section):
    """`data.history:` regular expressions that find a user's liked and disliked items inside the row's own text.

    liked, disliked: their first group is the list of items. item: one item inside that list. target: optional, its
    first group is the item that the row asks about. They feed baselines and the derived features `liked_share` and
    `liked_tally`.
    """

    liked: str
    disliked: str
    item: str = r'"([^"]+)"'
    target: str | None = None

    @field_validator("liked", "disliked", "item", "target")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"is no regular expression ({error}); mend the pattern") from None
            if groups != 1:
                raise ValueError(f"has {groups} groups; put parentheses around the one part that is wanted")
        return pattern


class AugmentOptions(_Section):
    """`data.augment:` copies of training rows that say the same in other words, see `recipes.data.augment`.

    dropout: leave out this share of a text's words (of its characters, in Chinese), at least one.
    synonyms: a file of the client's own, a group a line: "buy, purchase, get". share: of a text's words, at the most
    so many (at least one) are replaced. copies: of each row; the row and its copies count together as the row did.
    An epoch has as many more steps as there are more rows; a hook for other changes is `train(augmenter=...)`.
    """

    dropout: float = Field(default=0.0, ge=0, lt=1)
    synonyms: str | None = Field(default=None, min_length=1)
    share: float = Field(default=0.1, gt=0, le=1)
    copies: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _share_of_synonyms(self) -> Self:
        if self.synonyms is None and self.share != type(self).model_fields["share"].default:
            raise ValueError("share is only read where there are synonyms; give their file, or leave it out")
        return self


class DataOptions(_Section):
    """`data:` how the client's file is read and split.

    columns: role -> the file's column; a role that is not named is looked for under its own name.
    labels: the file's value -> its meaning: 0 or 1 for recommendation, a label's name for behavior.
    features: further columns that are rendered into the text, or "all" that have no role; ad-copy: the product's.
    separator: behavior, several labels in one cell, split at this string.
    prompt: a template; ad-copy: {product}, heads: roles and features.
    history: recommendation, see History.
    max_tokens: tokens that the model sees of a row; longer texts are cut.
    limit_per_label: heads, train on the first so many rows of each label only.
    repeats: rows of the training file whose text stands in a validation or test file too: refuse the data, keep
        them, or drop them from training.
    negative_share: recommendation, train on this share of the rows without a click only; the probabilities are
        corrected for it (see `calibration`).
    pii: e-mail addresses and phone numbers in the texts: refuse the data, mask them as <email> and <phone>, or allow
        them (see `pii`).
    augment: null is off, see AugmentOptions.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, int | str] = Field(default_factory=dict)
    features: Literal["all"] | list[str] = Field(default_factory=list)
    separator: str | None = Field(default=None, min_length=1)
    prompt: str | None = None
    history: History | None = None
    max_tokens: int = Field(default=128, ge=8)
    limit_per_label: int | None = Field(default=None, ge=1)
    repeats: Literal["refuse", "keep", "drop"] = "refuse"
    negative_share: float | None = Field(default=None, gt=0, lt=1)
    pii: Literal["refuse", "mask", "allow"] = "refuse"
    augment: AugmentOptions | None = None
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: int = 0

    @field_validator("features", mode="before")
    @classmethod
    def _each_once(cls, features: Any) -> Any:
        if features != "all" and not _texts(features):
            raise ValueError(f"{features!r} names no columns; write all, or a list such as [price, season]")
        twice = sorted({f for f in features if features.count(f) > 1}) if features != "all" else []
        if twice:
            raise ValueError(f"names {', '.join(twice)} twice; name each column once")
        return features

    @field_validator("labels", mode="before")
    @classmethod
    def _plain_labels(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            raise ValueError(f"{labels!r} is no mapping; write {{Yes: 1, No: 0}}, or {{1: happy, 0: angry}}")
        odd = [f"{key}: {value}" for key, value in labels.items() if type(value) not in (int, str)]
        if odd:
            raise ValueError(f"{', '.join(odd)}: a label must mean 0, 1 or a name; put names in quotes")
        return {str(key): value for key, value in labels.items()}

    @model_validator(mode="after")
    def _some_rows_train(self) -> Self:
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                "validation_share and test_share leave nothing to train on; keep their sum below 1"
            )
        return self


class TrainOptions(_Section):
    """`train:` AdamW with warmup and clipping; the best weights by `metric` on the validation rows are kept.

    optimizer: adamw8bit keeps AdamW's two moments in 8 bits each (Dettmers et al. 2021, arXiv:2110.02861).
    max_steps: stop after so many steps (null: only epochs count). accumulate: batches per step.
    head_learning_rate: null is learning_rate. evaluate_every: steps, null is once an epoch.
    patience: evaluations without improvement before stopping, null is never. fgm: length of the step by which each
    row's embeddings are moved against it for a second pass, whose gradient is added; 0 is off.
    """

    epochs: int = Field(default=3, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=10)
    head_learning_rate: float | None = Field(default=None, gt=0, lt=10)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = Field(default=1.0, gt=0)
    evaluate_every: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=3, ge=1)
    metric: MetricName
    fgm: float = Field(default=0.0, ge=0)
    seed: int = 0


# The longest texts of a responsive search ad (Google Ads), in characters; wide ones count two.
PLACEMENTS: Mapping[str, int] = {"headline": 30, "description": 90}


class PolicyOptions(_Section):
    """`write.policy:` what a text may say; the evaluation measures how often the model keeps it by itself, and what
    breaks it is never given when the adapter is used.

    banned: the client's own terms; lists: ready ones, see `recipes.measure.policy`, whose `violations` says
    how terms are compared and what counts as one.
    allowed: phrases that are fine although a banned term or a number stands in them; a term of a ready list alone
    takes it out of the list.
    required: disclaimers, each of which must stand in every text; what they hold is never refused.
    placement: the length limit of an ad platform, or max_width: one's own; double_width: wide characters, such as
    Chinese, count two.
    facts: refuse numbers, prices and percentages that the product's text does not hold.
    """

    banned: list[str] = Field(default_factory=list)
    lists: list[Literal["en-claims", "zh-absolute"]] = Field(default_factory=list)
    allowed: list[str] = Field(default_factory=list)
    required: list[str] = Field(default_factory=list)
    placement: Literal["headline", "description"] | None = None
    max_width: int | None = Field(default=None, ge=1)
    double_width: bool = True
    facts: bool = False

    @field_validator("banned", "lists", "allowed", "required")
    @classmethod
    def _real_terms(cls, terms: list[str]) -> list[str]:
        if wrong := faults(terms):
            raise ValueError("; ".join(wrong))
        return terms

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        wrong = conflicts(self.rules())
        banned = {normal(term) for term in self.banned}
        wrong += [
            f"{each!r} is banned and allowed; keep one" for each in self.allowed if normal(each) in banned
        ]
        if self.allowed and not (self.banned or self.lists or self.facts):
            wrong.append("allowed is only read where something is refused; give banned, lists or facts too")
        if self.placement is not None and self.max_width is not None:
            wrong.append("placement and max_width both set the limit; keep one")
        if not self.double_width and self.placement is None and self.max_width is None:
            wrong.append("double_width is only read where there is a limit; give max_width, or leave it out")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def rules(self) -> Policy:
        """The policy with its lists read and its placement in characters."""
        lists = [ready(name) for name in self.lists]
        terms = [*self.banned, *(term for each in lists for term in each.banned)]
        taken_out = {normal(phrase) for phrase in self.allowed}
        most = self.max_width if self.placement is None else PLACEMENTS[self.placement]
        return Policy(
            tuple(term for term in terms if normal(term) not in taken_out),
            (*self.allowed, *(phrase for each in lists for phrase in each.allowed)),
            tuple(self.required),
            () if most is None else (Limit(most, self.double_width),),
            self.facts,
        )


class WriteOptions(_Section):
    """`write:` ad-copy only; how texts are written in the evaluation, and the default when the adapter is used.

    evaluated: the most test products that are written for the metrics (the loss is measured on all). temperature to
    stop are those of `adapters.serving.sampling.Sampling`. policy: see PolicyOptions.
    """

    evaluated: int = Field(default=200, ge=1)
    max_new_tokens: int = Field(default=64, ge=1)
    max_chars: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, gt=0)
    stop: list[str] = Field(default_factory=list)
    policy: PolicyOptions = PolicyOptions()

    @model_validator(mode="after")
    def _disclaimers_fit(self) -> Self:
        long = [text for text in self.policy.required if len(text) > (self.max_chars or len(text))]
        if long:
            raise ValueError(
                f"policy requires {long[0]!r}, which is over max_chars {self.max_chars}; raise max_chars"
            )
        return self


class ReportOptions(_Section):
    """`report:` what is measured beside the task's metrics.

    groups: heads, columns (or roles that are read, such as ad); each value of one is a group of test rows with metrics
        of its own. The model does not read a column that only stands here.
    """

    groups: list[str] = Field(default_factory=list)


class MinGain(_Section):
    """`gates.min_gain:` how much better than something else the adapter must be, and surely so.

    It passes where the gain in `metric` (null: train.metric) is at least `by` and the paired 95 % interval of the gain
    lies above 0 as a whole. over: before (the base untouched), best_baseline, or a baseline's name. A number alone is
    `by`. Of ad copy ask for text_chrf: nll does not look at what is written, and may pass a text without sense.
    """

    metric: str | None = None
    over: str = "best_baseline"
    by: float = Field(default=0.0, ge=0)


class MaxGroupGap(_Section):
    """`gates.max_group_gap:` the most that a metric may differ between the groups of a column.

    selection_rate is the share of rows whose click is predicted, from a probability of one half. Groups of fewer than
    20 test rows are shown and do not count. behavior has accuracy only.
    """

    column: str
    gap: float = Field(ge=0, le=1)
    metric: Literal["accuracy", "selection_rate", "auc"] = "accuracy"


class GateOptions(_Section):
    """`gates:` what an adapter must reach on the test rows before a hub takes it. Null gates are open.

    max_calibration_error: heads. policy: ad-copy, the share of texts that must be within the policy; true is all.
    """

    min_gain: MinGain | None = None
    max_calibration_error: float | None = Field(default=None, ge=0, le=1)
    max_group_gap: MaxGroupGap | None = None
    policy: float | None = Field(default=None, ge=0, le=1)

    @field_validator("min_gain", mode="before")
    @classmethod
    def _by_alone(cls, gain: Any) -> Any:
        return {"by": gain} if isinstance(gain, int | float) and not isinstance(gain, bool) else gain

    @field_validator("policy", mode="before")
    @classmethod
    def _all_or_any(cls, policy: Any) -> Any:
        return {True: 1.0, False: None}[policy] if isinstance(policy, bool) else policy


class Recipe(_Section):
    """Task, method and every option of one training. Make one with `load` or `from_dict`.

    blend: heads, answer with the adapter and the best baseline that can travel with it, see `recipes.judge.blend`.
    """

    task: TaskName
    method: MethodName = "lora"
    lora: LoraOptions = LoraOptions()
    prefix: PrefixOptions = PrefixOptions()
    head: HeadOptions = HeadOptions()
    data: DataOptions = DataOptions()
    train: TrainOptions
    write: WriteOptions = WriteOptions()
    blend: bool = False
    report: ReportOptions = ReportOptions()
    gates: GateOptions = GateOptions()

    @classmethod
    def load(cls, name_or_path: str | Path, **overrides: Any) -> Self:
        """A preset's name or a YAML file, with dotted overrides: `load("behavior", **{"train.epochs": 5})`.

        Raises RecipeError with all problems at once.
        """
        name = str(name_or_path)
        if name in PRESETS:
            task, method = name.removesuffix("-prefix"), "prefix" if name.endswith("-prefix") else "lora"
            return cls.from_dict({"task": task, "method": method}, **overrides)
        path = Path(name_or_path)
        if not path.is_file():
            near = difflib.get_close_matches(name.lower().replace("_", "-"), PRESETS, n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise RecipeError(
                f"{name}: no such preset or file{hint} Presets: {', '.join(PRESETS)}. "
                "Or write a YAML file and give its path."
            )
        try:
            content = read_yaml(path.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise RecipeError(f"{name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
        except yaml.YAMLError as error:
            raise RecipeError(f"{name}: no valid YAML; {_told(error)}") from None
        if not isinstance(content, dict):
            raise RecipeError(f"{name}: a recipe is a YAML mapping; its first line could be `task: behavior`")
        return cls.from_dict(content, _source=name, **overrides)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], _source: str = "recipe", **overrides: Any) -> Self:
        """A recipe from a plain mapping: its own preset (task and method), then `content`, then the overrides.

        Raises RecipeError with all problems at once.
        """
        changed = deepcopy(dict(content))
        problems = [
            problem
            for key, value in overrides.items()
            if (problem := _override(changed, key, value)) is not None
        ]
        task, method = changed.get("task"), changed.get("method", "lora")
        name = f"{task}-prefix" if method == "prefix" else str(task)
        merged = merge(_preset(name), changed) if name in PRESETS else changed
        try:
            recipe = cls.model_validate(merged)
        except ValidationError as error:
            # Without a task there is no preset, so that everything would seem missing: speak of the task alone.
            faults = [
                fault
                for fault in error.errors()
                if name in PRESETS or fault["type"] != "missing" or fault["loc"] == ("task",)
            ]
            told = [_fault(fault) for fault in faults if fault["loc"]] + _misfits(merged)
            problems += [f"{_source}: {sentence}" for sentence in told]
        if problems:
            raise RecipeError(problems)
        return recipe

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if wrong := _misfits(self.model_dump(include=self.model_fields_set)):
            raise ValueError("\n".join(wrong))
        return self

    @property
    def grouped(self) -> tuple[str, ...]:
        """The columns by which test rows are grouped for a report: those of `report` and of the gate."""
        gate = self.gates.max_group_gap
        return tuple(dict.fromkeys([*self.report.groups, *([gate.column] if gate else [])]))

    def to_dict(self) -> dict[str, Any]:
        """The whole recipe as JSON, without the sections that its task and method do not have."""
        absent = {
            "prefix" if self.method == "lora" else "lora",
            "head" if self.task == "ad-copy" else "write",
        }
        return self.model_dump(mode="json", exclude=absent)

    def to_yaml(self) -> str:
        """The whole recipe as YAML; `load` reads it back."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)
        return str(text)


def parse_override(text: str) -> tuple[str, Any]:
    """`train.epochs=5` -> ("train.epochs", 5): the value is read as YAML. Raises RecipeError without a `=`."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--set {text}: no `=` in it; write it as train.epochs=5")
    try:
        return key.strip(), read_yaml(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {text}: the value is no valid YAML; {_told(error)}") from None


def read_policy(content: Mapping[str, Any]) -> PolicyOptions:
    """A policy by itself, with the keys of `write.policy`. Raises RecipeError with all problems at once."""
    try:
        return PolicyOptions.model_validate(dict(content))
    except ValidationError as error:
        placed = [{**fault, "loc": ("write", "policy", *fault["loc"])} for fault in error.errors()]
        raise RecipeError(_fault(fault).removeprefix("write.") for fault in placed) from None


def read_yaml(text: str) -> Any:
    """YAML without its traps: keys stay as written (Yes is not true), 1e-3 is a number, a key comes only once."""
    return yaml.load(text, Loader=_Loader)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the booleans and floats of YAML 1.2, keys as strings, and no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text; quote it", key_node.start_mark
                )
            if key_node.value in result:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key_node.value}` stands twice; keep one of them", key_node.start_mark
                )
            result[key_node.value] = self.construct_object(value_node, deep=True)
        return result


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$"),
    list("-+0123456789."),
)


def _misfits(recipe: Mapping[str, Any]) -> list[str]:
    """Options that would be ignored, and values that the recipe's task cannot have.

    `recipe` may be wrong in other ways too, so that everything wrong can be told at once.
    """
    task, method = str(recipe.get("task")), recipe.get("method", "lora")
    if task not in STOPPING or method not in ("lora", "prefix"):
        return []
    data, train = (
        block if isinstance(block := recipe.get(name), Mapping) else {} for name in ("data", "train")
    )
    labels, prompt, metric = data.get("labels"), data.get("prompt"), train.get("metric")
    wrong = []
    absent = {"prefix" if method == "lora" else "lora", "head" if task == "ad-copy" else "write"}
    preset = task if method == "lora" else f"{task}-prefix"
    for section in sorted(absent & recipe.keys()):
        wrong.append(
            f"{section}: means nothing for {task} with {method}; leave it out (compare preset {preset})"
        )
    if task != "behavior" and data.get("separator") is not None:
        wrong.append("data.separator: only behavior has several labels in one cell; leave it out")
    if task != "recommendation" and data.get("history") is not None:
        wrong.append("data.history: only recommendation reads histories; leave it out")
    if data.get("augment") is not None and data.get("history") is not None:
        wrong.append("data.augment: would change the texts that data.history reads; leave one of them out")
    if data.get("negative_share") is not None:
        if task != "recommendation":
            wrong.append("data.negative_share: only recommendation has rows without a click; leave it out")
        elif data.get("limit_per_label") is not None:
            wrong.append(
                "data.negative_share: limit_per_label chooses the rows already; leave one of them out"
            )
    if task == "ad-copy" and labels:
        wrong.append("data.labels: ad-copy has no labels; leave it out")
    if task == "ad-copy" and recipe.get("blend") is True:
        wrong.append("blend: ad-copy gives no probabilities that could be blended; leave it out")
    if task == "ad-copy" and data.get("limit_per_label") is not None:
        wrong.append("data.limit_per_label: ad-copy has no labels; leave it out")
    if task == "recommendation" and isinstance(labels, Mapping):
        odd = [repr(value) for value in labels.values() if value not in (0, 1)]
        if odd:
            wrong.append(f"data.labels: gives {', '.join(odd)}; each value of the file must mean 0 or 1")
    if task == "ad-copy" and isinstance(prompt, str) and "{product}" not in prompt:
        wrong.append("data.prompt: holds no {product}; write {product} where the product goes")
    if metric in {name for metrics in STOPPING.values() for name in metrics} - STOPPING[task].keys():
        wrong.append(f"train.metric: {task} has no {metric}; choose one of {', '.join(STOPPING[task])}")
    return wrong + _gate_misfits(task, metric, recipe)


def _gate_misfits(task: str, metric: Any, recipe: Mapping[str, Any]) -> list[str]:
    """Gates and groups that the task cannot have, or that could never open."""
    gates, report = (
        block if isinstance(block := recipe.get(name), Mapping) else {} for name in ("gates", "report")
    )
    wrong = []
    if task == "ad-copy":
        absent = {"gates.max_calibration_error", "gates.max_group_gap", "report.groups"}
        why = "ad-copy gives no probabilities; leave it out"
    else:
        absent, why = {"gates.policy"}, f"{task} writes no texts; leave it out"
    for place in sorted(absent):
        section, key = place.split(".")
        if (gates if section == "gates" else report).get(key):
            wrong.append(f"{place}: {why}")
    gap = gates.get("max_group_gap")
    if task == "behavior" and isinstance(gap, Mapping) and gap.get("metric", "accuracy") != "accuracy":
        wrong.append(f"gates.max_group_gap.metric: behavior has no {gap['metric']} of groups; write accuracy")
    gain = gates.get("min_gain")
    if gain is None:
        return wrong
    asked = gain if isinstance(gain, Mapping) else {}
    name, over = asked.get("metric") or metric, asked.get("over", "best_baseline")
    if asked.get("metric") is not None and name not in RESAMPLED[task]:
        wrong.append(
            f"gates.min_gain.metric: {name} is none of {', '.join(RESAMPLED[task])}; choose one of them"
        )
    elif name == "nll" and over != "before":
        wrong.append(
            "gates.min_gain: no baseline of ad-copy has an nll; write over: before, or metric: text_chrf"
        )
    return wrong


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _preset(name: str) -> dict[str, Any]:
    text = (resources.files("recipes") / "options" / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    content = read_yaml(text)
    assert isinstance(content, dict)
    return content


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`, block by block; a list replaces a list."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def _override(content: dict[str, Any], key: str, value: Any) -> str | None:
    """Set a dotted key in place; a sentence about what is wrong with it, or None."""
    parts = key.split(".")
    for free in _FREE_MAPPINGS:
        if key.startswith(free + "."):
            parts = [*free.split("."), key[len(free) + 1 :]]
    block = content
    for part in parts[:-1]:
        inner = block.setdefault(part, {})
        if not isinstance(inner, dict):
            return f"--set {key}: `{part}` is a value and has nothing inside; set it as a whole"
        block = inner
    block[parts[-1]] = deepcopy(value)
    return None


def _fault(fault: Any) -> str:
    """One pydantic fault as a sentence with its place and its fix."""
    place = ".".join(str(part) for part in fault["loc"])
    kind, given, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        *parents, name = fault["loc"]
        known = _keys(parents)
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{place}: unknown key; {hint}"
    if kind == "missing":
        return f"{place}: missing; {_MISSING.get(place, 'write it')}"
    if kind == "value_error":
        return f"{place}: {context['error']}"
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(given), re.findall(r"'([^']+)'", context["expected"]), n=1, cutoff=0.5
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{place}: {given!r} is none of {context['expected']}{hint}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{place}: {given!r} should be a block of keys; indent its options below it"
    fix = _COMPARE[kind](context) if kind in _COMPARE else fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{place}: {given!r} cannot be used; {fix}"


_MISSING = {
    "task": "write task: recommendation, behavior or ad-copy",
    "lora.adalora.target_rank": "write the mean rank of a layer in the end, below lora.rank",
}
_COMPARE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda c: f"write a number above {c['gt']}",
    "greater_than_equal": lambda c: f"write a number of at least {c['ge']}",
    "less_than": lambda c: f"write a number below {c['lt']}",
    "less_than_equal": lambda c: f"write a number of at most {c['le']}",
    "int_type": lambda c: "write a whole number",
    "float_type": lambda c: "write a number",
    "string_type": lambda c: "write text, in quotes if it looks like a number",
    "bool_type": lambda c: "write true or false",
    "list_type": lambda c: "write a list such as [one, two]",
}


def _keys(parents: list[Any]) -> list[str]:
    """The keys that a block of the recipe knows."""
    model: Any = Recipe
    for part in parents:
        annotation = model.model_fields[part].annotation
        choices = (annotation, *get_args(annotation))  # a section, or a section or None
        model = next(each for each in choices if isinstance(each, type) and issubclass(each, _Section))
    return list(model.model_fields)


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark is not None else ""
    return f"{place}{getattr(error, 'problem', None) or 'check the indentation and the quotes'}"
