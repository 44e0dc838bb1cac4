"""The tables of who held what, beside those of keys and usage."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, String, Table

METADATA: Final = MetaData()

NODES: Final = Table(
    "raytide_node_time",
    METADATA,
    Column("row", String(60), primary_key=True),
    Column("node", String(100), nullable=False),
    Column("pool", String(100), nullable=False),
    Column("accelerator", String(100), nullable=False),
    Column("market", String(100), nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("nano_usd_per_hour", BigInteger),
    Column("from_ns", BigInteger, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
    Index("raytide_node_time_of", "node", "from_ns"),
)

CLAIMS: Final = Table(
    "raytide_claims",
    METADATA,
    Column("row", String(60), primary_key=True),
    Column("claim", String(120), nullable=False),
    Column("node", String(100), nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(100), nullable=False),
    Column("team", String(100), nullable=False),
    Column("variant", String(200), nullable=False),
    Column("revision", String(40), nullable=False),
    Column("canary", Boolean, nullable=False),
    Column("job", String(200), nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
    Index("raytide_claims_until", "until_ns"),
)

JOBS: Final = Table(
    "raytide_job_status",
    METADATA,
    Column("job", String(200), primary_key=True),
    Column("status", String(20), nullable=False),
)
