"""Requests that wait for a service that has no replica: it is asleep and wakes up, or lost its last one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.refusal import Refused, unavailable

MOST_REQUESTS: Final = 1000
MOST_BYTES: Final = 2**28
"""Of their bodies, which stay in memory."""
MOST_S: Final = 600.0
"""Longer than a GPU node takes to come and to load a model; whoever has left by then is not waited for."""
_RETRY_S: Final = 10.0


class Held:
    """The requests that wait, by service."""

    def __init__(self, *, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self._num: defaultdict[str, int] = defaultdict(int)
        self._bytes = 0

    def num(self, service: str) -> int:
        """How many wait for the service."""
        return self._num[service]

    async def until_ready(self, fleet: Fleet, num_bytes: int, within_s: float | None) -> None:
        """Returns once the service has a replica.

        Raises:
            Refused: it has none in time, or too many wait already.
        """
        if fleet.is_ready.is_set():
            return
        service = fleet.routes.service
        if sum(self._num.values()) >= self._most_requests or self._bytes + num_bytes > self._most_bytes:
            raise Refused(unavailable(f"{service} starts, and too many wait for it", "starting", _RETRY_S))
        self._num[service] += 1
        self._bytes += num_bytes
        try:
            async with asyncio.timeout(MOST_S if within_s is None else min(MOST_S, within_s)):
                await fleet.is_ready.wait()
        except TimeoutError:
            raise Refused(unavailable(f"{service} has no replica yet", "starting", _RETRY_S)) from None
        finally:
            self._num[service] -= 1
            self._bytes -= num_bytes
