"""One replica of a variant: an engine that answers HTTP itself and tells the brain what it sees.

Its routes listen on a port of their own, which the brain passes on to the gateway, so that a streamed token crosses no
actor of Ray. It asks for a key, which goes the same way: only who is in the cluster hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import Any

import ray
from ray import serve

from raytide.autoscaling.live.reports import ReplicaReport
from raytide.services.engines.edge import Edge
from raytide.services.engines.engine import start
from raytide.services.engines.listener import Listener
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.engines.outbox import Outbox
from raytide.services.settings import EngineSettings

REPORT_INTERVAL_S = 1.0
LINGER_S = 3.0
"""How long a replica that is to stop still takes requests: until every gateway has heard of it from the brain, which
each asks once a second."""
_KEY_BYTES = 32

_log = logging.getLogger("ray.serve")


class Replica:
    """Serve counts it as ready once the constructor returns: after the engine is loaded, warm and measured.

    The handles `beside` the brain's are those of other variants, which Serve only deploys where something is bound to
    them.
    """

    # Serve awaits a constructor that is a coroutine; Python's own rule that it returns None is what mypy misses here.
    async def __init__(self, variant: str, settings: dict[str, Any], brain: Any, *_beside: Any) -> None:  # type: ignore[misc]
        parsed = EngineSettings.model_validate(settings)
        self._outbox = Outbox(brain.report.remote)
        self._meter = ReplicaMeter(
            replica=serve.get_replica_context().replica_id.unique_id, variant=variant, started_s=time.time()
        )
        self._engine = start(parsed, self._meter)
        routes = await self._engine.routes()
        self._measured = await self._engine.measure(routes)
        self._meter.reset(time.time())
        self._key = secrets.token_urlsafe(_KEY_BYTES)
        edge = Edge(routes, self._meter, self._key)
        self._listener = Listener(edge, ray.util.get_node_ip_address())
        self._listener.start()
        self._is_draining = False
        self._soon = asyncio.Event()
        self._reporting = asyncio.get_running_loop().create_task(self._report_forever())
        _log.info("raytide: warm, measured capacity %s", self._measured.capacity.to_json())

    async def check_health(self) -> None:
        """Raises where the engine or the server has died, or tells nobody of itself, so that Serve replaces it."""
        self._listener.check_health()
        if self._reporting.done() and not self._is_draining:
            raise RuntimeError("the replica reports no more")
        await self._engine.check_health()

    async def __del__(self) -> None:
        """Serve calls this when the replica is to stop, and ends its process once it returns, or after `DRAIN_S`."""
        if getattr(self, "_reporting", None) is not None:
            await self._drain()
        if engine := getattr(self, "_engine", None):
            engine.stop()

    async def _drain(self) -> None:
        self._is_draining = True
        self._soon.set()
        await asyncio.sleep(LINGER_S)
        await self._listener.drain()
        self._reporting.cancel()
        await self._outbox.deliver(self._report())

    async def _report_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_INTERVAL_S):
                    await self._soon.wait()
            self._soon.clear()
            await self._outbox.deliver(self._report())

    def _report(self) -> ReplicaReport:
        return self._meter.report(
            time.time(),
            address=self._listener.address,
            key=self._key,
            is_draining=self._is_draining,
            capacity=self._measured.capacity,
            engine=self._measured.speed,
            waiting_prompt_tokens=self._engine.waiting_prompt_tokens,
        )
