"""`--at`: a moment of a service's past, as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from raytide.cli.values import BadOption
from raytide.core.units import parse_duration_s

_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_MINUTE_S: Final = 59.999
"""`12:31` means all of that minute, so that a decision of 12:31:05 is found."""

_USUAL: Final = "a time as 12:31 or 12:31:05 (UTC), 2027-01-31T12:31:05, or how long ago, as 90s or 5m"
_END_S: Final = 253_402_300_800.0
"""The year 10000, which no calendar here has."""
_EARLIEST_S: Final = 1e8
"""No cluster ran before 1973; a smaller time is that of a simulation."""


def parse_moment(text: str, now_s: float) -> float:
    """Seconds since the epoch of `12:31`, `12:31:05` (the latest one), an ISO time, or `90`, `90s`, `5m` ago; in UTC.

    Raises:
        BadOption: it is none of these, or thousands of years away.
    """
    if clock := _CLOCK.fullmatch(text):
        return _latest(int(clock[1]), int(clock[2]), clock[3], now_s)
    ago_s = _ago_s(text)
    at_s = _dated_s(text) if ago_s is None else now_s - ago_s
    if not -_END_S < at_s < _END_S:
        raise BadOption(f"--at is {text!r}, and no decision was ever made then; write {_USUAL}")
    return at_s


def said(at_s: float) -> str:
    """`2027-01-31 12:31:05 UTC`; `1:10:05 into the run` where a simulation counts from zero."""
    if at_s < 0:
        return f"{timedelta(seconds=round(-at_s))} before the run"
    if at_s < _EARLIEST_S:
        return f"{timedelta(seconds=round(at_s))} into the run"
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _latest(hour: int, minute: int, second: str | None, now_s: float) -> float:
    now = datetime.fromtimestamp(now_s, UTC)
    at = now.replace(hour=hour, minute=minute, second=int(second or 0), microsecond=0)
    at = at if at <= now else at - timedelta(days=1)
    return at.timestamp() + (_MINUTE_S if second is None else 0.999)


def _dated_s(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadOption(f"--at is {text!r}; write {_USUAL}") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _ago_s(text: str) -> float | None:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return parse_duration_s(text)
    except ValueError:
        return None
