"""`raytide plan`, `raytide apply`, `raytide render`: from a declared service to a running one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import typer

from raytide.autoscaling.codec import plain
from raytide.autoscaling.missing import Missing
from raytide.cli.options import Address, AsJson, ClusterFile, Overrides, ServiceFile, Timeout
from raytide.cli.progress import Line
from raytide.core.spec import Service, marks_of, read_as
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.outlook import Outlook, outlook_of
from raytide.operator.plan.diff import Plan, Verb
from raytide.operator.plan.runnable import require_runnable
from raytide.operator.plan.sizes import Size, Sizes
from raytide.operator.site import Site, site

_SAYS = {
    Verb.CREATE: "will be created",
    Verb.RESTART: "will be replaced: its replicas restart with the new revision",
    Verb.UPDATE: "will be changed in place: no replica restarts",
    Verb.CANARY: "will be tried as a canary: it takes requests step by step, while nothing speaks against it",
    Verb.NOTHING: "is as declared: nothing to do",
}


def plan(
    file: ServiceFile,
    set_: Overrides = None,
    address: Address = None,
    cluster: ClusterFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what `apply` would do, and replicas, GPUs, $/h and predicted attainment before and after."""
    where = site(address, cluster)
    step = _prepare(file, set_, where)
    outlook = outlook_of(step, where)
    if as_json:
        typer.echo(json.dumps({**asdict(step), **plain(outlook)}, indent=2))
    else:
        typer.echo("\n".join((*_step(step), *sized(outlook))))


def apply(
    file: ServiceFile,
    set_: Overrides = None,
    address: Address = None,
    cluster: ClusterFile = None,
    timeout: Timeout = 600.0,
) -> None:
    """Make the cluster run the service as declared; a second time it does nothing."""
    where = site(address, cluster)
    step = _prepare(file, set_, where)
    typer.echo(describe(step))
    with Line() as line:
        change.carry_out(step, where, watch=line.show, timeout_s=timeout)
    if step.verb is Verb.CANARY:
        typer.echo(f"{step.application} runs as a canary; `raytide status` and `raytide history` show how it goes")
    elif step.verb is not Verb.NOTHING:
        typer.echo(f"{step.service} runs; `raytide status` shows it, {where.address} is the dashboard")


def render(file: ServiceFile, set_: Overrides = None, address: Address = None, cluster: ClusterFile = None) -> None:
    """Print the Serve config of a service, for `serve deploy`; needs no cluster."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as `serve deploy` reads it: an unquoted `off` is false there
    where = site(address, cluster)
    desired = operator.desired(_runnable(file, set_), where)
    applications = [operator.gateway(where), desired]
    config = {"proxy_location": "EveryNode", "http_options": where.http.model_dump(), "applications": applications}
    yaml.dump(config, sys.stdout)


def describe(step: Plan) -> str:
    """The plan for people: the step, each change, replicas and price."""
    return "\n".join((*_step(step), f"  {step.min_replicas} to {step.max_replicas} replicas, {_price(step)}"))


def sized(outlook: Outlook) -> Iterator[str]:
    """A line for each size, before where it runs and after, with what is not known and why below."""
    yield f"  {'':<14}{'replicas':>8}{'GPUs':>6}{'$/h':>10}{'in time':>9}  mix"
    sides = {"before": outlook.before, "after": outlook.after}
    for name, sizes in sides.items():
        if sizes is not None:
            yield from (_size(f"{name} {which}", size) for which, size in _sizes(sizes))
    yield from (f"  {why}" for why in dict.fromkeys(_unknown(outlook)))


def _sizes(sizes: Sizes) -> Iterator[tuple[str, Size]]:
    yield "fewest", sizes.fewest
    if not isinstance(sizes.now, Missing):
        yield "now", sizes.now
    yield "most", sizes.most


def _size(name: str, size: Size) -> str:
    usd = "unknown" if isinstance(size.usd_per_hour, Missing) else f"{size.usd_per_hour:,.2f}"
    kept = "unknown" if isinstance(size.attainment, Missing) else f"{size.attainment:.1%}"
    mix = ", ".join(f"{num} {variant}" for variant, num in size.replicas.items()) or "none"
    return f"  {name:<14}{sum(size.replicas.values()):>8}{size.gpus:>6}{usd:>10}{kept:>9}  {mix}"


def _unknown(outlook: Outlook) -> Iterator[str]:
    for sizes in (outlook.before, outlook.after):
        for _, size in _sizes(sizes) if sizes else ():
            if isinstance(size.usd_per_hour, Missing):
                yield f"$/h: {size.usd_per_hour.reason}"
            if isinstance(size.attainment, Missing):
                yield f"in time: {size.attainment.reason}"


def _step(step: Plan) -> Iterator[str]:
    yield f"{step.service} {_SAYS[step.verb]}"
    yield from (f"  {change}" for change in step.changes)
    if step.ends:
        yield f"  ends {step.ends}, the canary that is under way"


def _price(step: Plan) -> str:
    if step.usd_per_hour is None:
        return "price unknown: no declared pool offers this hardware"
    low, high = step.usd_per_hour
    return f"${low:.2f}/h to ${high:.2f}/h"


def _prepare(file: ServiceFile, overrides: Overrides, where: Site) -> Plan:
    return operator.prepare(_runnable(file, overrides), where)


def _runnable(file: Path, overrides: Overrides) -> Service:
    given = tuple(overrides or ())
    service = read_as(Service, file, given)
    require_runnable(service, marks_of(file, given))
    return service
