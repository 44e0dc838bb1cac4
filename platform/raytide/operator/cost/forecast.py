"""What a month will have cost: what it has, and the days that are left at what such days cost lately."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from statistics import mean, pstdev
from typing import Final

from raytide.autoscaling.missing import Missing

LOOKS_BACK_DAYS: Final = 28
"""Four of each weekday."""
_FEWEST_DAYS: Final = 2
_DEVIATIONS: Final = 1.645  # of a normal distribution, on either side of 90 %


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthForecast:
    """Of a calendar month in UTC, in billionths of a dollar."""

    so_far: Fraction
    expected: float
    low: float
    high: float
    """The middle 90 %, if days differ as they did, independently of each other."""


def month_forecast(days: Mapping[date, Fraction], today: date, so_far: Fraction) -> MonthForecast | Missing:
    """The month of `today`, from the cost of the whole days before it that were accounted, and of the month until now.

    A day that is left costs the mean of its weekday, where there were two, else the mean of all days; how they
    differed from that is what the range comes from.
    """
    known = {day: float(cost) for day, cost in days.items() if today - timedelta(days=LOOKS_BACK_DAYS) <= day < today}
    if len(known) < _FEWEST_DAYS:
        return Missing(reason=f"a month is forecast from {_FEWEST_DAYS} whole days, and {len(known)} are accounted")
    expected = {weekday: _expected(known, weekday) for weekday in range(7)}
    deviation = pstdev(cost - expected[day.weekday()] for day, cost in known.items())
    last = date(today.year, today.month, calendar.monthrange(today.year, today.month)[1])
    left = [today + timedelta(days=ahead) for ahead in range((last - today).days + 1)]
    rest = sum(expected[day.weekday()] for day in left) - min(expected[today.weekday()], _of_today(days, today))
    spread = _DEVIATIONS * deviation * len(left) ** 0.5
    middle = float(so_far) + rest
    return MonthForecast(so_far=so_far, expected=middle, low=max(float(so_far), middle - spread), high=middle + spread)


def _expected(known: Mapping[date, float], weekday: int) -> float:
    alike = [cost for day, cost in known.items() if day.weekday() == weekday]
    return mean(alike if len(alike) > 1 else known.values())


def _of_today(days: Mapping[date, Fraction], today: date) -> float:
    """What today has cost already: that much of its expectation is behind us."""
    return float(days.get(today, Fraction(0)))
