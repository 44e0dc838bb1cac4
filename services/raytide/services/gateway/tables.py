"""Keeping the directory as the cluster is: who runs, and once a second what each brain says of its replicas."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from raytide.autoscaling.codec import Undecodable, plain
from raytide.autoscaling.live.counted import GatewayCount
from raytide.autoscaling.live.routes import Routes
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.held import Held
from raytide.services.gateway.upstream import Client, UpstreamLost, let_in

EVERY_S: Final = 1.0
ANSWER_S: Final = 5.0
"""A brain that takes longer is away; its last table is kept meanwhile."""

_log = logging.getLogger("ray.serve")


class Cluster(Protocol):
    """What the gateway asks of the cluster."""

    async def applications(self) -> list[str]:
        """The names of those that run a revision of a service."""

    async def routes(self, application: str) -> Mapping[str, Any]:
        """The plain data of `Routes`, from its brain."""

    async def wake(self, application: str, num_waiting: int) -> None:
        """Tell the brain who waits."""

    async def count(self, application: str, gateway: str, counted: Mapping[str, Any]) -> None:
        """Tell the brain what this gateway has counted of its revision: the plain data of a `GatewayCount`."""


class Tables:
    """Fills a directory; `name` is this gateway's, under which it tells what it has counted."""

    def __init__(self, name: str, cluster: Cluster, directory: Directory, held: Held, client: Client) -> None:
        self._name = name
        self._cluster, self._directory, self._held, self._client = cluster, directory, held, client

    async def follow_forever(self) -> None:
        """Look again and again; what fails is said and tried anew, with the last tables kept."""
        while True:
            try:
                await self.look()
            except Exception:
                _log.exception("raytide: the gateway's tables stay as they were")
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Ask once, each application beside the others."""
        async with asyncio.timeout(ANSWER_S):
            applications = await self._cluster.applications()
        self._directory.keep(applications)
        await asyncio.gather(*(self._look_at(application) for application in applications))

    async def _look_at(self, application: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                routes = Routes.from_plain(await self._cluster.routes(application))
                fleet = self._directory.see(application, routes, (routes.access or {}).get("route", "/"))
            await self._learn(fleet)
            async with asyncio.timeout(ANSWER_S):
                await self._tell(application, fleet)
        except Undecodable:
            _log.exception("raytide: the brain of %s speaks another version", application)
        except Exception as error:  # Ray raises what the brain did, and its own
            _log.warning("raytide: the brain of %s does not answer: %r", application, error)

    async def _tell(self, application: str, fleet: Fleet) -> None:
        num_waiting = 0 if fleet.routes.is_canary else self._held.num(fleet.routes.service)
        if num_waiting:
            await self._cluster.wake(application, num_waiting)
        counted = GatewayCount(tally=fleet.counts.tally(time.monotonic()), classes=fleet.classes.counts)
        await self._cluster.count(application, self._name, plain(counted))

    async def _learn(self, fleet: Fleet) -> None:
        """What the engines call their models, where that is not known of this revision."""
        if fleet.knows_models or not fleet.routes.upstreams:
            return
        with contextlib.suppress(UpstreamLost, msgspec.MsgspecError):
            first = fleet.routes.upstreams[0]
            cards = _CARDS.decode(await self._client.get(first.address, "/v1/models", let_in(first))).data
            lengths = [card.max_model_len for card in cards if card.max_model_len is not None]
            fleet.learn(frozenset(card.id for card in cards), max(lengths, default=None))


class _Card(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Cards(msgspec.Struct):
    data: list[_Card]


_CARDS: Final = msgspec.json.Decoder(_Cards)
