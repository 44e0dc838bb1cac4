"""`raytide status` and `raytide delete`: what runs, and ending it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from raytide.autoscaling.codec import plain
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.plan import PoolPlan
from raytide.autoscaling.pools.says import line
from raytide.cli.options import Address, AsJson, ClusterFile, Timeout
from raytide.core.errors import RaytideError
from raytide.operator import change
from raytide.operator.drift import drift_of
from raytide.operator.pool_plan import planned
from raytide.operator.site import Site, site
from raytide.operator.status import services

SHOWN_DECISIONS = 5
LONGEST_VALUE = 40


def status(address: Address = None, cluster: ClusterFile = None, as_json: AsJson = False) -> None:
    """Show every service: state, replicas, traffic, spend and the latest scaling decisions with their reasons.

    Before them the pools that may grow, with the nodes that decided replicas fill.
    """
    where = site(address, cluster)
    found = [service | {"drift": _drift(service, where)} for service in services(where.dashboard)]
    pools = planned(where) if found else ()
    if as_json:
        typer.echo(json.dumps({"cluster": where.address, "pools": _pools(pools), "services": found}, indent=2))
        return
    typer.echo(f"cluster {where.address}")
    for plan in pools if not isinstance(pools, Missing) else ():
        typer.echo(f"  pool      {line(plan, plan.nodes)}")
    for service in found:
        typer.echo("\n".join(describe(service)))
    if not found:
        typer.echo("no service runs; `raytide apply services/chat.yaml` starts one")


def delete(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")],
    address: Address = None,
    cluster: ClusterFile = None,
    timeout: Timeout = 360.0,
) -> None:
    """End a service after its running requests; the other services stay."""
    where = site(address, cluster)
    if not change.delete(name, where, timeout_s=timeout):
        known = ", ".join(service["name"] for service in services(where.dashboard)) or "none"
        raise RaytideError(f"no service {name!r} runs on {where.address}; these do: {known}")
    typer.echo(f"{name} is gone")


def describe(service: Mapping[str, Any]) -> Iterator[str]:
    """The service for people, a line each for what runs, what arrives, what it costs, and why it is this large."""
    replicas = _counted(service["replicas"])
    canary = "  canary" if service["canary"] else ""
    yield f"\n{service['name']}{canary}  {service['state'].lower()}  {service['model']}  revision {service['revision']}"
    yield f"  url       {service['url']}/v1"
    yield f"  replicas  {replicas}; target {service['target_replicas']}"
    if len(service["variants"]) > 1:
        yield from (f"    {variant_line(variant)}" for variant in service["variants"])
    if service["message"]:
        yield f"  message   {service['message'].strip().splitlines()[-1]}"
    yield from (f"  drift     {line}" for line in service.get("drift", ()))
    brain = service["autoscaler"]
    if "missing" in brain:
        yield f"  brain     {brain['missing']}"
        return
    if rollout := brain.get("rollout"):
        yield f"  rollout   {rollout['phase']}, {rollout['weight']:.1%} of the requests: {rollout['says']}"
    yield f"  traffic   {_traffic(brain['traffic'])}"
    yield f"  attained  {attained(brain['attainment'])}"
    if brain["variants"]:
        yield f"  starts    {', '.join(start_line(one) for one in brain['variants'])}"
    if brain.get("shadow"):
        yield "  shadow    decisions are recorded, and not carried out"
    yield f"  spend     {brain['replica_seconds']:.0f} replica-seconds, ${brain['usd']:.4f}"
    yield from (f"  {decision_line(entry)}" for entry in brain["decisions"][-SHOWN_DECISIONS:])


def variant_line(variant: Mapping[str, Any]) -> str:
    """`vllm-l4-spot  2 running; target 2`."""
    return f"{variant['name']}  {_counted(variant['replicas'])}; target {variant['target_replicas']}"


def start_line(variant: Mapping[str, Any]) -> str:
    """`vllm-cpu in 24 s (learnt)`: from an order to a replica that serves."""
    source = "learnt" if variant["cold_start_is_learnt"] else "as declared"
    return f"{variant['name']} in {variant['cold_start_s']:.0f} s ({source})"


def attained(attainment: Mapping[str, Any]) -> str:
    """The share of requests that kept their objectives, beside the wanted one."""
    if isinstance(attainment["share"], Mapping):
        return str(attainment["share"]["missing"])
    kept = f"{attainment['share']:.1%} of {attainment['requests']:,} requests kept their objectives"
    return f"{kept}, {attainment['wanted'] * 100:g}% wanted"


def decision_line(entry: Mapping[str, Any]) -> str:
    """`12:31:05  1 → 2  demand: …`, in UTC."""
    at = datetime.fromtimestamp(entry["at_s"], UTC).strftime("%H:%M:%S")
    says = "; ".join(reason["says"] for reason in entry["reasons"])
    return f"{at}  {entry['previous']} → {entry['target']}  {entry['rule']}: {says}"


def _pools(plans: tuple[PoolPlan, ...] | Missing) -> Any:
    return plain(plans) if isinstance(plans, Missing) else [plain(plan) | {"nodes": plan.nodes} for plan in plans]


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state.lower()}" for state, count in sorted(states.items())) or "none"


def _drift(service: Mapping[str, Any], where: Site) -> list[str]:
    """What runs otherwise than it was applied; nothing where it was applied elsewhere, which is no drift."""
    drift = drift_of(service["name"], where)
    if service["canary"] or isinstance(drift, Missing):
        return []
    return [f"{change.path} is {_value(change.live)}, {_value(change.desired)} was applied" for change in drift]


def _value(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _traffic(traffic: Mapping[str, Any]) -> str:
    if "missing" in traffic:
        return str(traffic["missing"])
    latencies = [
        f"{name.removesuffix('_s').replace('_', ' ')} {_milliseconds(value)}"
        for name, value in traffic.items()
        if name.startswith(("ttft", "tpot"))
    ]
    load = f"{traffic['arrivals_per_s']:.1f} requests/s, {traffic['running']} running, {traffic['waiting']} waiting"
    return ", ".join([load, *latencies])


def _milliseconds(value: Any) -> str:
    return "unknown" if isinstance(value, Mapping) else f"{value * 1e3:.0f} ms"
