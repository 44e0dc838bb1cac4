"""The book of node time and claims in a database: one transaction a look, and rows that grow while nothing changes.

What was seen at a look holds until the next one. A writer that is killed loses what came after its last look, and one
that comes back too late leaves the time between to nobody: `attribute` calls it unknown.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import count
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, Table, bindparam, delete, func, select, update

from raytide.services.accounting.sight import Claim, Snapshot
from raytide.services.accounting.span import ClaimSpan, Kind, NodeSpan, Owner, Rate
from raytide.services.accounting.tables import CLAIMS, JOBS, METADATA, NODES
from raytide.services.ledger.database import reading

LONGEST_NS: Final = 60 * 10**9
"""Between two looks; what was seen at the first says nothing of a longer time."""
_OWNER: Final = tuple(field.name for field in fields(Owner))
_RATE: Final = tuple(field.name for field in fields(Rate))
_Seen = TypeVar("_Seen", Claim, tuple[str, Rate])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """What a book has of a time."""

    nodes: Sequence[NodeSpan]
    claims: Sequence[ClaimSpan]
    jobs: Mapping[str, str]
    """The latest status of each job, by its id."""


class Book:
    """Of one cluster; its tables are made where they are missing."""

    def __init__(self, engine: Engine, longest_ns: int = LONGEST_NS) -> None:
        METADATA.create_all(engine)
        self._engine, self._longest_ns = engine, longest_ns
        self._writer = writer = uuid.uuid4().hex
        self._new_rows = (f"{writer}-{number}" for number in count())
        self._looked_ns = 0
        self._nodes: dict[tuple[str, Rate], str] = {}
        self._claims: dict[Claim, str] = {}
        self._jobs: Mapping[str, str] = {}

    def enter(self, seen: Snapshot, at_ns: int) -> None:
        """Write a look down; after one that failed, the next says all that it would have said."""
        goes_on = 0 <= at_ns - self._looked_ns <= self._longest_ns
        nodes = self._rows(seen.nodes.items(), self._nodes if goes_on else {})
        claims = self._rows(seen.claims, self._claims if goes_on else {})
        with self._engine.begin() as connection:
            if at_ns < self._looked_ns:
                _take_back(connection, NODES, self._writer, at_ns)
                _take_back(connection, CLAIMS, self._writer, at_ns)
            if goes_on:
                _grow(connection, NODES, self._nodes.values(), at_ns)
                _grow(connection, CLAIMS, self._claims.values(), at_ns)
            _open(connection, NODES, self._nodes.values(), nodes, at_ns)
            _open(connection, CLAIMS, self._claims.values(), claims, at_ns)
            _say(connection, {job: status for job, status in seen.jobs.items() if self._jobs.get(job) != status})
        self._nodes, self._claims, self._jobs, self._looked_ns = nodes, claims, seen.jobs, at_ns

    def spans(self, from_ns: int, until_ns: int) -> Spans:
        """All spans of the nodes that were there between the moments, and what was held of them meanwhile."""
        held = select(CLAIMS).where(CLAIMS.c.until_ns > from_ns, CLAIMS.c.from_ns < until_ns)
        with reading(self._engine) as connection:
            return Spans(
                nodes=_nodes(connection, from_ns, until_ns),
                claims=[_claim_span(row) for row in connection.execute(held).mappings()],
                jobs={row["job"]: row["status"] for row in connection.execute(select(JOBS)).mappings()},
            )

    def nodes(self, from_ns: int, until_ns: int) -> Sequence[NodeSpan]:
        """Those of `spans`, where nobody asks who held them."""
        with reading(self._engine) as connection:
            return _nodes(connection, from_ns, until_ns)

    def _rows(self, seen: Iterable[_Seen], opened: Mapping[_Seen, str]) -> dict[_Seen, str]:
        return {each: opened.get(each) or next(self._new_rows) for each in seen}


def _grow(connection: Connection, table: Table, rows: Iterable[str], at_ns: int) -> None:
    changed = update(table).where(table.c.row == bindparam("of_row")).values(until_ns=at_ns)
    if found := [{"of_row": row} for row in rows]:
        connection.execute(changed, found)


def _take_back(connection: Connection, table: Table, writer: str, at_ns: int) -> None:
    """The clock was set back: what this writer saw after now, it saw at another time, and nobody pays for it."""
    later = table.c.row.startswith(f"{writer}-") & (table.c.until_ns > at_ns)
    connection.execute(delete(table).where(later, table.c.from_ns >= at_ns))
    connection.execute(update(table).where(later).values(until_ns=at_ns))


def _open(connection: Connection, table: Table, before: Collection[str], now: Mapping[_Seen, str], at_ns: int) -> None:
    at = {"from_ns": at_ns, "until_ns": at_ns}
    known = frozenset(before)
    if new := [{"row": row, **at, **_plain(seen)} for seen, row in now.items() if row not in known]:
        connection.execute(table.insert(), new)


def _plain(seen: Claim | tuple[str, Rate]) -> dict[str, Any]:
    if isinstance(seen, Claim):
        return {"claim": seen.claim, "node": seen.node, "units": seen.units, **asdict(seen.owner)}
    node, rate = seen
    return {"node": node, **asdict(rate)}


def _say(connection: Connection, jobs: Mapping[str, str]) -> None:
    if jobs:
        connection.execute(delete(JOBS).where(JOBS.c.job.in_(jobs)))
        connection.execute(JOBS.insert(), [{"job": job, "status": status} for job, status in jobs.items()])


def _nodes(connection: Connection, from_ns: int, until_ns: int) -> list[NodeSpan]:
    lived = select(NODES.c.node).group_by(NODES.c.node)
    there = lived.having(func.max(NODES.c.until_ns) > from_ns, func.min(NODES.c.from_ns) < until_ns)
    return [_node_span(row) for row in connection.execute(select(NODES).where(NODES.c.node.in_(there))).mappings()]


def _node_span(row: RowMapping) -> NodeSpan:
    rate = Rate(**{name: row[name] for name in _RATE})
    return NodeSpan(node=row["node"], rate=rate, from_ns=row["from_ns"], until_ns=row["until_ns"])


def _claim_span(row: RowMapping) -> ClaimSpan:
    owner = Owner(**{name: row[name] for name in _OWNER} | {"kind": Kind(row["kind"])})
    at = {"from_ns": row["from_ns"], "until_ns": row["until_ns"]}
    return ClaimSpan(claim=row["claim"], node=row["node"], owner=owner, units=row["units"], **at)
