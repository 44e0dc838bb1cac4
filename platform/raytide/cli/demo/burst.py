"""A burst of load that takes the service to a second replica and lets it come back.

Arrivals are Poisson. The rate starts at a share of the capacity that the running replica measured of itself and grows
until the autoscaler orders another one, so the burst is a burst on any machine.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from raytide.autoscaling.capacity import Capacity, busy_s_per_request
from raytide.cli.demo.completion import parse, request_body
from raytide.cli.demo.view import Step, View
from raytide.core.errors import RunFailed
from raytide.core.spec import Service
from raytide.operator.site import Site
from raytide.operator.status import services

PROMPTS = ("import os\n", "class Reader:\n", "def main():\n", "    return ", "for name in ", "try:\n    ")
PROMPT_TOKENS = 4
"""Of the prompts above, roughly."""
OUTPUT_TOKENS = 64
FIRST_LOAD = 0.3
"""Replicas that the burst keeps busy at its start."""
GROWTH_PER_S = 1.03
"""How the burst grows until the service asks for another replica; from then on the rate stays."""
HOLD_S = 15.0
"""Time under load with the second replica ready."""
PHASE_TIMEOUT_S = 480.0
POLL_S = 1.0


@dataclass(kw_only=True)
class Burst:
    """What the clients saw."""

    rate_per_s: float = 0.0
    sent: int = 0
    failed: int = 0
    turned_away: int = 0
    """Told at once, with 429, that the queue is too long: what a slow machine does with this much load."""
    tokens: int = 0
    seconds: float = 0.0
    ttft_s: list[float] = field(default_factory=list)
    tpot_s: list[float] = field(default_factory=list)
    most_replicas: int = 0
    replicas_after: int = 0

    @property
    def losses(self) -> str:
        """What became of those without an answer."""
        return f"{self.failed} failed" + (f", {self.turned_away} turned away (429)" if self.turned_away else "")


def run_burst(where: Site, service: Service, view: View) -> Burst:
    """The burst, over once the service is back at its smallest size."""
    return asyncio.run(_burst(where, service, view))


async def _burst(where: Site, service: Service, view: View) -> Burst:
    name, most = service.metadata.name, service.spec.scaling.max_replicas
    seen, capacity = await _measured(where)
    burst = Burst(rate_per_s=_rate(capacity, service))
    with view.step("burst") as step:
        load = asyncio.create_task(_load(burst, seen["url"], name))
        try:
            await _until(where, burst, step, lambda seen: _grow(burst, seen, most))
            await asyncio.sleep(HOLD_S)
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        step.done(f"{burst.sent} requests at {burst.rate_per_s:.0f}/s, 1 → {burst.most_replicas} running replicas")
    least = service.spec.scaling.min_replicas
    with view.step("calm") as step:
        await _until(where, burst, step, lambda seen: seen["replicas"] == {"RUNNING": least})
        burst.replicas_after = least
        step.done(f"{burst.most_replicas} → {least} running replicas, of {burst.sent} requests {burst.losses}")
    return burst


def _grow(burst: Burst, seen: Mapping[str, Any], most: int) -> bool:
    """Whether the service has grown; until it means to, so does the load."""
    if seen["target_replicas"] < most:
        burst.rate_per_s *= GROWTH_PER_S
    return bool(seen["replicas"].get("RUNNING", 0) >= most)


async def _measured(where: Site) -> tuple[dict[str, Any], Capacity]:
    """The service, and what its replica can do; the brain hears it a second after the replica is ready."""
    deadline_s = time.monotonic() + PHASE_TIMEOUT_S
    while time.monotonic() < deadline_s:
        seen = await _look(where)
        for variant in seen["autoscaler"].get("variants", ()):
            if "missing" not in variant["capacity"]:
                return seen, Capacity.from_json(variant["capacity"])
        await asyncio.sleep(POLL_S)
    raise RunFailed("no replica reported its capacity: `raytide status` says more")


def _rate(capacity: Capacity, service: Service) -> float:
    """Requests per second that keep `FIRST_LOAD` replicas busy, from the replica's own measurement."""
    point = capacity.within(service.spec.objectives.tpot.tightest[1]) or capacity.points[0]
    busy_s = busy_s_per_request(point, capacity.prefill_tokens_per_s, PROMPT_TOKENS, OUTPUT_TOKENS)
    return FIRST_LOAD / busy_s


async def _until(where: Site, burst: Burst, step: Step, reached: Callable[[dict[str, Any]], bool]) -> None:
    deadline_s = time.monotonic() + PHASE_TIMEOUT_S
    while time.monotonic() < deadline_s:
        seen = await _look(where)
        burst.most_replicas = max(burst.most_replicas, seen["replicas"].get("RUNNING", 0))
        step.show(_in_words(seen, burst))
        if reached(seen):
            return
        await asyncio.sleep(POLL_S)
    raise RunFailed(f"the replicas did not change within {PHASE_TIMEOUT_S:g} s: `raytide status` says why")


async def _look(where: Site) -> dict[str, Any]:
    found = await asyncio.to_thread(services, where.dashboard)
    return found[0]


def _in_words(seen: Mapping[str, Any], burst: Burst) -> str:
    replicas = " + ".join(f"{count} {state.lower()}" for state, count in sorted(seen["replicas"].items()))
    answered = len(burst.ttft_s)
    return f"{replicas}; {burst.sent} requests sent, {answered} answered, {burst.losses}"


async def _load(burst: Burst, url: str, model: str) -> None:
    """Sends requests until cancelled, then waits for those under way."""
    rng = random.Random(0)  # noqa: S311 (arrival times, not secrets)
    started_s = time.monotonic()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as client:
        requests: set[asyncio.Task[None]] = set()
        try:
            while True:
                request = asyncio.create_task(_request(burst, client, model, rng.choice(PROMPTS)))
                requests.add(request)
                request.add_done_callback(requests.discard)
                burst.sent += 1
                await asyncio.sleep(rng.expovariate(burst.rate_per_s))
        finally:
            await asyncio.gather(*requests)
            burst.seconds = time.monotonic() - started_s


async def _request(burst: Burst, client: httpx.AsyncClient, model: str, prompt: str) -> None:
    body = request_body(model, prompt, OUTPUT_TOKENS, ignore_eos=True)
    sent_s = time.perf_counter()
    arrivals_s: list[float] = []
    output_tokens = 0
    try:
        async with client.stream("POST", "/v1/completions", json=body) as response:
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                burst.turned_away += 1
                return
            response.raise_for_status()
            async for line in response.aiter_lines():
                if chunk := parse(line):
                    arrivals_s.append(time.perf_counter())
                    output_tokens = chunk.output_tokens or output_tokens
    except (httpx.HTTPError, RunFailed):
        output_tokens = 0
    if output_tokens < OUTPUT_TOKENS:
        burst.failed += 1
        return
    burst.tokens += output_tokens
    burst.ttft_s.append(arrivals_s[0] - sent_s)
    burst.tpot_s.append((arrivals_s[-1] - arrivals_s[0]) / (output_tokens - 1))
