"""`raytide models list | promote`: what the registry holds, and what production is."""

from __future__ import annotations

from typing import Annotated

import typer

from raytide.core.errors import RaytideError

app = typer.Typer(help="List and promote registered models.", no_args_is_help=True, rich_markup_mode=None)

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
