"""The ledger's tables, as SQLite and PostgreSQL both keep them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, String, Table

METADATA: Final = MetaData()

ANONYMOUS: Final = "anonymous"
"""The id of the account of all who come without a key, where a service lets them in."""

KEYS: Final = Table(
    "raytide_keys",
    METADATA,
    Column("key_id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("secret_hash", String(64), unique=True),  # NULL: of `ANONYMOUS`
    Column("shown", String(20), nullable=False),
    Column("created_s", Double, nullable=False),
    Column("revoked_s", Double),
    Column("traffic_class", String(100)),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("budget_nano_usd", BigInteger),
    Column("budget_period", String(10)),
    Column("requests_paid_s", Double, nullable=False, default=0.0),
    Column("tokens_paid_s", Double, nullable=False, default=0.0),
    Column("day", Integer, nullable=False, default=0),
    Column("spent_nano_usd", BigInteger, nullable=False, default=0),
    Column("reserved_nano_usd", BigInteger, nullable=False, default=0),
)

RESERVATIONS: Final = Table(
    "raytide_reservations",
    METADATA,
    Column("request_id", String(100), primary_key=True),
    Column("key_id", String(40), nullable=False),
    Column("service", String(100), nullable=False),
    Column("gateway", String(100), nullable=False, index=True),
    Column("nano_usd", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("tokens_s", Double, nullable=False),
    Column("opened_s", Double, nullable=False),
)

USAGE: Final = Table(
    "raytide_usage",
    METADATA,
    Column("request_id", String(100), primary_key=True),  # billed once, whoever says so twice
    Column("key_id", String(40), nullable=False),
    Column("service", String(100), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("charged_nano_usd", BigInteger, nullable=False),
    Column("ended_s", Double, nullable=False),
    Index("raytide_usage_of_key", "key_id", "ended_s"),
)

GATEWAYS: Final = Table(
    "raytide_gateways",
    METADATA,
    Column("gateway", String(100), primary_key=True),
    Column("alive_until_s", Double, nullable=False),
)
