"""The tables of the centre's records, the same on SQLite and PostgreSQL.

Times are whole microseconds since 1970 (UTC) and say so in their names. Readings are not rows:
they lie in the log, many to a row, until they are sealed into the history.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "METADATA",
    "alerts",
    "audit",
    "beliefs",
    "forecasts",
    "grants",
    "links",
    "log",
    "people",
    "refusals",
    "remarks",
    "scores",
    "sessions",
    "settings",
    "signals",
    "snapshots",
    "sources",
    "tokens",
    "twins",
]

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite counts up only what it calls INTEGER
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")


def _number() -> Column[int]:
    return Column("id", NUMBER, primary_key=True, autoincrement=True)


def _twin() -> Column[int]:
    return Column("twin", ForeignKey("twins.id"), nullable=False)


# -- what is followed

twins: Final = Table(
    "twins",
    METADATA,
    _number(),
    Column("name", String(64), nullable=False, unique=True),  # in addresses and topics
    Column("title", String(200), nullable=False),
    Column("recipe", JSON, nullable=False),  # what `sectors.build` makes the twin from
    Column("state", String(16), nullable=False, default="running"),  # running, paused
    Column("made_us", BigInteger, nullable=False),
    Column("made_by", ForeignKey("people.id")),
)

signals: Final = Table(  # every signal that can be read, by the number it has in the log
    "signals",
    METADATA,
    _number(),
    _twin(),
    Column("name", String(64), nullable=False),
    UniqueConstraint("twin", "name"),
)

sources: Final = Table(
    "sources",
    METADATA,
    _number(),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # mqtt, sparkplug, opcua, replay
    Column("settings", JSON, nullable=False),
    Column("state", String(16), nullable=False, default="running"),  # running, paused
    Column("made_us", BigInteger, nullable=False),
)

# -- what was read, and what came of it

log: Final = Table(  # readings as they were taken in, durable before they are acknowledged
    "log",
    METADATA,
    Column("offset", NUMBER, primary_key=True, autoincrement=True),
    Column("arrived_us", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),  # earliest and latest event time
    Column("last_us", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # numpy records, see live.readings.READING
    sqlite_autoincrement=True,
)

snapshots: Final = Table(  # where a twin goes on from after a stop; one each
    "snapshots",
    METADATA,
    Column("twin", ForeignKey("twins.id"), primary_key=True),
    Column("offset", BigInteger, nullable=False),  # the last row of the log that it knows
    Column("time_us", BigInteger, nullable=False),  # older readings are too late for it
    Column("body", LargeBinary, nullable=False),
)

beliefs: Final = Table(  # means and spreads at the twin's own pace
    "beliefs",
    METADATA,
    _number(),
    _twin(),
    Column("time_us", BigInteger, nullable=False),
    Column("mean", JSON, nullable=False),
    Column("sd", JSON, nullable=False),
    UniqueConstraint("twin", "time_us"),
)

forecasts: Final = Table(
    "forecasts",
    METADATA,
    _number(),
    _twin(),
    Column("made_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),  # as far as it looks
    Column("scored_us", BigInteger, nullable=False),  # readings up to here were held against it
    Column("body", LargeBinary, nullable=False),  # see live.outlooks
    UniqueConstraint("twin", "made_us"),
)

scores: Final = Table(  # how past forecasts did, by signal, lead and day
    "scores",
    METADATA,
    _twin(),
    Column("signal", String(64), nullable=False),
    Column("lead_s", Float, nullable=False),
    Column("day", Integer, nullable=False),  # days since 1970 (UTC)
    Column("count", Integer, nullable=False),
    Column("inside_50", Integer, nullable=False),
    Column("inside_90", Integer, nullable=False),
    Column("crps", Float, nullable=False),  # sums, in the signal's unit
    Column("crps_walk", Float, nullable=False),  # the same of the simplest baseline
    UniqueConstraint("twin", "signal", "lead_s", "day"),
)

alerts: Final = Table(
    "alerts",
    METADATA,
    _number(),
    _twin(),
    Column("rule", String(64), nullable=False),
    Column("signal", String(64)),
    Column("severity", String(16), nullable=False),  # notice, warning, danger
    Column("opened_us", BigInteger, nullable=False),  # event times
    Column("last_us", BigInteger, nullable=False),
    Column("cleared_us", BigInteger),  # its reason is over
    Column("probability", Float),
    Column("sentence", Text, nullable=False),
    Column("detail", JSON, nullable=False),  # why it was raised: what `alert` found
    Column("state", String(16), nullable=False, default="open"),  # open, acknowledged, closed
    Column("assigned", ForeignKey("people.id")),
    UniqueConstraint("twin", "rule", "opened_us"),
)

remarks: Final = Table(  # what people did about an alert
    "remarks",
    METADATA,
    _number(),
    Column("alert", ForeignKey("alerts.id"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("person", ForeignKey("people.id")),
    Column("kind", String(16), nullable=False),  # comment, acknowledged, assigned, closed, reopened
    Column("text", Text, nullable=False, default=""),
)

refusals: Final = Table(  # what was not taken in, and why
    "refusals",
    METADATA,
    Column("source", String(64), primary_key=True),
    Column("reason", String(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("example", Text, nullable=False, default=""),
)

# -- people

people: Final = Table(
    "people",
    METADATA,
    _number(),
    Column("email", String(254), nullable=False, unique=True),  # in small letters
    Column("name", String(200), nullable=False),
    Column("password", String(200)),  # an argon2id hash; none when a provider vouches
    Column("subject", String(300), unique=True),  # issuer and subject at an OpenID provider
    Column("language", String(8), nullable=False, default=""),  # "" follows the browser
    Column("zone", String(64), nullable=False, default=""),
    Column("made_us", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_us", BigInteger, nullable=False, default=0),  # no entry before
)

grants: Final = Table(
    "grants",
    METADATA,
    Column("person", ForeignKey("people.id"), primary_key=True),
    Column("twin", String(64), primary_key=True),  # a twin's name, or * for the whole centre
    Column("role", String(16), nullable=False),  # viewer, operator, engineer, administrator
)

sessions: Final = Table(
    "sessions",
    METADATA,
    Column("hash", String(64), primary_key=True),  # of the cookie's secret
    Column("person", ForeignKey("people.id"), nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("agent", String(300), nullable=False, default=""),
)

tokens: Final = Table(  # for programs
    "tokens",
    METADATA,
    _number(),
    Column("hash", String(64), nullable=False, unique=True),
    Column("person", ForeignKey("people.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("scope", String(16), nullable=False),  # read, push, write
    Column("twin", String(64), nullable=False, default="*"),
    Column("made_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False, default=0),
)

links: Final = Table(  # that work once: first administrator, invitation, new password
    "links",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("person", ForeignKey("people.id")),
    Column("ends_us", BigInteger, nullable=False),
)

audit: Final = Table(  # append only; each row's hash covers the one before
    "audit",
    METADATA,
    _number(),
    Column("at_us", BigInteger, nullable=False),
    Column("who", String(254), nullable=False),
    Column("what", String(64), nullable=False),
    Column("about", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
)

settings: Final = Table(
    "settings",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

Index("ix_forecasts_twin_last", forecasts.c.twin, forecasts.c.last_us)
Index("ix_alerts_state_opened", alerts.c.state, alerts.c.opened_us)
Index("ix_remarks_alert", remarks.c.alert)
Index("ix_sessions_person", sessions.c.person)
