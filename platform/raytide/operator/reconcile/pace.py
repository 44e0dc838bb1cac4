"""When the next turn comes: at once while it goes well, later and later while it does not."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from raytide.operator.reconcile.step import Step
from raytide.operator.reconcile.turn import Cut, Turn

FIRST_S: Final = 0.5
LONGEST_S: Final = 60.0
"""Between turns that fail; a server that was down for an hour is found again within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the last turns went."""

    num_vain: int = 0
    """Turns in a row that failed, or that sent what the turn before them had sent."""
    sent: tuple[Step, ...] = ()
    """By the last one."""


def after(turn: Turn, before: Pace) -> Pace:
    """The pace once a turn is done.

    Sending the same again is in vain: the server keeps another value than it was given, or somebody else sets it back.
    """
    again = [(step.identity, step.verb, step.body) for step in turn.sent]
    is_repeated = bool(again) and again == [(step.identity, step.verb, step.body) for step in before.sent]
    is_vain = turn.cut is not None or bool(turn.refusals) or is_repeated
    return Pace(num_vain=before.num_vain + 1 if is_vain else 0, sent=turn.sent or before.sent * is_vain)


def wait_s(turn: Turn, pace: Pace, random: Random) -> float | None:
    """Seconds until the next turn; None where only a change calls for one.

    Waits double, and are cut by up to a half at random so that operators which met one outage do not come back as one.
    The server's own Retry-After is never undercut.
    """
    if turn.is_settled:
        return None
    if pace.num_vain == 0:
        return 0.0
    doubled = min(FIRST_S * 2.0 ** min(pace.num_vain - 1, 10), LONGEST_S)
    if turn.cut is Cut.CONFLICT and pace.num_vain == 1:
        return 0.0  # what changed is read anew
    return max(doubled * random.uniform(0.5, 1.0), turn.retry_after_s or 0.0)
