"""Reports on their way to the brain: what it did not take is sent again with the next one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from raytide.autoscaling.live.reports import ReplicaReport

KEPT_REPORTS: Final = 120
"""Two minutes without a brain; what is older would tell it little."""
TIMEOUT_S: Final = 5.0

_log = logging.getLogger("ray.serve")


class Outbox:
    """The reports of one replica that were not taken yet, oldest first."""

    def __init__(
        self, send: Callable[[Sequence[ReplicaReport]], Awaitable[object]], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._send = send
        self._timeout_s = timeout_s
        self._waiting: tuple[ReplicaReport, ...] = ()

    async def deliver(self, report: ReplicaReport) -> None:
        """Send a report, and those that wait before it; never raises.

        An answer that comes too late leaves them here: the brain knows by their numbers what it has heard already.
        """
        self._waiting = (*self._waiting, report)[-KEPT_REPORTS:]
        try:
            # Not `wait_for`, which in Python 3.11 may swallow the cancellation of a replica that stops (cpython#86296).
            async with asyncio.timeout(self._timeout_s):
                await self._send(self._waiting)
            self._waiting = ()
        except Exception as error:
            _log.warning("raytide: %d reports wait for the brain: %r", len(self._waiting), error)
