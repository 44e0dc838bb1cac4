"""The ledger's records as rows of its tables, and back."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, update

from raytide.services.ledger.account import Account, Budget, Limits, Period, Reservation
from raytide.services.ledger.tables import KEYS
from raytide.services.ledger.usage import Outcome, UsageRow

_KEPT: Final = ("requests_paid_s", "tokens_paid_s", "day", "spent_nano_usd", "reserved_nano_usd")
"""The columns of a key that requests change."""
UPDATE_ACCOUNT: Final = (
    update(KEYS).where(KEYS.c.key_id == bindparam("of_key")).values({name: bindparam(name) for name in _KEPT})
)
"""Takes many of `account_values`."""


def account_of(row: RowMapping) -> Account:
    """The account in a row of the keys."""
    budget = row["budget_nano_usd"]
    return Account(
        key_id=row["key_id"],
        name=row["name"],
        limits=Limits(requests_per_minute=row["requests_per_minute"], tokens_per_minute=row["tokens_per_minute"]),
        budget=None if budget is None else Budget(nano_usd=budget, period=Period(row["budget_period"])),
        traffic_class=row["traffic_class"],
        is_revoked=row["revoked_s"] is not None,
        **{name: row[name] for name in _KEPT},
    )


def account_values(account: Account) -> dict[str, Any]:
    """What `UPDATE_ACCOUNT` writes."""
    return {"of_key": account.key_id, **{name: getattr(account, name) for name in _KEPT}}


def reservation_of(row: RowMapping) -> Reservation:
    """The reservation in a row."""
    return Reservation(**{name: row[name] for name in Reservation.__dataclass_fields__})


def reservation_values(reservation: Reservation, gateway: str) -> dict[str, Any]:
    """The row of a reservation that this gateway answers for."""
    return {name: getattr(reservation, name) for name in Reservation.__dataclass_fields__} | {"gateway": gateway}


def usage_of(row: RowMapping) -> UsageRow:
    """The billed request in a row."""
    fields = {name: row[name] for name in UsageRow.__dataclass_fields__}
    return UsageRow(**fields | {"outcome": Outcome(row["outcome"])})


def usage_values(row: UsageRow) -> dict[str, Any]:
    """The row of a billed request."""
    return {name: getattr(row, name) for name in UsageRow.__dataclass_fields__} | {"outcome": row.outcome.value}
