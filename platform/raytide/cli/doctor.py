"""`raytide doctor`: what keeps raytide from working here, each with what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from raytide.cli.options import Address, AsJson, ClusterFile
from raytide.operator.doctor.diagnose import Diagnosis, diagnose
from raytide.operator.doctor.machine import facts_of
from raytide.operator.site import site


def doctor(address: Address = None, cluster: ClusterFile = None, as_json: AsJson = False) -> None:
    """Check versions, ports, memory, disk, proxies and the clock of this machine; exit 1 where any is wrong."""
    found = diagnose(facts_of(site(address, cluster)))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        typer.echo("\n".join(line for one in found for line in _lines(one)))
    if any(one.problem for one in found):
        raise typer.Exit(1)


def _lines(one: Diagnosis) -> tuple[str, ...]:
    if one.problem is None:
        return (f"ok     {one.subject:<14} {one.says}",)
    return (f"wrong  {one.subject:<14} {one.problem}", f"{'':21} fix: {one.fix}")
