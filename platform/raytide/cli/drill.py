"""`raytide drill FAULT SERVICE`: whether the service survives what its objective says that it survives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from raytide.cli.options import Address, AsJson, ClusterFile
from raytide.cli.progress import Line
from raytide.cli.values import unknown
from raytide.core.errors import RaytideError
from raytide.operator import apply as operator
from raytide.operator.adapters.dashboard import Dashboard
from raytide.operator.drill.inject import inject
from raytide.operator.drill.load import Load
from raytide.operator.drill.objective import Fault, Report, objective_of
from raytide.operator.drill.run import Drill, run
from raytide.operator.plan.sizes import terms_of
from raytide.operator.site import Site, site
from raytide.operator.status import services


class ObjectiveMissed(RaytideError):
    """A drill was run, and its objective did not hold."""

    exit_code = 4


def drill(
    fault: Annotated[
        str,
        typer.Argument(
            metavar="FAULT",
            help="kill-replica, kill-node, slow-replica, lost-metrics, restart-brain or restart-controller.",
        ),
    ],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service that runs.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the fault.")] = False,
    rate: Annotated[float, typer.Option(metavar="N", min=0.1, max=50.0, help="Requests per second meanwhile.")] = 2.0,
    max_tokens: Annotated[int, typer.Option(metavar="N", min=2, max=256, help="Output tokens of each request.")] = 16,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="RAYTIDE_API_KEY", help="Where the service asks for one.")
    ] = None,
    address: Address = None,
    cluster: ClusterFile = None,
    as_json: AsJson = False,
) -> None:
    """Do one fault to the service that runs, under light load, and say whether its objective held.

    Reports lost requests, attainment and the time to recover; the exit status is 4 where the objective did not hold.
    """
    if fault not in tuple(Fault):
        raise unknown("FAULT", fault, tuple(map(str, Fault)))
    where = site(address, cluster)
    terms = terms_of(_declared(service, where))
    objective = objective_of(Fault(fault), cold_start_s=max(variant.cold_start_s for variant in terms.variants))
    seen = _look(service, where)
    _announce(f"{fault} on {service} at {where.address}: {objective.does}", f"objective: {objective.says}", yes)
    with Line() as line:
        report = run(
            Drill(
                fault=Fault(fault),
                objective=objective,
                terms=terms,
                load=Load(url=seen["url"], model=service, requests_per_s=rate, max_tokens=max_tokens, api_key=api_key),
                look=lambda: _look(service, where),
                inject=lambda: inject(Dashboard(where.address), Fault(fault), seen["application"], objective),
                watch=line.show,
            )
        )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else "\n".join(describe(report)))
    if not report.held:
        raise ObjectiveMissed(f"the objective did not hold: {'; '.join(report.why)}")


def describe(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"{report.fault}: {report.did}"
    yield f"  objective  {report.objective}"
    errors = ", ".join(f"{num} {error}" for error, num in report.errors.items())
    beyond = f", {report.lost_beyond} of them not allowed" if report.lost else ""
    yield f"  requests   {report.sent} sent, {report.lost} lost{beyond}{f' ({errors})' if errors else ''}"
    share = f"{report.attained / report.sent:.1%}" if report.sent else "unknown"
    yield f"  attained   {share} of them kept the service's objectives"
    after = "not" if report.recovered_after_s is None else f"{report.recovered_after_s:.1f} s after the fault"
    yield f"  recovered  {after}"
    yield f"  held       {'yes' if report.held else 'no: ' + '; '.join(report.why)}"


def _announce(what: str, objective: str, yes: bool) -> None:
    typer.echo(f"{what}\n{objective}", err=True)
    if not yes and not typer.confirm("go ahead?", err=True):
        raise typer.Exit(1)


def _declared(service: str, where: Site) -> Mapping[str, Any]:
    declared = operator.revisions(service, where).stable
    if declared is None:
        known = ", ".join(one["name"] for one in services(where.dashboard)) or "none"
        raise RaytideError(f"no service {service!r} runs on {where.address}; these do: {known}")
    return declared


def _look(service: str, where: Site) -> dict[str, Any]:
    found = next((one for one in services(where.dashboard) if one["name"] == service), None)
    if found is None:
        raise RaytideError(f"no service {service!r} runs on {where.address}")
    return found
