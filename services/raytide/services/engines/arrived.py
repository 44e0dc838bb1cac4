"""When a request came to the service: before it reached an engine, by as long as a gateway has kept it.

A backlog that a new replica is given at once came over minutes. Taken for the load of one second it would order many
replicas that nobody needs.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Final

_LONGEST_S: Final = 600.0
"""No gateway keeps a request for longer."""
_HELD_S: ContextVar[float] = ContextVar("held_s", default=0.0)


def note_held(said: bytes | None) -> None:
    """For the request of this context: what the gateway says, where it says something that can be."""
    try:
        held_s = float(said or 0.0)
    except ValueError:
        held_s = 0.0
    _HELD_S.set(held_s if 0.0 <= held_s <= _LONGEST_S else 0.0)


def arrived_s() -> float:
    """The time at which the request of this context came to the service, if it reaches the engine now."""
    return time.time() - _HELD_S.get()
