"""`raytide plan`, `raytide apply`, `raytide render`: from a declared service to a running one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import typer

from raytide.cli.options import Address, AsJson, ClusterFile, Overrides, ServiceFile, Timeout
from raytide.cli.progress import Line
from raytide.core.spec import Service, marks_of, read_as
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.plan.diff import Plan, Verb
from raytide.operator.plan.runnable import require_runnable
from raytide.operator.site import Site, site

_SAYS = {
    Verb.CREATE: "will be created",
    Verb.RESTART: "will be replaced: its replicas restart with the new revision",
    Verb.UPDATE: "will be changed in place: no replica restarts",
    Verb.NOTHING: "is as declared: nothing to do",
}


def plan(
    file: ServiceFile,
    set_: Overrides = None,
    address: Address = None,
    cluster: ClusterFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what `apply` would do, and what the service may cost."""
    step = _prepare(file, set_, site(address, cluster))
    typer.echo(json.dumps(asdict(step), indent=2) if as_json else describe(step))


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
    if step.verb is not Verb.NOTHING:
        typer.echo(f"{step.service} runs; `raytide status` shows it, {where.address} is the dashboard")


def render(file: ServiceFile, set_: Overrides = None, address: Address = None, cluster: ClusterFile = None) -> None:
    """Print the Serve config of a service, for `serve deploy`; needs no cluster."""
    from ruamel.yaml import YAML

    where = site(address, cluster)
    desired = operator.desired(_runnable(file, set_), where)
    applications = [operator.gateway(where), desired]
    config = {"proxy_location": "EveryNode", "http_options": where.http.model_dump(), "applications": applications}
    YAML(typ="safe", pure=True).dump(config, sys.stdout)


def describe(step: Plan) -> str:
    """The plan for people: the step, each change, replicas and price."""
    lines = [f"{step.service} {_SAYS[step.verb]}", *(f"  {change}" for change in step.changes)]
    return "\n".join([*lines, f"  {step.min_replicas} to {step.max_replicas} replicas, {_price(step)}"])


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
