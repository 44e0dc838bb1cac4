"""The table of answers that may be judged, in the ledger's database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Double, Index, MetaData, String, Table, Text

METADATA: Final = MetaData()

ANSWERS: Final = Table(
    "raytide_answers",
    METADATA,
    Column("answer_id", String(100), primary_key=True),
    Column("key_id", String(40), nullable=False),
    Column("service", String(100), nullable=False),
    Column("revision", String(100), nullable=False),
    Column("asked", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("answered_s", Double, nullable=False),
    Column("keep_s", Double, nullable=False),
    Column("forget_s", Double, nullable=False, index=True),
    Column("rating", String(10)),
    Column("edit", Text),
    Column("judged_s", Double),  # NULL: nobody has judged it
    Index("raytide_answers_judged", "service", "judged_s"),
)
