"""The ledger in a database: accounts are locked, decided on and written back in one transaction.

A batch of operations is one transaction, so that many concurrent requests cost one commit. SQLite has one writer at a
time; PostgreSQL locks reservations and then accounts, each in one order, so that no two gateways wait for each other in
a circle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Connection,
    Engine,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from raytide.services.ledger.account import Ask, Denied, Reservation
from raytide.services.ledger.database import connect, reading
from raytide.services.ledger.rows import (
    UPDATE_ACCOUNT,
    account_of,
    account_values,
    reservation_of,
    reservation_values,
    usage_of,
    usage_values,
)
from raytide.services.ledger.sheet import Admitted, Sheet
from raytide.services.ledger.tables import ANONYMOUS, GATEWAYS, KEYS, RESERVATIONS, USAGE
from raytide.services.ledger.usage import Outcome, Settlement, UsageSum

Operation = Ask | Settlement

# Built once: building a statement takes longer than SQLite needs to run it.
_OF_REQUESTS: Final[BindParameter[Any]] = bindparam("request_ids", expanding=True)
_HELD: Final = (
    select(RESERVATIONS)
    .where(RESERVATIONS.c.request_id.in_(_OF_REQUESTS))
    .order_by(RESERVATIONS.c.request_id)
    .with_for_update()
)
_BILLED: Final = select(USAGE).where(USAGE.c.request_id.in_(_OF_REQUESTS))
_ACCOUNTS: Final = (
    select(KEYS)
    .where(
        or_(
            KEYS.c.secret_hash.in_(bindparam("hashes", expanding=True)),
            KEYS.c.key_id.in_(bindparam("key_ids", expanding=True)),
        )
    )
    .order_by(KEYS.c.key_id)
    .with_for_update()
)
_OPEN: Final = RESERVATIONS.insert()
_CLOSE: Final = delete(RESERVATIONS).where(RESERVATIONS.c.request_id.in_(_OF_REQUESTS))
_BILL: Final = USAGE.insert()
_UNBILL: Final = delete(USAGE).where(USAGE.c.request_id.in_(_OF_REQUESTS))


class Ledger:
    """Accounts, reservations and usage, as one gateway enters them."""

    def __init__(self, engine: Engine, *, gateway: str, now_s: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._gateway = gateway
        self._now_s = now_s

    def enter(self, operations: Sequence[Operation]) -> list[Admitted | Denied | None]:
        """The answer to each operation, once all of them are committed; None for a settlement."""
        now_s = self._now_s()
        with self._engine.begin() as connection:
            sheet = _read(connection, operations)
            answers = [_apply(sheet, operation, now_s) for operation in operations]
            _write(connection, sheet, self._gateway)
        return answers

    def keep_alive(self, for_s: float) -> int:
        """Say that this gateway lives for so long, and free what dead ones held: the number of their requests."""
        now_s = self._now_s()
        with self._engine.begin() as connection:
            _renew(connection, self._gateway, now_s + for_s)
            alive = select(GATEWAYS.c.gateway).where(GATEWAYS.c.alive_until_s >= now_s)
            orphans = select(RESERVATIONS.c.request_id).where(RESERVATIONS.c.gateway.not_in(alive))
            left = connection.scalars(orphans).all()
            connection.execute(delete(GATEWAYS).where(GATEWAYS.c.alive_until_s < now_s))
        if left:
            self.enter([Settlement(request_id=request_id, outcome=Outcome.LOST) for request_id in left])
        return len(left)

    def usage(self) -> list[UsageSum]:
        """What each key used of each service, dearest first."""
        sums = [func.sum(USAGE.c[name]).label(name) for name in ("prompt_tokens", "output_tokens", "charged_nano_usd")]
        by = (USAGE.c.key_id, USAGE.c.service)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*by, func.count().label("num_requests"), *sums).group_by(*by)).all()
        # PostgreSQL sums big integers as decimals.
        found = [UsageSum(row[0], row[1], *(int(value) for value in row[2:])) for row in rows]
        return sorted(found, key=lambda each: (-each.charged_nano_usd, each.key_id, each.service))

    def reservations(self) -> list[Reservation]:
        """What open requests hold."""
        with reading(self._engine) as connection:
            return [reservation_of(row) for row in connection.execute(select(RESERVATIONS)).mappings()]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def open_ledger(url: str, *, gateway: str) -> Ledger:
    """The ledger at a database URL, for a gateway of this unique name.

    Raises:
        LedgerUnavailable: no database answers there, or its driver is not installed.
    """
    return Ledger(connect(url), gateway=gateway)


def _apply(sheet: Sheet, operation: Operation, now_s: float) -> Admitted | Denied | None:
    if isinstance(operation, Ask):
        return sheet.admit(operation, now_s)
    sheet.settle(operation, now_s)
    return None


def _read(connection: Connection, operations: Sequence[Operation]) -> Sheet:
    ended = [operation.request_id for operation in operations if isinstance(operation, Settlement)]
    held = {row["request_id"]: reservation_of(row) for row in _rows(connection, _HELD, ended)}
    unheld = [request_id for request_id in ended if request_id not in held]
    billed = {row["request_id"]: usage_of(row) for row in _rows(connection, _BILLED, unheld)}
    hashes = {operation.secret_hash for operation in operations if isinstance(operation, Ask)}
    key_ids = {reservation.key_id for reservation in held.values()} | {row.key_id for row in billed.values()}
    if None in hashes:
        key_ids.add(ANONYMOUS)
    given = {"hashes": [each for each in hashes if each is not None], "key_ids": list(key_ids)}
    rows = connection.execute(_ACCOUNTS, given).mappings().all()
    return Sheet(
        accounts={row["key_id"]: account_of(row) for row in rows},
        key_ids={row["secret_hash"]: row["key_id"] for row in rows},
        held=held,
        billed=billed,
    )


def _rows(connection: Connection, statement: Select[Any], request_ids: Sequence[str]) -> Iterable[RowMapping]:
    return connection.execute(statement, {"request_ids": request_ids}).mappings() if request_ids else ()


def _write(connection: Connection, sheet: Sheet, gateway: str) -> None:
    if sheet.changed:
        connection.execute(UPDATE_ACCOUNT, [account_values(sheet.accounts[key_id]) for key_id in sorted(sheet.changed)])
    if sheet.opened:
        connection.execute(_OPEN, [reservation_values(each, gateway) for each in sheet.opened.values()])
    if sheet.closed:
        connection.execute(_CLOSE, {"request_ids": sheet.closed})
    if sheet.corrected:
        connection.execute(_UNBILL, {"request_ids": sheet.corrected})
    if sheet.ended:
        connection.execute(_BILL, [usage_values(row) for row in sheet.ended.values()])


def _renew(connection: Connection, gateway: str, until_s: float) -> None:
    renewed = connection.execute(update(GATEWAYS).where(GATEWAYS.c.gateway == gateway).values(alive_until_s=until_s))
    if not renewed.rowcount:
        connection.execute(GATEWAYS.insert().values(gateway=gateway, alive_until_s=until_s))
