"""The account of a time, read from the ledger's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.operator.cost.forecast import LOOKS_BACK_DAYS, MonthForecast, month_forecast
from raytide.services.accounting.attribute import Share, attribute
from raytide.services.accounting.book import Book, Spans
from raytide.services.accounting.span import NodeSpan

_NS_PER_S: Final = 10**9
_DAY_NS: Final = 86_400 * _NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who held what between two moments."""

    from_ns: int
    until_ns: int
    spans: Spans
    shares: tuple[Share, ...]


def account(book: Book, from_ns: int, until_ns: int) -> Account:
    """All of it; its shares add up to what the nodes were."""
    spans = book.spans(from_ns, until_ns)
    shares = attribute(spans.nodes, spans.claims, from_ns, until_ns)
    return Account(from_ns=from_ns, until_ns=until_ns, spans=spans, shares=shares)


def month(book: Book, now_ns: int) -> MonthForecast | Missing:
    """The calendar month that the moment is in, in UTC; what comes is told from days accounted from their beginning."""
    today = datetime.fromtimestamp(now_ns / _NS_PER_S, UTC).date()
    first = min(today.replace(day=1), today - timedelta(days=LOOKS_BACK_DAYS))
    nodes = book.nodes(_begins_ns(first), now_ns)
    begun = [day for day in _days(first, today) if any(span.from_ns <= _begins_ns(day) for span in nodes)]
    days = {day: _cost(nodes, _begins_ns(day), min(_begins_ns(day) + _DAY_NS, now_ns)) for day in begun}
    return month_forecast(days, today, _cost(nodes, _begins_ns(today.replace(day=1)), now_ns))


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _cost(nodes: Sequence[NodeSpan], from_ns: int, until_ns: int) -> Fraction:
    """Of nodes, whoever held them."""
    shares = attribute(nodes, (), from_ns, until_ns)
    return sum((share.nano_usd or Fraction(0) for share in shares), Fraction(0))


def _begins_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * _NS_PER_S
