"""Logs of other systems into the log of a hub.

Each row becomes an impression of one place, and its click and conversion outcomes. An impression's id follows from the
file's bytes and the row's line: a file that is imported again, or after an interruption, changes nothing that is there.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from adapters.errors import RequestError
from hub.feedback.events import Candidate, Impression, Outcome, Place, ad_key
from hub.feedback.log import Feedback
from hub.feedback.log_files import LogFile, LogRow
from hub.storage.names import check_name
from recipes.data import masked

_AT_ONCE = 1000
_UNKNOWN = "imported"


@dataclass
class Imported:
    """What came of a file. rows: of it; impressions, outcomes: that are in the log now; known: outcomes that were there
    already; refused: what is wrong with the others, a sentence each, with its line. without_propensity: impressions
    that no policy can be evaluated on."""

    rows: int = 0
    impressions: int = 0
    outcomes: int = 0
    known: int = 0
    without_propensity: int = 0
    refused: list[str] = field(default_factory=list)


def import_log(
    log: Feedback,
    path: Path,
    name: str,
    columns: Mapping[str, str],
    features: Sequence[str] = (),
    chooser: str = _UNKNOWN,
    retention_days: float | None = None,
) -> Imported:
    """Import another system's log; on the disk when this returns.

    Args:
        log: of the hub.
        path: CSV, TSV, JSONL, JSON, Parquet or Excel.
        name: `client/campaign/task`, whose impressions these are.
        columns: role -> column, see `log_files.ROLES`.
        features: further columns that are kept with each impression.
        chooser: what chose the ads.
        retention_days: after so many days from its time a row is erased.

    Returns:
        What came of it; what is wrong with a row is told, and the others are taken.

    Raises:
        DataError: the file cannot be read.
        RequestError: a column is missing, or no row is sound.
        FeedbackError: the log does not answer; importing the file again goes on.
    """
    check_name(name)
    file = LogFile(path, columns, ("at", "ad"), features)
    done, rows = Imported(), iter(file)
    while some := list(islice(rows, _AT_ONCE)):
        done.rows += len(some)
        done.refused += [row for row in some if isinstance(row, str)]
        sound = [row for row in some if isinstance(row, LogRow)]
        made = [_impression(row, name, file, log, chooser, retention_days) for row in sound]
        log.add_all(made)
        told = [
            (row.line, outcome)
            for row, impression in zip(sound, made, strict=True)
            for outcome in _outcomes(row, impression)
        ]
        for (line, _), taken in zip(told, log.feedback_all([outcome for _, outcome in told]), strict=True):
            done.outcomes += taken.status == "taken"
            done.known += taken.status == "known"
            if taken.status == "refused":
                done.refused.append(f"line {line}: {taken.why}")
        done.impressions += len(made)
        done.without_propensity += sum(row.propensity is None for row in sound)
    if done.rows and not done.impressions:
        raise RequestError(
            f"no row of {path} can be imported: {done.refused[0]} ({len(done.refused)} rows are wrong)"
        )
    return done


def _impression(
    row: LogRow, name: str, file: LogFile, log: Feedback, chooser: str, retention_days: float | None
) -> Impression:
    assert row.at is not None, "a row without its time is refused"
    key = f"{name}\0{file.table.sha256}\0{row.line}"
    columns = {"ad": masked(file.columns["ad"], row.ad)}
    context = {feature: masked(feature, text) for feature, text in row.features.items()}
    if row.user is not None:
        context["user"] = masked(file.columns["user"], row.user)
    ad = ad_key(columns)
    return Impression(
        at=row.at,
        name=name,
        task="recommendation",
        reference=name,
        version=None,
        digest=_UNKNOWN,
        columns=context,
        candidates=[Candidate(ad, columns, row.probability)],
        places=[Place(1, ad, row.probability, row.propensity)],
        id=hashlib.sha256(key.encode()).hexdigest()[:32],
        chooser=chooser,
        user=None if row.user_key is None else log.user_key(name.split("/")[0], row.user_key),
        consent=row.consent,
        origin="imported",
        expires=None if retention_days is None else row.at + retention_days * 86_400,
    )


def _outcomes(row: LogRow, impression: Impression) -> list[Outcome]:
    found = []
    if row.clicked:
        found.append(Outcome(impression.id, "click", row.at))
    if row.converted:
        at = row.at if row.converted_at is None else row.converted_at
        found.append(Outcome(impression.id, "conversion", at, row.value))
    return found
