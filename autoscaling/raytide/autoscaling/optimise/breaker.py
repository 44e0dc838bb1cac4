"""A circuit breaker per variant: orders that keep failing stop for a while, then one replica probes the market.

CLOSED     orders freely; a second failure in a row opens it
OPEN       orders nothing; after ten minutes it is half open
HALF_OPEN  orders one replica; its start closes, its failure opens
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

NUM_FAILURES: Final = 2
"""One failed order is chance; a second in a row is a stockout."""

REST_S: Final = 600.0
"""How long nothing is ordered after that."""


class State(StrEnum):
    """What may be ordered."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Event(StrEnum):
    """What moves a breaker."""

    STARTED = "started"
    FAILED = "failed"
    """An order could not be had, and others may."""
    FAILED_AGAIN = "failed-again"
    """The order that makes it too many in a row."""
    RESTED = "rested"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.CLOSED, Event.STARTED): State.CLOSED,
    (State.CLOSED, Event.FAILED): State.CLOSED,
    (State.CLOSED, Event.FAILED_AGAIN): State.OPEN,
    (State.OPEN, Event.STARTED): State.CLOSED,
    (State.OPEN, Event.FAILED): State.OPEN,
    (State.OPEN, Event.FAILED_AGAIN): State.OPEN,
    (State.OPEN, Event.RESTED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.STARTED): State.CLOSED,
    (State.HALF_OPEN, Event.FAILED): State.OPEN,
    (State.HALF_OPEN, Event.FAILED_AGAIN): State.OPEN,
}
"""A closed or half-open breaker has nothing to rest from; an order placed before it opened may still start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Where the orders of one variant stand."""

    state: State = State.CLOSED
    num_failures: int = 0
    """In a row."""
    opened_at_s: float = 0.0
    """Of the last failure that opened it or kept it open."""

    def at(self, now_s: float) -> Breaker:
        """The breaker at this moment: half open once it has rested."""
        if self.state is State.OPEN and now_s - self.opened_at_s >= REST_S:
            return replace(self, state=TRANSITIONS[self.state, Event.RESTED])
        return self

    def seen(self, *, num_started: int, num_failed: int, now_s: float) -> Breaker:
        """The breaker after orders that started, and then orders that failed, since it was last asked."""
        breaker = self.at(now_s)
        if num_started:
            breaker = Breaker(state=TRANSITIONS[breaker.state, Event.STARTED])
        for _ in range(min(num_failed, NUM_FAILURES)):
            breaker = breaker._failed(now_s)
        return breaker

    def max_new(self, num_starting: int) -> int | None:
        """How many more may be ordered beside those on their way; no limit where closed."""
        if self.state is State.CLOSED:
            return None
        return max(0, 1 - num_starting) if self.state is State.HALF_OPEN else 0

    def _failed(self, now_s: float) -> Breaker:
        failures = self.num_failures + 1
        event = Event.FAILED_AGAIN if failures >= NUM_FAILURES else Event.FAILED
        state = TRANSITIONS[self.state, event]
        opened_at_s = now_s if state is State.OPEN else self.opened_at_s
        return Breaker(state=state, num_failures=failures, opened_at_s=opened_at_s)


NEVER_FAILED: Final = Breaker()
