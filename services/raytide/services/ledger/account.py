"""One key's account, and what may be done with it: the only place that decides whether a key may ask.

Money is reserved for the worst case before a request is sent, and settled with what it used once it has ended. At any
moment `spent + reserved` is at most the budget, so no order of requests can spend more. Tokens per minute are taken by
an estimate and corrected when the request has ended: they bound a rate, not a sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from raytide.services.ledger.limits import cost_s, given_back, taken, wait_s

DAY_S: Final = 86400


class Period(StrEnum):
    """What a budget is for."""

    DAY = "day"
    """Of UTC; what is left at its end is gone."""
    TOTAL = "total"
    """The life of the key."""


class Denial(StrEnum):
    """Why a request is not let in."""

    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    REQUESTS = "requests_per_minute"
    TOKENS = "tokens_per_minute"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per minute; None where unlimited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def or_else(self, default: Limits) -> Limits:
        """These limits, and the default's where one is not set."""
        return Limits(
            requests_per_minute=_first(self.requests_per_minute, default.requests_per_minute),
            tokens_per_minute=_first(self.tokens_per_minute, default.tokens_per_minute),
        )


UNLIMITED: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Most that a key may spend."""

    nano_usd: int
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that wants to be let in."""

    request_id: str
    """Unique; a request is billed once under it."""
    service: str
    secret_hash: str | None
    """Of the key that it came with; None for a request without one."""
    tokens: int
    """Estimated, for the limit of tokens per minute."""
    worst_nano_usd: int
    """The most that it may cost."""
    defaults: Limits = UNLIMITED
    """The service's, for a key that sets no limits of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A key as the ledger holds it."""

    key_id: str
    name: str
    limits: Limits = UNLIMITED
    budget: Budget | None = None
    traffic_class: str | None = None
    is_revoked: bool = False
    requests_paid_s: float = 0.0
    """When its requests will be paid back, seconds since the epoch."""
    tokens_paid_s: float = 0.0
    day: int = 0
    """The day since the epoch that `spent_nano_usd` is of, where the budget is one per day."""
    spent_nano_usd: int = 0
    reserved_nano_usd: int = 0

    @property
    def left_nano_usd(self) -> int | None:
        """What may still be reserved; None without a budget."""
        return None if self.budget is None else self.budget.nano_usd - self.spent_nano_usd - self.reserved_nano_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What an admitted request holds until it ends."""

    request_id: str
    key_id: str
    service: str
    nano_usd: int
    tokens: int
    """Taken from the limit."""
    tokens_s: float
    """The time that these count as; 0 where nothing limits tokens."""
    opened_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A request that is not let in."""

    denial: Denial
    retry_after_s: float | None = None
    """None where waiting does not help."""
    left_nano_usd: int | None = None
    """Of the budget, where that is why."""


def admitted(account: Account, ask: Ask, now_s: float) -> tuple[Account, Reservation] | Denied:
    """The account with what the request reserves, or why it may not."""
    if account.is_revoked:
        return Denied(denial=Denial.REVOKED_KEY)
    today = of_today(account, now_s)
    limits = account.limits.or_else(ask.defaults)
    request_s = cost_s(1, limits.requests_per_minute) if limits.requests_per_minute else 0.0
    tokens_s = cost_s(ask.tokens, limits.tokens_per_minute) if limits.tokens_per_minute else 0.0
    denied = _denied(today, ask, request_s, tokens_s, now_s)
    if denied is not None:
        return denied
    holding = replace(
        today,
        requests_paid_s=taken(today.requests_paid_s, request_s, now_s) if request_s else today.requests_paid_s,
        tokens_paid_s=taken(today.tokens_paid_s, tokens_s, now_s) if tokens_s else today.tokens_paid_s,
        reserved_nano_usd=today.reserved_nano_usd + ask.worst_nano_usd,
    )
    return holding, _reservation(ask, account.key_id, tokens_s, now_s)


def settled(account: Account, held: Reservation, cost_nano_usd: int, tokens: int, now_s: float) -> tuple[Account, int]:
    """The account after a request that held this has used so much, and what it is charged.

    It is never charged more than it held, so that a cost which the worst case did not foresee breaks no budget. Tokens
    that it did not use are given back, those beyond the estimate are taken.
    """
    today = of_today(account, now_s)
    charged = min(cost_nano_usd, held.nano_usd)
    unused_s = held.tokens_s * (held.tokens - tokens) / held.tokens if held.tokens else 0.0
    after = replace(
        today,
        tokens_paid_s=given_back(today.tokens_paid_s, unused_s),
        reserved_nano_usd=today.reserved_nano_usd - held.nano_usd,
        spent_nano_usd=today.spent_nano_usd + charged,
    )
    return after, charged


def of_today(account: Account, now_s: float) -> Account:
    """The account with yesterday's spending forgotten, where its budget is one per day."""
    day = int(now_s // DAY_S)
    if account.budget is None or account.budget.period is Period.TOTAL or day <= account.day:
        return account
    return replace(account, day=day, spent_nano_usd=0)


def _denied(account: Account, ask: Ask, request_s: float, tokens_s: float, now_s: float) -> Denied | None:
    if request_s and (wait := wait_s(account.requests_paid_s, request_s, now_s)):
        return Denied(denial=Denial.REQUESTS, retry_after_s=wait)
    if tokens_s and (wait := wait_s(account.tokens_paid_s, tokens_s, now_s)):
        return Denied(denial=Denial.TOKENS, retry_after_s=wait)
    left = account.left_nano_usd
    if account.budget is not None and left is not None and ask.worst_nano_usd > left:
        return Denied(denial=Denial.BUDGET, retry_after_s=_until_more_s(account, ask, now_s), left_nano_usd=left)
    return None


def _until_more_s(account: Account, ask: Ask, now_s: float) -> float | None:
    """Seconds until it may fit: soon where reservations of others are in the way, else the next day, else never."""
    assert account.budget is not None
    if account.spent_nano_usd + ask.worst_nano_usd <= account.budget.nano_usd:
        return 1.0
    fits_a_day = account.budget.period is Period.DAY and ask.worst_nano_usd <= account.budget.nano_usd
    return DAY_S - now_s % DAY_S if fits_a_day else None


def _reservation(ask: Ask, key_id: str, tokens_s: float, now_s: float) -> Reservation:
    return Reservation(
        request_id=ask.request_id,
        key_id=key_id,
        service=ask.service,
        nano_usd=ask.worst_nano_usd,
        tokens=ask.tokens,
        tokens_s=tokens_s,
        opened_s=now_s,
    )


def _first(own: int | None, default: int | None) -> int | None:
    return default if own is None else own
