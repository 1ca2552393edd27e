"""The first tables, as they were: later migrations change them, never this file."""

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None

# SQLite counts up only what it calls INTEGER
NUMBER = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("who", String(length=254), nullable=False),
        Column("what", String(length=64), nullable=False),
        Column("about", String(length=200), nullable=False),
        Column("detail", JSON(), nullable=False),
        Column("hash", String(length=64), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "log",
        Column("offset", NUMBER, autoincrement=True, nullable=False),
        Column("arrived_us", BigInteger(), nullable=False),
        Column("first_us", BigInteger(), nullable=False),
        Column("last_us", BigInteger(), nullable=False),
        Column("count", Integer(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("offset", name=op.f("pk_log")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "people",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("email", String(length=254), nullable=False),
        Column("name", String(length=200), nullable=False),
        Column("password", String(length=200), nullable=True),
        Column("subject", String(length=300), nullable=True),
        Column("language", String(length=8), nullable=False),
        Column("zone", String(length=64), nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        Column("disabled", Boolean(), nullable=False),
        Column("failures", Integer(), nullable=False),
        Column("locked_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_people")),
        UniqueConstraint("email", name=op.f("uq_people_email")),
        UniqueConstraint("subject", name=op.f("uq_people_subject")),
    )
    op.create_table(
        "refusals",
        Column("source", String(length=64), nullable=False),
        Column("reason", String(length=64), nullable=False),
        Column("count", BigInteger(), nullable=False),
        Column("first_us", BigInteger(), nullable=False),
        Column("last_us", BigInteger(), nullable=False),
        Column("example", Text(), nullable=False),
        PrimaryKeyConstraint("source", "reason", name=op.f("pk_refusals")),
    )
    op.create_table(
        "settings",
        Column("name", String(length=64), nullable=False),
        Column("value", JSON(), nullable=False),
        PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "sources",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("name", String(length=64), nullable=False),
        Column("kind", String(length=16), nullable=False),
        Column("settings", JSON(), nullable=False),
        Column("state", String(length=16), nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        UniqueConstraint("name", name=op.f("uq_sources_name")),
    )
    op.create_table(
        "grants",
        Column("person", NUMBER, nullable=False),
        Column("twin", String(length=64), nullable=False),
        Column("role", String(length=16), nullable=False),
        ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_grants_person")),
        PrimaryKeyConstraint("person", "twin", name=op.f("pk_grants")),
    )
    op.create_table(
        "links",
        Column("hash", String(length=64), nullable=False),
        Column("purpose", String(length=16), nullable=False),
        Column("person", NUMBER, nullable=True),
        Column("ends_us", BigInteger(), nullable=False),
        ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_links_person")),
        PrimaryKeyConstraint("hash", name=op.f("pk_links")),
    )
    op.create_table(
        "sessions",
        Column("hash", String(length=64), nullable=False),
        Column("person", NUMBER, nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        Column("seen_us", BigInteger(), nullable=False),
        Column("ends_us", BigInteger(), nullable=False),
        Column("agent", String(length=300), nullable=False),
        ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_sessions_person")),
        PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"], unique=False)
    op.create_table(
        "tokens",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("hash", String(length=64), nullable=False),
        Column("person", NUMBER, nullable=False),
        Column("name", String(length=100), nullable=False),
        Column("scope", String(length=16), nullable=False),
        Column("twin", String(length=64), nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        Column("ends_us", BigInteger(), nullable=False),
        Column("used_us", BigInteger(), nullable=False),
        ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_tokens_person")),
        PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "twins",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("name", String(length=64), nullable=False),
        Column("title", String(length=200), nullable=False),
        Column("recipe", JSON(), nullable=False),
        Column("state", String(length=16), nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        Column("made_by", NUMBER, nullable=True),
        ForeignKeyConstraint(["made_by"], ["people.id"], name=op.f("fk_twins_made_by")),
        PrimaryKeyConstraint("id", name=op.f("pk_twins")),
        UniqueConstraint("name", name=op.f("uq_twins_name")),
    )
    op.create_table(
        "alerts",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("twin", NUMBER, nullable=False),
        Column("rule", String(length=64), nullable=False),
        Column("signal", String(length=64), nullable=True),
        Column("severity", String(length=16), nullable=False),
        Column("opened_us", BigInteger(), nullable=False),
        Column("last_us", BigInteger(), nullable=False),
        Column("cleared_us", BigInteger(), nullable=True),
        Column("probability", Float(), nullable=True),
        Column("sentence", Text(), nullable=False),
        Column("detail", JSON(), nullable=False),
        Column("state", String(length=16), nullable=False),
        Column("assigned", NUMBER, nullable=True),
        ForeignKeyConstraint(["assigned"], ["people.id"], name=op.f("fk_alerts_assigned")),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_alerts_twin")),
        PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        UniqueConstraint("twin", "rule", "opened_us", name=op.f("uq_alerts_twin")),
    )
    op.create_index("ix_alerts_state_opened", "alerts", ["state", "opened_us"], unique=False)
    op.create_table(
        "beliefs",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("twin", NUMBER, nullable=False),
        Column("time_us", BigInteger(), nullable=False),
        Column("mean", JSON(), nullable=False),
        Column("sd", JSON(), nullable=False),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_beliefs_twin")),
        PrimaryKeyConstraint("id", name=op.f("pk_beliefs")),
        UniqueConstraint("twin", "time_us", name=op.f("uq_beliefs_twin")),
    )
    op.create_table(
        "forecasts",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("twin", NUMBER, nullable=False),
        Column("made_us", BigInteger(), nullable=False),
        Column("last_us", BigInteger(), nullable=False),
        Column("scored_us", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_forecasts_twin")),
        PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
        UniqueConstraint("twin", "made_us", name=op.f("uq_forecasts_twin")),
    )
    op.create_index("ix_forecasts_twin_last", "forecasts", ["twin", "last_us"], unique=False)
    op.create_table(
        "scores",
        Column("twin", NUMBER, nullable=False),
        Column("signal", String(length=64), nullable=False),
        Column("lead_s", Float(), nullable=False),
        Column("day", Integer(), nullable=False),
        Column("count", Integer(), nullable=False),
        Column("inside_50", Integer(), nullable=False),
        Column("inside_90", Integer(), nullable=False),
        Column("crps", Float(), nullable=False),
        Column("crps_walk", Float(), nullable=False),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_scores_twin")),
        UniqueConstraint("twin", "signal", "lead_s", "day", name=op.f("uq_scores_twin")),
    )
    op.create_table(
        "signals",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("twin", NUMBER, nullable=False),
        Column("name", String(length=64), nullable=False),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_signals_twin")),
        PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        UniqueConstraint("twin", "name", name=op.f("uq_signals_twin")),
    )
    op.create_table(
        "snapshots",
        Column("twin", NUMBER, nullable=False),
        Column("offset", BigInteger(), nullable=False),
        Column("time_us", BigInteger(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["twin"], ["twins.id"], name=op.f("fk_snapshots_twin")),
        PrimaryKeyConstraint("twin", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "remarks",
        Column("id", NUMBER, autoincrement=True, nullable=False),
        Column("alert", NUMBER, nullable=False),
        Column("at_us", BigInteger(), nullable=False),
        Column("person", NUMBER, nullable=True),
        Column("kind", String(length=16), nullable=False),
        Column("text", Text(), nullable=False),
        ForeignKeyConstraint(["alert"], ["alerts.id"], name=op.f("fk_remarks_alert")),
        ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_remarks_person")),
        PrimaryKeyConstraint("id", name=op.f("pk_remarks")),
    )
    op.create_index("ix_remarks_alert", "remarks", ["alert"], unique=False)
    # ### end Alembic commands ###
