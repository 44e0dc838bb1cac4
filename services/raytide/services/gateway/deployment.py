"""The gateway on Ray Serve: `import_path: raytide.services.gateway.deployment:build` in a Serve config."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Mapping
from typing import Any, Final

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from raytide.autoscaling.live.watch import serve_details
from raytide.autoscaling.pools.wanted import PoolUse
from raytide.services.accounting.deployment import bound as accountant
from raytide.services.feedback.recorder import Recorder
from raytide.services.feedback.store import Store
from raytide.services.gateway.app import Gateway
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.exchange import Desk
from raytide.services.gateway.held import Held
from raytide.services.gateway.http_client import HttpClient
from raytide.services.gateway.keeper import Keeper
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.relay import Relay
from raytide.services.gateway.server import Port
from raytide.services.gateway.settings import GatewaySettings
from raytide.services.gateway.tables import ANSWER_S, Tables
from raytide.services.gateway.tracing import OpenTelemetry, Untraced
from raytide.services.gateway.wanted import pool_use
from raytide.services.ledger.clerk import Clerk
from raytide.services.ledger.database import connect
from raytide.services.ledger.keyring import Keyring
from raytide.services.ledger.store import Ledger
from raytide.services.rollout.deployment import bound as conductor
from raytide.services.rollout.revisions import is_ours, live
from raytide.services.serve_cluster import brain, nodes

GATEWAY: Final = "gateway"
"""Name of the deployment."""

_log = logging.getLogger("ray.serve")


def build(args: dict[str, Any]) -> Application:
    """The gateway's replicas. Each listens on the declared port of its node, and answers through Serve as well."""
    settings = GatewaySettings.model_validate(args)
    deployment = serve.deployment(
        serve.ingress()(GatewayReplica),
        name=GATEWAY,
        num_replicas=settings.num_replicas,
        # Nothing is reserved: it must come up beside whatever fills the cluster.
        ray_actor_options={"num_cpus": 0, "resources": _HEAD if settings.on_head else {}},
        max_ongoing_requests=_MOST_ONGOING,
        graceful_shutdown_timeout_s=_DRAIN_S,
    )
    return deployment.bind(settings.model_dump(), conductor(settings.rollouts), accountant(settings.ledger))


_HEAD: Final = {"node:__internal_head__": 0.001}
"""A resource that Ray gives to the head alone, of whatever provider (ray 2.60, `HEAD_NODE_RESOURCE_NAME`)."""
_MOST_ONGOING: Final = 10_000
_DRAIN_S: Final = 330.0
"""Longer than its server waits for open answers."""


class GatewayReplica:
    """One gateway: ready once it knows the services that run.

    Beside it are the conductor and the accountant, which Serve only deploys where something is bound to them.
    """

    # Serve awaits a constructor that is a coroutine; Python's own rule that it returns None is what mypy misses here.
    async def __init__(self, settings: dict[str, Any], *_beside: Any) -> None:  # type: ignore[misc]
        parsed = GatewaySettings.model_validate(settings)
        engine = await asyncio.to_thread(connect, parsed.ledger)
        await asyncio.to_thread(Keyring(engine).admit_anonymous)
        name = f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}"
        self._clerk = Clerk(Ledger(engine, gateway=name))
        store = await asyncio.to_thread(Store, engine)
        self._traces = OpenTelemetry(parsed.traces) if parsed.traces else None
        metrics, directory, held, client = Metrics(), Directory(), Held(), HttpClient()
        self._recorder = Recorder(store, lambda service, why: metrics.unkept.labels(service, why).inc())
        desk = Desk(
            directory=directory,
            relay=Relay(client, metrics),
            held=held,
            keeper=Keeper(self._clerk, metrics),
            metrics=metrics,
            most_body_bytes=parsed.max_body_bytes,
            recorder=self._recorder,
            traces=self._traces or Untraced(),
        )
        cluster = RayCluster()
        self._gateway = Gateway(desk, cluster.status, cluster.pool_use)
        self._tables = Tables(name, cluster, directory, held, client)
        await self._tables.look()
        self._following = asyncio.get_running_loop().create_task(self._tables.follow_forever())
        self._port = Port(self._gateway, parsed.host, parsed.port)
        self._port.start()
        _log.info("raytide: the gateway listens on %s:%d, in %r", parsed.host, parsed.port, asyncio.get_running_loop())

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """What Serve routes HTTP to, once the constructor has returned."""
        return self._gateway

    def check_health(self) -> None:
        """Raises where the server or the tables have ended, so that Serve replaces the gateway."""
        self._port.check_health()
        if self._following.done():
            raise RuntimeError("the gateway follows the cluster no more") from self._following.exception()

    async def __del__(self) -> None:
        """Serve calls this when the gateway is to stop: open answers go on to their end."""
        if port := getattr(self, "_port", None):
            await port.drain()
        if clerk := getattr(self, "_clerk", None):
            await asyncio.to_thread(clerk.close)
        if recorder := getattr(self, "_recorder", None):
            await asyncio.to_thread(recorder.close)
        if traces := getattr(self, "_traces", None):
            await asyncio.to_thread(traces.close)


class RayCluster:
    """The services of this Ray cluster, through Serve's handles."""

    async def applications(self) -> list[str]:
        """Those that have a brain."""
        details = await asyncio.to_thread(serve_details)
        return [app["name"] for app in live(details) if is_ours(app)]

    async def routes(self, application: str) -> Mapping[str, Any]:
        """As the brain says."""
        routes: Mapping[str, Any] = await brain(application).routes.remote()
        return routes

    async def wake(self, application: str, num_waiting: int) -> None:
        """Tell the brain who waits."""
        await brain(application).wake.remote(num_waiting)

    async def count(self, application: str, gateway: str, counted: Mapping[str, Any]) -> None:
        """Tell the brain what was counted."""
        await brain(application).count.remote(gateway, dict(counted))

    async def status(self, application: str) -> dict[str, Any]:
        """The brain's summary; raises `LookupError` where it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S):
                status: dict[str, Any] = await brain(application).status.remote()
        except Exception as error:  # Ray raises what the brain did, and its own
            raise LookupError(str(error)) from error
        return status

    async def pool_use(self) -> PoolUse:
        """What the pools are for; raises `LookupError` where Serve's controller or the GCS does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S):
                details = await asyncio.to_thread(serve_details)
                return pool_use(details, await asyncio.to_thread(nodes))
        except Exception as error:  # Ray raises its own
            raise LookupError(str(error) or type(error).__name__) from error
