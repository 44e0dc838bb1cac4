"""Requests that wait: for a service that has no replica, as it is asleep or lost its last one, and then for their turn.

Whoever has waited for a replica is not turned away when it comes because as many others have: the line moves on as fast
as the replicas take it, first come, first served. Newcomers are turned away meanwhile, at once, while its first has no
room.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from raytide.services.gateway.admission import OVERLOADED, line_is_full
from raytide.services.gateway.choose import Choice
from raytide.services.gateway.refusal import Refused, unavailable

MOST_REQUESTS: Final = 1000
MOST_BYTES: Final = 2**28
"""Of their bodies, which stay in memory."""
MOST_S: Final = 600.0
"""Longer than a GPU node takes to come and to load a model; whoever has left by then is not waited for."""
_RETRY_S: Final = 10.0
_LOOK_S: Final = 0.05
"""Between two looks of a line's first for room."""

Look = Callable[[], Choice | None]
"""The best replica now, None where there is none; `Refused` where it has no room, or nothing is to be waited for."""


@dataclass(slots=True)
class _Line:
    """Requests of one service that have the same patience, in the order in which they came."""

    num: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of the first; asyncio's locks are fair."""
    is_full: bool = False
    """Whether its first had no room when it looked last."""


class Held:
    """The requests that wait, by service."""

    def __init__(self, *, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self._lines: defaultdict[str, defaultdict[float, _Line]] = defaultdict(lambda: defaultdict(_Line))
        self._bytes = 0

    def num(self, service: str) -> int:
        """How many wait for the service."""
        return sum(line.num for line in self._lines[service].values())

    async def until_room(
        self, service: str, patience: float, num_bytes: int, within_s: float | None, look: Look
    ) -> Choice:
        """The best replica, at once where nobody waits for one, and otherwise once it is this request's turn.

        Raises:
            Refused: there is none in time, it has no room for one that has not waited, or too many wait already.
        """
        line = self._lines[service][patience]
        if not line.num and (best := look()):
            return best
        if line.num and line.is_full:
            raise Refused(line_is_full(line.num, patience))
        self._require_space(service, num_bytes)
        line.num += 1
        self._bytes += num_bytes
        try:
            async with asyncio.timeout(MOST_S if within_s is None else min(MOST_S, within_s)), line.turn:
                return await _turn(line, look)
        except TimeoutError:
            what = "room" if line.is_full else "replica"
            raise Refused(unavailable(f"{service} has no {what} yet", "starting", _RETRY_S)) from None
        finally:
            line.num -= 1
            self._bytes -= num_bytes

    def _require_space(self, service: str, num_bytes: int) -> None:
        num = sum(self.num(each) for each in self._lines)
        if num >= self._most_requests or self._bytes + num_bytes > self._most_bytes:
            raise Refused(unavailable(f"too many wait for {service} already", "starting", _RETRY_S))


async def _turn(line: _Line, look: Look) -> Choice:
    # Not woken by a replica that comes: the service may be another application's by then, or be gone.
    while True:
        try:
            best, line.is_full = look(), False
        except Refused as refused:
            if refused.refusal.code != OVERLOADED:
                raise
            best, line.is_full = None, True
        if best is not None:
            return best
        await asyncio.sleep(_LOOK_S)
