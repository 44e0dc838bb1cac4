"""A trace against an emulated service on rehearsed pools, live: attainment, replicas, nodes and cost, also simulated.

    python benchmarks/live_scaling.py ../shared/data/traces/azure_2023_conv.csv

An hour of the trace is told in ten minutes, and every twelfth of its requests is asked, so that two cores emulate it.
Everything else is real: Ray Serve, Ray's cluster autoscaler, the brain and its follower, the gateway, HTTP streams.
The simulator then plays the same requests against the same policy, with the lead times that were measured live.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from raytide.autoscaling.journal import replay
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.routes import Routes
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.plan import pool_plan
from raytide.autoscaling.pools.wanted import PoolUse
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.read import read_trace
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms
from raytide.core.spec import Cluster, Service, read_as
from raytide.core.spec.cluster import Pool
from raytide.operator import apply as operator
from raytide.operator.adapters.gateway import Gateway
from raytide.operator.local.end import end
from raytide.operator.local.head import start
from raytide.operator.local.record import LocalCluster, recall
from raytide.operator.site import site
from raytide.operator.status import base_url

HERE = Path(__file__).parent
CLUSTER, SERVICE = HERE / "rehearsal_cluster.yaml", HERE / "rehearsal_service.yaml"
SHOWN_EVERY_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as its client saw it."""

    at_s: float
    ttft_s: float | None
    tpot_s: float
    num_tokens: int
    error: str = ""

    def attains(self, objective: Objective) -> bool:
        """Whether it was answered in full and kept both bounds."""
        return (
            not self.error
            and self.ttft_s is not None
            and self.ttft_s <= objective.ttft_s
            and self.tpot_s <= objective.tpot_s
        )


@dataclass
class Client:
    """Streams through the gateway, each at the moment that the trace tells."""

    url: str
    model: str
    answers: list[Asked] = field(default_factory=list)

    async def replay(self, trace: Trace) -> None:
        """Ask every request when the trace does; returns once all are answered."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=120, trust_env=False, limits=limits) as http:
            began_s, asking = time.perf_counter(), []
            for at_s, prompt, output in zip(trace.arrival_s, trace.prompt_tokens, trace.output_tokens, strict=True):
                await asyncio.sleep(max(0.0, began_s + at_s - time.perf_counter()))
                asking.append(asyncio.create_task(self._ask(http, float(at_s), int(prompt), int(output))))
            await asyncio.gather(*asking)

    async def _ask(self, http: httpx.AsyncClient, at_s: float, prompt: int, output: int) -> None:
        body = {"model": self.model, "prompt": [1] * prompt, "max_tokens": output, "stream": True, "ignore_eos": True}
        began_s, came_s, came = time.perf_counter(), list[float](), b""
        try:
            async with http.stream("POST", f"{self.url}/v1/completions", json=body) as response:
                async for part in response.aiter_raw():
                    came_s.append(time.perf_counter())
                    came += part
                error = "" if response.is_success else f"HTTP {response.status_code}: {came.decode()}"
        except httpx.HTTPError as failed:
            error = repr(failed)
        num = came.count(b"data: {")
        if not error and (num != output or not came.endswith(b"data: [DONE]\n\n")):
            error = f"{num} of {output} tokens: …{came[-200:].decode()}"
        ttft_s = came_s[0] - began_s if came_s else None
        tpot_s = (came_s[-1] - came_s[0]) / (num - 1) if num > 1 else 0.0
        self.answers.append(Asked(at_s=at_s, ttft_s=ttft_s, tpot_s=tpot_s, num_tokens=num, error=error))


@dataclass
class Watch:
    """Nodes, replicas and the pool plan, once a second, in a thread of its own."""

    brain: Any
    gateway: Gateway
    pools: tuple[Pool, ...]
    began_s: float = 0.0
    seen: list[dict[str, Any]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def until_calm(self, at_most_s: float) -> None:
        """Returns once fewer replicas are wanted, and fewer nodes there, than at the highest."""
        deadline_s = time.monotonic() + at_most_s
        while time.monotonic() < deadline_s and not all(map(self._has_fallen, ("target", "nodes"))):
            time.sleep(1.0)

    def _has_fallen(self, what: str) -> bool:
        sizes = [sum(seen[what].values()) for seen in self.seen]
        return bool(sizes) and sizes[-1] < max(sizes)

    def run(self) -> None:
        """Look until it is over."""
        import ray

        while not self.over.wait(1.0):
            status, use = self.brain.status.remote().result(timeout_s=30), self.gateway.pool_use()
            alive = Counter(
                node["Labels"].get("ray.io/accelerator-type", "head") for node in ray.nodes() if node["Alive"]
            )
            self.seen.append(
                {
                    "at_s": time.perf_counter() - self.began_s,
                    "nodes": dict(alive),
                    "planned": None if isinstance(use, Missing) else floors(self.pools, use),
                    "ready": {one["name"]: one["ready"] for one in status["variants"]},
                    "target": {one["name"]: one["target"] for one in status["variants"]},
                    "usd": status["usd"],
                }
            )


def floors(pools: tuple[Pool, ...], use: PoolUse) -> dict[str, int]:
    """Nodes that are planned, by accelerator."""
    planned = Counter[str]()
    for pool, plan in zip(pools, pool_plan(pools, use), strict=True):
        planned[pool.accelerator] += plan.nodes
    return dict(planned)


def told(trace: Trace, *, every: int, speed: float, span_s: float) -> Trace:
    """Every so many-th request of the trace, at so many times its speed."""
    kept = np.arange(0, len(trace), every)
    kept = kept[trace.arrival_s[kept] / speed < span_s]
    return Trace(
        name=trace.name,
        arrival_s=trace.arrival_s[kept] / speed,
        prompt_tokens=trace.prompt_tokens[kept],
        output_tokens=trace.output_tokens[kept],
        span_s=span_s,
    )


@contextmanager
def rehearsal(home: Path, cluster: Cluster) -> Iterator[LocalCluster]:
    """The declared pools on this machine, with Ray connected; a signal that ends this process ends Ray as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ |= {"RAYTIDE_HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        import ray

        local = start(home, 8000, cluster)
        config = json.loads((Path(local.temp_dir) / "pools.json").read_text())
        ray.init(address=config["provider"]["gcs_address"], log_to_driver=False)
        yield local
        ray.shutdown()
    finally:
        if left := recall(home):
            end(home, left)


def lead_times_s(journal: Path, terms: Terms) -> dict[str, float]:
    """The median time from an order to a serving replica, by variant; as declared where none was started."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for then, _ in replay(journal.read_text().splitlines(keepends=True)):
        for view in then.observation.variants:
            took[view.name].extend(view.became_ready_after_s)
    return {v.name: statistics.median(took[v.name]) if took[v.name] else v.cold_start_s for v in terms.variants}


def predicted(trace: Trace, settings: BrainSettings, leads_s: dict[str, float]) -> dict[str, Any]:
    """What the simulator expects of the same requests, policy and lead times."""
    variants = tuple(replace(one, cold_start_s=leads_s[one.name]) for one in settings.terms.variants)
    terms = replace(settings.terms, variants=variants)
    played = play(trace, settings.policy, terms, Conditions(num_laps=1, initial_replicas=terms.min_replicas))
    return score(played, terms).to_json()


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything that was found, as plain data."""
    from ray import serve

    cluster, service = read_as(Cluster, CLUSTER), read_as(Service, SERVICE, tuple(arguments.set))
    trace = told(read_trace(arguments.trace), every=arguments.every, speed=arguments.speed, span_s=arguments.seconds)
    home = Path(tempfile.mkdtemp(prefix="raytide-live-"))
    with rehearsal(home, cluster) as local:
        where = site(local.dashboard, CLUSTER)
        step = operator.prepare(service, where)
        operator.apply(step, where, watch=lambda _: None, timeout_s=300)
        brain = serve.get_deployment_handle(BRAIN, service.metadata.name)
        settings = BrainSettings.from_user_config(step.desired["deployments"][-1]["user_config"])
        url = base_url(where.dashboard.serve_details(), service.spec.route, local.dashboard)
        client, watch = Client(url, service.metadata.name), Watch(brain, Gateway(url), cluster.spec.pools)
        until_ready(brain, settings.terms.min_replicas)
        watch.began_s, watch.seen = time.perf_counter(), []
        before_usd = brain.status.remote().result()["usd"]
        watching = threading.Thread(target=watch.run)
        watching.start()
        asyncio.run(client.replay(trace))
        watch.until_calm(arguments.calm)
        watch.over.set()
        watching.join()
        brain.shutdown()  # its thread would outlive Ray, and start a cluster of its own
    journal = home / "journal" / f"{service.metadata.name}.jsonl"
    return report(trace, settings, client, watch, journal, before_usd)


def until_ready(brain: Any, num: int, timeout_s: float = 180.0) -> None:
    """Returns once so many replicas serve."""
    deadline_s = time.monotonic() + timeout_s
    while len(Routes.from_plain(brain.routes.remote().result(timeout_s=30)).upstreams) < num:
        assert time.monotonic() < deadline_s, f"{num} replicas are not ready"
        time.sleep(1.0)


def report(
    trace: Trace, settings: BrainSettings, client: Client, watch: Watch, journal: Path, before_usd: float
) -> dict[str, Any]:
    """The live run beside the simulated one."""
    objective, leads_s = settings.terms.objective, lead_times_s(journal, settings.terms)
    in_span = [seen for seen in watch.seen if seen["at_s"] <= trace.span_s]
    pairs = list(replay(journal.read_text().splitlines(keepends=True)))
    kept = [answer.attains(objective) for answer in client.answers]
    ttfts_s = [answer.ttft_s for answer in client.answers if answer.ttft_s is not None]
    return {
        "requests": len(client.answers),
        "cut_or_failed": [asdict(answer) for answer in client.answers if answer.error],
        "live": {
            "attainment": sum(kept) / len(kept),
            "ttft_p99_s": float(np.quantile(ttfts_s, 0.99)),
            "tpot_p99_s": float(np.quantile([answer.tpot_s for answer in client.answers], 0.99)),
            "cost_usd": in_span[-1]["usd"] - before_usd,
        },
        "lead_times_s": leads_s,
        "simulated": predicted(trace, settings, leads_s),
        "decisions": len(pairs),
        "decided_again_to_the_bit": all((one.decision, one.state) == (two.decision, two.state) for one, two in pairs),
        "explained": all(reason.says for one, _ in pairs for v in one.decision.variants for reason in v.reasons),
        "timeline": watch.seen,
    }


def show(found: dict[str, Any]) -> None:
    """For people."""
    live, simulated = found["live"], found["simulated"]
    print(f"{found['requests']} requests, {len(found['cut_or_failed'])} cut or failed")
    print(f"lead times     {', '.join(f'{name} {s:.1f} s' for name, s in found['lead_times_s'].items())}")
    print(f"{'':14} {'live':>10} {'simulated':>10}")
    for name in ("attainment", "ttft_p99_s", "tpot_p99_s", "cost_usd"):
        print(f"{name:14} {live[name]:10.4f} {simulated[name]:10.4f}")
    print(f"cost, live beside simulated: {live['cost_usd'] / simulated['cost_usd'] - 1:+.1%}")
    print(f"{found['decisions']} decisions, decided again to the bit: {found['decided_again_to_the_bit']}")
    for seen in found["timeline"][::SHOWN_EVERY_S]:
        nodes = {name: num for name, num in sorted(seen["nodes"].items()) if name != "head"}
        print(f"{seen['at_s']:6.0f} s  replicas {seen['ready']}  nodes {nodes}  planned {seen['planned']}")


def main() -> None:
    """Parse, run, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--every", type=int, default=12)
    parser.add_argument("--speed", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--calm", type=float, default=0.0, help="seconds to wait at most for replicas and nodes to go")
    parser.add_argument("--set", action="append", default=[], help="of the service, as spec.scaling.min_replicas=1")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = run(arguments)
    show(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
