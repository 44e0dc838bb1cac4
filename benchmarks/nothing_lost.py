"""Streams through the gateway while replicas stop and die: which are lost, and whether each is billed exactly once.

    python benchmarks/nothing_lost.py --scale-downs 500
    python benchmarks/nothing_lost.py --kill-every 20 --minutes 5

Emulated replicas of one variant on a local Ray, the gateway with keys, prices and its ledger before them; clients
stream all the time. Either the number of replicas swings between few and many, and Serve chooses which ones stop and
tells them as it tells those that its autoscaler lets go: no stream may be cut. Or a replica's process is killed again
and again: a stream whose first byte had come may be cut, and must say so; any other one must be answered in full.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from live_scaling import SERVICE, rehearsal, until_ready
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from raytide.autoscaling.live.follow import BRAIN
from raytide.core.spec import Cluster, Service, read_as
from raytide.core.spec.cluster import Http
from raytide.operator import apply as operator
from raytide.operator.site import Site, site
from raytide.services.ledger.database import connect, ledger_url
from raytide.services.ledger.keyring import Keyring
from raytide.services.ledger.tables import RESERVATIONS, USAGE

LAPTOP: Final = Path(__file__).parents[1] / "platform" / "cluster.yaml"
SETTINGS: Final = (
    "spec.hardware=[{accelerator: CPU, cpus: 0.01, cold_start: 5s, "
    "performance: {iteration: {base: 20ms, per_prefill_token: 10us}, kv_capacity_tokens: 40000}}]",
    "spec.scaling={min_replicas: 1, max_replicas: 1}",
    "spec.access={api_keys: required, prices: {input: $1/Mtok, output: $2/Mtok}}",
)
FEW, MANY, STEADY = 2, 8, 4
CLIENTS: Final = 24
PROMPT_TOKENS, OUTPUT_TOKENS = 50, 150
"""A stream of three seconds, so that some are open on every replica that stops."""
NANO_USD: Final = PROMPT_TOKENS * 1000 + OUTPUT_TOKENS * 2000
TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A stream as its client saw it."""

    request_id: str = ""
    """As the gateway calls it, and its ledger."""
    num_tokens: int = 0
    is_ended: bool = False
    """Whether the end mark came."""
    error: str = ""
    """The code in the event that ended it, or what else went wrong."""

    @property
    def is_complete(self) -> bool:
        """Whether every token came, and nothing else."""
        return self.num_tokens == OUTPUT_TOKENS and self.is_ended and not self.error

    @property
    def is_cut_and_says_so(self) -> bool:
        """Whether it broke off after its first byte with the error that a client of OpenAI's protocol reads."""
        return self.num_tokens > 0 and not self.is_ended and self.error == "replica_lost"


@dataclass
class Clients:
    """So many clients, each with one stream after the other."""

    url: str
    model: str
    secret: str
    seen: list[Seen] = field(default_factory=list)

    async def stream_while(self, work: Awaitable[int]) -> int:
        """The work's own result, once it and every stream that began meanwhile have ended."""
        over, limits = asyncio.Event(), httpx.Limits(max_connections=None)
        headers = {"Authorization": f"Bearer {self.secret}"}
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, limits=limits, headers=headers) as http:
            streaming = [asyncio.create_task(self._stream_until(over, http)) for _ in range(CLIENTS)]
            try:
                done = await work
                over.set()
                await asyncio.gather(*streaming)
            finally:
                for each in streaming:
                    each.cancel()  # where the work was broken off
        return done

    async def _stream_until(self, over: asyncio.Event, http: httpx.AsyncClient) -> None:
        while not over.is_set():
            self.seen.append(await self._stream(http))

    async def _stream(self, http: httpx.AsyncClient) -> Seen:
        body = {"model": self.model, "prompt": [1] * PROMPT_TOKENS, "max_tokens": OUTPUT_TOKENS, "stream": True}
        came, request_id = bytearray(), ""
        try:
            async with http.stream("POST", f"{self.url}/v1/completions", json=body | {"ignore_eos": True}) as answer:
                request_id = answer.headers.get("x-request-id", "")
                async for part in answer.aiter_raw():
                    came += part
                failed = "" if answer.is_success else f"HTTP {answer.status_code}: {came.decode()}"
        except httpx.HTTPError as error:
            failed = repr(error)
        return seen_of(request_id, came.decode(), failed)

    @property
    def summary(self) -> str:
        """In one line, as it stands."""
        return f"{len(self.seen)} streams, {sum(not each.is_complete for each in self.seen)} not complete"


def seen_of(request_id: str, came: str, failed: str) -> Seen:
    """What the bytes of an answer tell."""
    events = [json.loads(line[6:]) for line in came.split("\n\n") if line.startswith("data: {")] if not failed else []
    errors = [str(event["error"]["code"]) for event in events if "error" in event]
    return Seen(
        request_id=request_id,
        num_tokens=len(events) - len(errors),
        is_ended=came.endswith("data: [DONE]\n\n"),
        error=failed or ", ".join(errors),
    )


class Fleet:
    """The replicas of a deployment: how many there are is set from outside, and waited for."""

    def __init__(self, dashboard: str, application: str, deployment: str, http: httpx.AsyncClient) -> None:
        self._url = f"{dashboard}/api/v1/applications/{application}/deployments/{deployment}/scale"
        self._serve = f"{dashboard}/api/serve/applications/"
        self._names, self._http = (application, deployment), http

    async def reach(self, num: int) -> None:
        """Returns once exactly so many run, and none starts or stops any more."""
        (await self._http.post(self._url, json={"target_num_replicas": num})).raise_for_status()
        await self.settle(num)

    async def settle(self, num: int) -> None:
        """Returns once exactly so many run."""
        while Counter(one["state"] for one in await self._replicas()) != {"RUNNING": num}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    async def kill_one(self) -> None:
        """The process of one that runs, whichever, with no warning."""
        while not (running := [one for one in await self._replicas() if one["state"] == "RUNNING"]):  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # the dashboard tells nobody
        os.kill(random.choice(running)["pid"], signal.SIGKILL)  # noqa: S311 (any will do)

    async def _replicas(self) -> list[dict[str, Any]]:
        application, deployment = self._names
        details = (await self._http.get(self._serve)).json()["applications"][application]["deployments"][deployment]
        replicas: list[dict[str, Any]] = details["replicas"]
        return replicas


async def swinging(fleet: Fleet, clients: Clients, num_scale_downs: int, most_s: float) -> int:
    """Swings until so many replicas were stopped while streams were open, or for so long; returns how many were."""
    until_s = time.monotonic() + most_s
    for swing in itertools.count(1):
        await fleet.reach(MANY)
        await asyncio.sleep(2.0)  # the new ones take streams
        await fleet.reach(FEW)
        stopped = swing * (MANY - FEW)
        print(f"{stopped} stopped in {swing} swings, {clients.summary}", flush=True)
        if stopped >= num_scale_downs or time.monotonic() > until_s:
            return stopped
    raise AssertionError


async def killing(fleet: Fleet, clients: Clients, every_s: float, for_s: float) -> int:
    """Kills again and again, and returns once all replicas are back: how many were killed."""
    await fleet.reach(STEADY)
    num = round(for_s / every_s)
    for killed in range(1, num + 1):
        await asyncio.sleep(every_s)
        await fleet.kill_one()
        print(f"{killed} killed, {clients.summary}", flush=True)
    await fleet.settle(STEADY)
    return num


def billed(ledger: str, seen: list[Seen], within_s: float = 60.0) -> dict[str, Any]:
    """The ledger beside what clients saw, once nothing is reserved any more."""
    engine = connect(ledger)
    deadline_s = time.monotonic() + within_s
    while _rows(engine, RESERVATIONS) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    rows = _rows(engine, USAGE)
    times, asked = Counter(row["request_id"] for row in rows), Counter(each.request_id for each in seen)
    complete = {each.request_id for each in seen if each.is_complete}
    due = {row["request_id"]: NANO_USD if row["request_id"] in complete else 0 for row in rows}
    return {
        "requests_settled": len(rows),
        "settled_more_than_once": sum(num > 1 for num in times.values()),
        "answered_and_not_settled": len(asked.keys() - times.keys()),
        "settled_and_never_answered": len(times.keys() - asked.keys()),
        "charged_otherwise_than_due": sum(row["charged_nano_usd"] != due[row["request_id"]] for row in rows),
        "still_reserved": len(_rows(engine, RESERVATIONS)),
        "keys_spent_otherwise_than_settled": int(
            sum(key.account.spent_nano_usd for key in Keyring(engine).list())
            != sum(row["charged_nano_usd"] for row in rows)
        ),
    }


def _rows(engine: Any, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)).mappings())


def report(clients: Clients, ledger: str, done: dict[str, int]) -> dict[str, Any]:
    """Everything that was found."""
    seen = clients.seen
    wrong = [each for each in seen if not (each.is_complete or each.is_cut_and_says_so)]
    return {
        **done,
        "streams": len(seen),
        "complete": sum(each.is_complete for each in seen),
        "retried_before_the_first_byte": _counted(clients, "raytide_gateway_retries_total"),
        "cut_after_the_first_byte_with_an_error_event": sum(each.is_cut_and_says_so for each in seen),
        "failed_otherwise": len(wrong),
        "how": Counter(each.error or f"{each.num_tokens} of {OUTPUT_TOKENS} tokens" for each in wrong),
        "ledger": billed(ledger, seen),
    }


def _counted(clients: Clients, name: str) -> int:
    text = httpx.get(f"{clients.url}/metrics", trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return int(sum(sample.value for sample in samples if sample.name == name))


def held(found: dict[str, Any], *, kills: bool) -> bool:
    """Whether nothing was lost that may not be."""
    of_ledger = {name: num for name, num in found["ledger"].items() if name != "requests_settled"}
    cut = found["cut_after_the_first_byte_with_an_error_event"]
    is_each_billed = found["ledger"]["requests_settled"] == found["streams"] and not any(of_ledger.values())
    return is_each_billed and not found["failed_otherwise"] and (kills or not cut)


def fixed_size(application: dict[str, Any]) -> dict[str, Any]:
    """The rendered application without its policy: its size is set from outside."""
    kept = {key: value for key, value in application.items() if key != "autoscaling_policy"}
    deployments = [{k: v for k, v in entry.items() if k != "autoscaling_config"} for entry in kept["deployments"]]
    deployments = [{**entry, "num_replicas": 1} for entry in deployments]
    return {**kept, "deployments": deployments, "external_scaler_enabled": True}


def deployed(where: Site, service: Service) -> str:
    """The name of the service's only variant, once it runs behind the gateway."""
    from ray import serve

    application = fixed_size(operator.desired(service, where))
    where.dashboard.put_applications([operator.gateway(where), application], Http(port=where.http.port).model_dump())
    for name in (service.metadata.name, operator.GATEWAY_APP):
        operator.see_through(name, where, lambda _: None, timeout_s=180)
    brain = serve.get_deployment_handle(BRAIN, service.metadata.name)
    until_ready(brain, 1)
    brain.shutdown()
    return str(application["deployments"][0]["name"])


async def play(clients: Clients, where: Site, variant: str, chosen: argparse.Namespace) -> dict[str, int]:
    """What was done to the replicas, by its name."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        fleet = Fleet(where.address, clients.model, variant, http)
        await fleet.reach(FEW)
        if chosen.kill_every:
            killed = killing(fleet, clients, chosen.kill_every, 60 * (chosen.minutes or 5.0))
            return {"replicas_killed": await clients.stream_while(killed)}
        swung = swinging(fleet, clients, chosen.scale_downs, 60 * (chosen.minutes or math.inf))
        return {"scale_downs": await clients.stream_while(swung)}


def main() -> None:
    """Parse, play, show; the exit status is 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale-downs", type=int, default=500)
    parser.add_argument("--kill-every", type=float, metavar="SECONDS", help="kill replicas instead")
    parser.add_argument("--minutes", type=float, help="of killing, 5 unless said; of swinging at most")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    service = read_as(Service, SERVICE, SETTINGS)
    home = Path(tempfile.mkdtemp(prefix="raytide-lost-"))
    with rehearsal(home, read_as(Cluster, LAPTOP)) as local:
        where, ledger = site(local.dashboard, LAPTOP), ledger_url(home)
        secret = Keyring(connect(ledger)).create("nothing-lost").secret
        variant = deployed(where, service)
        clients = Clients(f"http://127.0.0.1:{local.gateway_port}", service.metadata.name, secret)
        done = asyncio.run(play(clients, where, variant, chosen))
        found = report(clients, ledger, done)
    print(json.dumps(found, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps(found))
    if not held(found, kills=bool(chosen.kill_every)):
        raise SystemExit("something was lost that may not be")


if __name__ == "__main__":
    main()
