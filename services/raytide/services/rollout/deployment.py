"""The conductor on Ray Serve: one for the whole cluster, a deployment beside the gateway's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ray import serve
from ray.serve import Application as Bound

from raytide.autoscaling.live.watch import serve_details
from raytide.services.rollout.conductor import Conductor
from raytide.services.rollout.revisions import Application, live
from raytide.services.serve_cluster import brain, put

CONDUCTOR: Final = "conductor"
"""Name of the deployment."""
_ANSWER_S: Final = 5.0


def bound(folder: str) -> Bound:
    """The conductor, which keeps its files there."""
    return serve.deployment(ConductorReplica, name=CONDUCTOR, ray_actor_options={"num_cpus": 0}).bind(folder)


class ConductorReplica:
    """Conducts from its constructor on; Serve replaces it where it ends, and the next one reads on from the files."""

    # Serve awaits a constructor that is a coroutine; Python's own rule that it returns None is what mypy misses here.
    async def __init__(self, folder: str) -> None:  # type: ignore[misc]
        conductor = Conductor(RayStage(), Path(folder))
        self._conducting = asyncio.get_running_loop().create_task(conductor.conduct_forever())

    def check_health(self) -> None:
        """Raises where nobody conducts any more."""
        if self._conducting.done():
            raise RuntimeError("the conductor has ended") from self._conducting.exception()


class RayStage:
    """This Ray cluster, through Serve's controller and handles of the brains."""

    async def applications(self) -> Sequence[Application]:
        """As `Stage`."""
        return live(await asyncio.to_thread(serve_details))

    async def failure(self, application: str) -> str:
        """As `Stage`."""
        found = (await asyncio.to_thread(serve_details)).get("applications", {}).get(application, {})
        if str(found.get("status", "")).rpartition(".")[2] != "DEPLOY_FAILED":
            return ""
        lines = [line for line in str(found.get("message", "")).splitlines() if line.strip()]
        return lines[-1].strip() if lines else "Serve gives no reason"

    async def put(self, applications: Sequence[Application]) -> None:
        """As `Stage`."""
        await asyncio.to_thread(put, applications)

    async def standing(self, application: str) -> Mapping[str, Any]:
        """As `Stage`."""
        standing: Mapping[str, Any] = await _asked(application, brain(application).standing.remote)
        return standing

    async def allow(self, application: str, share: float, replicas: int, rollout: Mapping[str, Any]) -> None:
        """As `Stage`."""
        await _asked(application, brain(application).allow.remote, share, replicas, rollout)


async def _asked(application: str, call: Any, *args: Any) -> Any:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await call(*args)
    except Exception as error:  # Ray raises what the brain did, and its own
        raise LookupError(f"the brain of {application} does not answer: {error!r}") from error
