"""Limits per minute, each kept as one instant: when all that was taken will have been paid back.

This is the generic cell rate algorithm (ITU-T I.371): a minute's worth may be taken at once, after which it is paid
back evenly. An amount counts as the time that its limit needs to pay it back, so that takings under different limits
add up.
"""

from __future__ import annotations

from typing import Final

MINUTE_S: Final = 60.0
_RESOLUTION_S: Final = 1e-5
"""Seconds since the epoch have 2.4e-7 s between two floats; sums of a few thousand of them stay below this."""


def cost_s(amount: float, per_minute: float) -> float:
    """Seconds in which the limit pays the amount back."""
    return amount * MINUTE_S / per_minute


def taken(paid_s: float, amount_s: float, now_s: float) -> float:
    """When all is paid back, with this amount taken now."""
    return max(paid_s, now_s) + amount_s


def given_back(paid_s: float, amount_s: float) -> float:
    """When all is paid back, with this amount given back; a negative amount is taken without asking."""
    return paid_s - amount_s


def wait_s(paid_s: float, amount_s: float, now_s: float) -> float:
    """Seconds until the amount may be taken, 0 where it may now.

    What is owed never exceeds a minute, but that an amount beyond a minute's worth may be taken while nothing is owed:
    otherwise it could never be.
    """
    room_s = MINUTE_S - min(MINUTE_S, amount_s)
    wait = paid_s - now_s - room_s
    return wait if wait > _RESOLUTION_S else 0.0
