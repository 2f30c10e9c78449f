"""The schema of the log, version after version: each is what it adds to the one before, and never changes again.

`feedback_schema` holds one number. A log of an older version is brought forward when it is opened, in one transaction;
of several processes that open it one does so, and the others wait. A log of a newer version is refused.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, text

from hub.errors import FeedbackError

# Plain SQL that SQLite and PostgreSQL read alike, but for the name of the type of bytes.
_VERSIONS: Sequence[Sequence[str]] = (
    (
        """CREATE TABLE impressions (
            id VARCHAR(64) NOT NULL PRIMARY KEY, at DOUBLE PRECISION NOT NULL, client VARCHAR(64) NOT NULL,
            name VARCHAR(200) NOT NULL, task VARCHAR(64) NOT NULL, reference TEXT NOT NULL, version INTEGER,
            digest TEXT NOT NULL, arm VARCHAR(16), chooser VARCHAR(32) NOT NULL, user_key VARCHAR(64),
            columns TEXT NOT NULL, candidates TEXT NOT NULL, consent BOOLEAN, origin VARCHAR(16) NOT NULL,
            expires DOUBLE PRECISION)""",
        "CREATE INDEX impressions_of_name ON impressions (name, at)",
        "CREATE INDEX impressions_expire ON impressions (expires)",
        """CREATE TABLE shown (
            impression VARCHAR(64) NOT NULL, position INTEGER NOT NULL, ad VARCHAR(64) NOT NULL,
            probability DOUBLE PRECISION, propensity DOUBLE PRECISION, PRIMARY KEY (impression, position))""",
        """CREATE TABLE outcomes (
            impression VARCHAR(64) NOT NULL, position INTEGER NOT NULL, kind VARCHAR(16) NOT NULL,
            event VARCHAR(200) NOT NULL, at DOUBLE PRECISION NOT NULL, value DOUBLE PRECISION, text TEXT,
            received DOUBLE PRECISION NOT NULL, PRIMARY KEY (impression, position, kind, event))""",
        "CREATE TABLE clients (client VARCHAR(64) NOT NULL PRIMARY KEY, secret {bytes} NOT NULL)",
    ),
    (
        """CREATE TABLE canaries (
            name VARCHAR(200) NOT NULL PRIMARY KEY, version INTEGER NOT NULL, against INTEGER NOT NULL,
            started DOUBLE PRECISION NOT NULL, share DOUBLE PRECISION NOT NULL, outcome VARCHAR(16) NOT NULL,
            max_days DOUBLE PRECISION NOT NULL, held BOOLEAN NOT NULL, shadow BOOLEAN NOT NULL)""",
    ),
    (
        "ALTER TABLE impressions ADD COLUMN seconds DOUBLE PRECISION",
        "ALTER TABLE impressions ADD COLUMN refused INTEGER",
        "ALTER TABLE canaries ADD COLUMN turn INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE canaries ADD COLUMN grouped TEXT NOT NULL DEFAULT '[]'",
        """CREATE TABLE challenged (
            name VARCHAR(200) NOT NULL, against INTEGER NOT NULL, turns INTEGER NOT NULL,
            PRIMARY KEY (name, against))""",
        "INSERT INTO challenged SELECT name, against, 1 FROM canaries",
    ),
)
NEWEST = len(_VERSIONS)
_LOCK = 0x52455045  # of PostgreSQL: any number that is this project's own


def migrate(connection: Connection) -> None:
    """Bring a log to the newest version, inside the transaction of this connection.

    Raises:
        FeedbackError: a newer Repertoire wrote it.
    """
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    found = _version(connection)
    if found > NEWEST:
        raise FeedbackError(
            f"the feedback log has schema {found}, this Repertoire reads {NEWEST}; upgrade Repertoire"
        )
    for number in range(found + 1, NEWEST + 1):
        for statement in _VERSIONS[number - 1]:
            connection.execute(text(statement.format(bytes="BYTEA" if postgres else "BLOB")))
        connection.execute(text("UPDATE feedback_schema SET version = :number"), {"number": number})


def _version(connection: Connection) -> int:
    """The version that the log has; 0 for one that is empty."""
    if not inspect(connection).has_table("feedback_schema"):
        connection.execute(text("CREATE TABLE feedback_schema (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO feedback_schema VALUES (0)"))
        return 0
    return int(connection.execute(text("SELECT version FROM feedback_schema")).scalar_one())
