"""What the log holds: impressions, what was shown of each, outcomes, each client's secret, and canaries that run.

    impressions   id  at  name  digest  user_key  columns  candidates                 one answer that somebody saw
    shown         impression  position  ad  probability  propensity                   one row for each place of it
    outcomes      impression  position  kind  event  at  value  text                  what the user did about it
    clients       client  secret                                                      what user keys are hashed with
    canaries      name  version  share  outcome                                       which run, see `canary.py`
    challenged    name  against  turns                                                how many each production has met

Times are seconds since 1970 (UTC). Columns, candidates and texts are JSON in ASCII, so that no character and no
database disagree. What a version of the schema changes stands in `migrations.py`; these are the tables of the newest.
"""

from sqlalchemy import Boolean, Column, Double, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

impressions = Table(
    "impressions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Double, nullable=False),
    Column("client", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("task", String(64), nullable=False),
    Column("reference", Text, nullable=False),
    Column("version", Integer),
    Column("digest", Text, nullable=False),
    Column("arm", String(16)),
    Column("chooser", String(32), nullable=False),
    Column("user_key", String(64)),
    Column("columns", Text, nullable=False),
    Column("candidates", Text, nullable=False),
    Column("consent", Boolean),
    Column("origin", String(16), nullable=False),
    Column("expires", Double),
    Column("seconds", Double),
    Column("refused", Integer),
)

shown = Table(
    "shown",
    metadata,
    Column("impression", String(64), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("ad", String(64), nullable=False),
    Column("probability", Double),
    Column("propensity", Double),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("impression", String(64), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("event", String(200), primary_key=True),
    Column("at", Double, nullable=False),
    Column("value", Double),
    Column("text", Text),
    Column("received", Double, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
)

canaries = Table(
    "canaries",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("against", Integer, nullable=False),
    Column("started", Double, nullable=False),
    Column("share", Double, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("max_days", Double, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("shadow", Boolean, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("grouped", Text, nullable=False),
)

challenged = Table(
    "challenged",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("against", Integer, primary_key=True),
    Column("turns", Integer, nullable=False),
)
