"""Scale-downs of replicas with open streams: how many streams are cut. None may be.

    python benchmarks/nothing_lost.py --scale-downs 500

Emulated replicas of one variant on a local Ray; clients stream all the time, and the number of replicas swings between
few and many. Serve chooses which ones stop, and tells them as it tells those that its autoscaler lets go.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from live_scaling import SERVICE, Client, rehearsal, until_ready

from raytide.autoscaling.live.follow import BRAIN
from raytide.core.spec import Cluster, Service, read_as
from raytide.core.spec.cluster import Http
from raytide.operator import apply as operator
from raytide.operator.site import site

LAPTOP = Path(__file__).parents[1] / "platform" / "cluster.yaml"
CPU = (
    "spec.hardware=[{accelerator: CPU, cpus: 0.01, cold_start: 5s, "
    "performance: {iteration: {base: 20ms, per_prefill_token: 10us}, kv_capacity_tokens: 40000}}]",
    "spec.scaling={min_replicas: 1, max_replicas: 1}",
)
FEW, MANY = 2, 8
CLIENTS = 24
PROMPT_TOKENS, OUTPUT_TOKENS = 50, 150
"""A stream of three seconds, so that about ten are open on every replica that stops."""


def fixed_size(application: dict[str, Any]) -> dict[str, Any]:
    """The rendered application without its policy: its size is set from outside."""
    kept = {key: value for key, value in application.items() if key != "autoscaling_policy"}
    deployments = [{k: v for k, v in entry.items() if k != "autoscaling_config"} for entry in kept["deployments"]]
    deployments = [{**entry, "num_replicas": 1} for entry in deployments]
    return {**kept, "deployments": deployments, "external_scaler_enabled": True}


class Size:
    """The number of replicas of a deployment, set and waited for."""

    def __init__(self, dashboard: str, application: str, deployment: str) -> None:
        self._url = f"{dashboard}/api/v1/applications/{application}/deployments/{deployment}/scale"
        self._serve = f"{dashboard}/api/serve/applications/"
        self._names = (application, deployment)

    async def reach(self, num: int, http: httpx.AsyncClient) -> None:
        """Returns once exactly so many run, and none starts or stops any more."""
        (await http.post(self._url, json={"target_num_replicas": num})).raise_for_status()
        while await self._states(http) != {"RUNNING": num}:  # noqa: ASYNC110 (the dashboard tells nobody)
            await asyncio.sleep(0.2)

    async def _states(self, http: httpx.AsyncClient) -> dict[str, int]:
        application, deployment = self._names
        details = (await http.get(self._serve)).json()["applications"][application]["deployments"][deployment]
        return dict(Counter(replica["state"] for replica in details["replicas"]))


async def soak(client: Client, size: Size, num_scale_downs: int) -> int:
    """Swing until so many replicas were stopped while streams were open; returns how many were."""
    over = asyncio.Event()
    stopped = 0
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None)) as http:
        polling = asyncio.create_task(client.poll())
        streaming = [asyncio.create_task(_stream_on(client, http, over)) for _ in range(CLIENTS)]
        for swing in itertools.count():
            await size.reach(MANY, http)
            await asyncio.sleep(2.0)  # the new ones take streams
            await size.reach(FEW, http)
            stopped += MANY - FEW
            print(
                f"{stopped} stopped in {swing + 1} swings, {len(client.answers)} streams, {cut(client)} cut", flush=True
            )
            if stopped >= num_scale_downs:
                break
        over.set()
        await asyncio.gather(*streaming)
        polling.cancel()
    return stopped


async def _stream_on(client: Client, http: httpx.AsyncClient, over: asyncio.Event) -> None:
    while not over.is_set():
        await client.ask(http, time.time(), PROMPT_TOKENS, OUTPUT_TOKENS)


def cut(client: Client) -> int:
    """Streams that ended before their last token."""
    return sum(bool(answer.error) for answer in client.answers)


def main() -> None:
    """Parse, swing, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale-downs", type=int, default=500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    service = read_as(Service, SERVICE, CPU)
    home = Path(tempfile.mkdtemp(prefix="raytide-lost-"))
    with rehearsal(home, read_as(Cluster, LAPTOP)) as local:
        from ray import serve

        where = site(local.dashboard, LAPTOP)
        application = fixed_size(operator.desired(service, where))
        where.dashboard.put_applications([application], Http(port=local.http_port).model_dump())
        name, variant = service.metadata.name, application["deployments"][0]["name"]
        brain = _brain(serve, name)
        until_ready(brain, 1)
        client = Client(brain, name)
        stopped = asyncio.run(soak(client, Size(local.dashboard, name, variant), arguments.scale_downs))
        brain.shutdown()
    result = {
        "scale_downs": stopped,
        "streams": len(client.answers),
        "cut": [answer.error for answer in client.answers if answer.error],
        "retried_before_the_first_byte": client.retried,
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result))


def _brain(serve: Any, application: str, timeout_s: float = 120.0) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            brain = serve.get_deployment_handle(BRAIN, application)
            brain.routes.remote().result(timeout_s=10)
        except Exception:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(1.0)
        else:
            return brain


if __name__ == "__main__":
    main()
