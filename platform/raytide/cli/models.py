"""`raytide models list | show | promote | rollback | lineage`: what the registry holds, what serves, and from what."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from raytide.cli.lineage import describe, traced
from raytide.cli.options import Address, AsJson, ClusterFile, Timeout
from raytide.cli.progress import Line
from raytide.core.errors import RaytideError
from raytide.core.spec import Service, read_as
from raytide.operator.site import Site, site

app = typer.Typer(help="List, trace and promote registered models.", no_args_is_help=True, rich_markup_mode=None)

Reference = Annotated[
    str, typer.Argument(metavar="NAME@WHICH", help="A version or an alias, as chat@production or chat@3.")
]
Model = Annotated[str, typer.Argument(metavar="NAME", help="The registered name, such as chat.")]


@app.command("list")
def list_(name: Model) -> None:
    """Show every version of a model, oldest first."""
    from raytide.jobs import registry

    found = registry.versions(name)
    if not found:
        raise RaytideError(f"the registry has no model {name!r}: an evaluate job registers one when its gate passes")
    for version in found:
        perplexity = version.metrics.get("perplexity")
        metric = "" if perplexity is None else f"  perplexity {perplexity:.2f}"
        typer.echo(f"{version.name} v{version.version}{metric}  {' '.join(version.aliases)}".rstrip())


@app.command()
def show(reference: Reference, as_json: AsJson = False) -> None:
    """Show one version: its files, its aliases, and what its evaluation measured."""
    from raytide.jobs import registry

    version = registry.resolve(f"registry:{reference.removeprefix('registry:')}")
    if as_json:
        typer.echo(json.dumps(asdict(version) | {"path": str(version.path)}, indent=2))
        return
    typer.echo(f"{version.name} v{version.version}  {' '.join(version.aliases)}".rstrip())
    typer.echo(f"  files  {version.path}")
    for name, value in sorted(version.metrics.items()):
        typer.echo(f"  {name}  {value:.6g}")


@app.command()
def promote(
    name: Model,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version or an alias.")] = "candidate",
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
    through: Annotated[
        Path | None,
        typer.Option(metavar="SERVICE.yaml", help="A service that has to run it first, as a canary where it has one."),
    ] = None,
    address: Address = None,
    cluster: ClusterFile = None,
    timeout: Timeout = 600.0,
) -> None:
    """Move an alias to a version; services that name the alias follow at their next `raytide apply`.

    With --through the service tries the version first, and the alias moves once it has taken all requests; exit 4
    where its canary was rolled back.
    """
    from raytide.jobs import registry

    if through is not None:
        number = registry.resolve(f"registry:{name}@{version}").version
        _serve(read_as(Service, through), (name, number, alias), site(address, cluster), timeout)
        version = str(number)
    moved = registry.promote(name, version, alias)
    typer.echo(f"{alias} is {moved.name} v{moved.version}")


def _serve(service: Service, promoted: tuple[str, int, str], where: Site, timeout_s: float) -> None:
    from raytide.operator.promotion import pinned, serve

    with Line() as line:
        serve(pinned(service, *promoted), where, watch=line.show, timeout_s=timeout_s)


@app.command()
def rollback(name: Model, alias: Annotated[str, typer.Option(help="The alias to move back.")] = "production") -> None:
    """Move an alias back to the version that it named before; services follow at their next `raytide apply`."""
    from raytide.jobs import registry

    moved = registry.rollback(name, alias)
    typer.echo(f"{alias} is {moved.name} v{moved.version} again")


@app.command()
def lineage(
    reference: Reference,
    as_json: AsJson = False,
) -> None:
    """Show what a version was made of: evaluation, run, configuration, code and data."""
    from raytide.jobs import registry

    told = traced(registry.resolve(f"registry:{reference.removeprefix('registry:')}"))
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(describe(told)))
