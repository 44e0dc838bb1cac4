from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest

from raytide.autoscaling.missing import Missing
from raytide.operator.cost.account import month
from raytide.operator.cost.forecast import MonthForecast, month_forecast
from raytide.services.accounting.book import Book
from raytide.services.accounting.sight import Snapshot
from raytide.services.accounting.span import UNITS, Rate
from raytide.services.ledger.database import connect

TODAY = date(2027, 3, 11)  # a Thursday


def _days(cost_of: dict[int, int], num: int = 28) -> dict[date, Fraction]:
    days = [TODAY - timedelta(days=back) for back in range(num, 0, -1)]
    return {day: Fraction(cost_of.get(day.weekday(), 0)) for day in days}


def test_days_that_are_all_alike_go_on_alike_and_leave_no_doubt() -> None:
    found = month_forecast(_days(dict.fromkeys(range(7), 10)), TODAY, Fraction(100))
    assert found == MonthForecast(so_far=Fraction(100), expected=310, low=310, high=310)


def test_a_weekend_costs_what_weekends_cost() -> None:
    found = month_forecast(_days(dict.fromkeys(range(5), 10)), TODAY, Fraction(80))
    assert isinstance(found, MonthForecast)
    assert found.expected == 80 + 15 * 10  # fifteen working days are left of March 2027, today's included


def test_what_today_has_cost_is_not_expected_again() -> None:
    days = {**_days(dict.fromkeys(range(7), 10)), TODAY: Fraction(4)}
    found = month_forecast(days, TODAY, Fraction(104))
    assert isinstance(found, MonthForecast)
    assert found.expected == 310


def test_days_that_differ_widen_the_range_but_never_below_what_was_paid() -> None:
    days = {day: Fraction(cost) for day, cost in zip(_days({}), (0, 40) * 14, strict=True)}
    found = month_forecast(days, TODAY, Fraction(100))
    assert isinstance(found, MonthForecast)
    assert 100 <= found.low < found.expected < found.high


@pytest.mark.parametrize("num", [0, 1])
def test_a_month_is_not_forecast_from_less_than_two_days(num: int) -> None:
    assert isinstance(month_forecast(_days({}, num), TODAY, Fraction(0)), Missing)


def test_what_was_paid_this_month_begins_with_the_first_hour_that_was_accounted() -> None:
    """Not with the first whole day, of which alone a forecast is made."""
    hour_ns = 3600 * 10**9
    began_ns = int(datetime(2027, 3, 8, 12, tzinfo=UTC).timestamp()) * 10**9
    book = Book(connect("sqlite://"), longest_ns=100 * hour_ns)
    rate = Rate(pool="cpu", accelerator="CPU", market="on-demand", units=UNITS, nano_usd_per_hour=5)
    for hours in (0, 78):
        book.enter(Snapshot(nodes={"n": rate}, claims=()), began_ns + hours * hour_ns)
    found = month(book, began_ns + 78 * hour_ns)
    assert isinstance(found, MonthForecast)
    assert found.so_far == 78 * 5
    assert found.expected == pytest.approx((78 + 6 + 20 * 24) * 5)
