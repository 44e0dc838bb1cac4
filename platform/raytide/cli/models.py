"""`raytide models list | promote | rollback | lineage`: what the registry holds, what production is, and from what."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from raytide.cli.lineage import describe, traced
from raytide.cli.options import AsJson
from raytide.core.errors import RaytideError

app = typer.Typer(help="List, trace and promote registered models.", no_args_is_help=True, rich_markup_mode=None)

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
def promote(
    name: Model,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version or an alias.")] = "candidate",
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "production",
) -> None:
    """Move an alias to a version; services that name the alias follow at their next `raytide apply`."""
    from raytide.jobs import registry

    moved = registry.promote(name, version, alias)
    typer.echo(f"{alias} is {moved.name} v{moved.version}")


@app.command()
def rollback(name: Model, alias: Annotated[str, typer.Option(help="The alias to move back.")] = "production") -> None:
    """Move an alias back to the version that it named before; services follow at their next `raytide apply`."""
    from raytide.jobs import registry

    moved = registry.rollback(name, alias)
    typer.echo(f"{alias} is {moved.name} v{moved.version} again")


@app.command()
def lineage(
    reference: Annotated[
        str, typer.Argument(metavar="NAME@WHICH", help="A version or an alias, as chat@production or chat@3.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show what a version was made of: evaluation, run, configuration, code and data."""
    from raytide.jobs import registry

    told = traced(registry.resolve(f"registry:{reference.removeprefix('registry:')}"))
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(describe(told)))
