"""How much a stranger may bring: every limit of what a hub takes, with its reason. Each is looked at before the bytes
behind it are read, and told in the error of what is over it; the table in docs/threat-model.md is this file's.

What one document of YAML may hold stands beside its reader (`recipes.options.reading`); how much a running registry
takes on is the operator's to say (`adapters.Limits`).
"""

from dataclasses import dataclass

from adapters.patterns import LONGEST, MOST_REPEATED

__all__ = [
    "DIMENSIONS",
    "FILES",
    "HEADER_BYTES",
    "INDEX_BYTES",
    "LABELS",
    "LABEL_CHARACTERS",
    "MESSAGE_CHARACTERS",
    "PART_CHARACTERS",
    "PATTERN_CHARACTERS",
    "PATTERN_REPEATS",
    "RECORD_BYTES",
    "TAGS",
    "TENSORS",
    "TEXT_BYTES",
    "WEIGHTS_BYTES",
    "WORD_CHARACTERS",
    "Bound",
]


@dataclass(frozen=True)
class Bound:
    """One limit.

    Attributes:
        most: so many are taken, and no more.
        unit: what is counted, in the plural.
        of: what has them.
        why: the largest that is known of the kind, or what more of them would cost.
    """

    most: int
    unit: str
    of: str
    why: str

    def problem(self, count: int, whose: str) -> str | None:
        """Why so many are not taken.

        Args:
            count: how many there are.
            whose: what has them, for the message.

        Returns:
            A sentence; None where they are taken.
        """
        if count <= self.most:
            return None
        return f"{whose} has {count:,} {self.unit}; at most {self.most:,} are taken"


WEIGHTS_BYTES = Bound(
    2**32,
    "bytes",
    "adapter_model.safetensors, and any other file of a hub",
    "rank 64 on every linear layer of a base of 70 billion parameters takes 3.3 GB in float32",
)
RECORD_BYTES = Bound(
    2**24,
    "bytes",
    "a record, an event of an alias, a tombstone, a signature, a pin",
    "a record says what the weights' header says, without the baseline",
)
INDEX_BYTES = Bound(
    2**31,
    "bytes",
    "the index that searches read",
    "100,000 versions take some 100 MB; a larger one is made anew",
)
HEADER_BYTES = Bound(
    2**24,
    "bytes",
    "the weights' header, with all that the adapter says of itself",
    "65,536 tensors take 10 MB, and a baseline that travels along 2 MB",
)
TENSORS = Bound(
    2**16,
    "tensors",
    "the weights",
    "DoRA on every linear layer of a base of 126 layers has 2,646; each takes some 30 microseconds to read",
)
DIMENSIONS = Bound(4, "dimensions", "a tensor", "weights of adapters have 1 or 2")
TEXT_BYTES = Bound(
    2**20, "bytes", "adapter_config.json or README.md", "a rank for each of a thousand layers takes 100 kB"
)
FILES = Bound(
    10_000,
    "files",
    "the folder of an adapter, those one level below counted too",
    "a training leaves some dozens beside it",
)
LABELS = Bound(10_000, "labels", "a head", "they stand in every record and answer")
LABEL_CHARACTERS = Bound(1_000, "characters", "a label", "it is a word or a sentence")
PATTERN_CHARACTERS = Bound(
    LONGEST, "characters", "a regular expression", "a list of the modules does not need one"
)
PATTERN_REPEATS = Bound(
    MOST_REPEATED,
    "repeats",
    "a regular expression, by counts such as {2}{3}",
    "they take six times the memory",
)
PART_CHARACTERS = Bound(
    64,
    "characters",
    "each part of a name, and an alias",
    "three of them and what is below fit any file system",
)
MESSAGE_CHARACTERS = Bound(10_000, "characters", "a message or a reason", "it is read with every list")
WORD_CHARACTERS = Bound(200, "characters", "a tag, a publisher or a publish id", "it is a word, not a text")
TAGS = Bound(100, "tags", "a version", "they are words to find it by")
