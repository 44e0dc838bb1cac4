"""One replica of a variant: a vLLM engine that answers HTTP itself and tells the brain what it sees.

The routes run in the replica, so a streamed token crosses Serve's proxy once and no further actor.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from starlette.types import ASGIApp

from raytide.services.engines.meter import ReplicaMeter
from raytide.services.engines.probe import Probe
from raytide.services.engines.vllm.engine import VllmEngine, start
from raytide.services.engines.warmup import warm_up
from raytide.services.gateway.edge import Edge
from raytide.services.settings import EngineSettings

REPORT_INTERVAL_S = 1.0
REPORT_TIMEOUT_S = 5.0

_log = logging.getLogger("ray.serve")


class VllmReplica:
    """Serve counts it as ready once the constructor returns: after the engine is loaded, warm and measured."""

    # Serve awaits a constructor that is a coroutine; Python's own rule that it returns None is what mypy misses here.
    async def __init__(self, settings: dict[str, Any], brain: Any) -> None:  # type: ignore[misc]
        from ray import serve

        parsed = EngineSettings.model_validate(settings)
        self._brain = brain
        self._meter = ReplicaMeter(
            replica=serve.get_replica_context().replica_id.unique_id, variant=parsed.variant, started_s=time.time()
        )
        self._engine: VllmEngine = start(parsed, self._meter)
        self._routes = await self._engine.routes()
        probe = Probe(self._routes, parsed.service)
        await probe.first_turns()
        self._capacity = await warm_up(probe.generate, self._engine.shape)
        self._meter.reset(time.time())
        self._reporting = asyncio.get_running_loop().create_task(self._report_forever())
        _log.info("raytide: warm, measured capacity %s", self._capacity.to_json())

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """What Serve routes HTTP to, once the constructor has returned."""
        return Edge(self._routes, self._meter, self._brain_status)

    async def check_health(self) -> None:
        """Raises where the engine has died, so that Serve replaces the replica."""
        await self._engine.check_health()

    def __del__(self) -> None:
        if engine := getattr(self, "_engine", None):
            engine.stop()

    async def _brain_status(self) -> dict[str, Any]:
        status: dict[str, Any] = await asyncio.wait_for(self._brain.status.remote(), REPORT_TIMEOUT_S)
        return status

    async def _report_forever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            report = self._meter.report(time.time(), self._capacity)
            try:
                await asyncio.wait_for(self._brain.report.remote(report), REPORT_TIMEOUT_S)
            except Exception as error:
                # The brain is restarting; it treats silence as missing, and the next report is a second away.
                _log.warning("raytide: a report was lost: %r", error)
