"""`raytide schema [KIND]`: the JSON Schema that editors check and complete YAML with, or the same to read."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from raytide.core.spec import KINDS, AnyDocument, schema_of
from raytide.core.spec.reference import reference_of
from raytide.core.spec.suggest import nearest


def schema(
    kind: Annotated[
        str | None, typer.Argument(help="Cluster, Service, Job or Pipeline; any of them where left out.")
    ] = None,
    reference: Annotated[bool, typer.Option("--reference", help="As a page of Markdown, to read.")] = False,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a kind."""
    if reference:
        typer.echo(reference_of((_kind(kind),) if kind else KINDS), nl=False)
        return
    typer.echo(json.dumps(schema_of(_kind(kind) if kind else AnyDocument), indent=2))


def _kind(word: str) -> type:
    by_name = {kind.__name__: kind for kind in KINDS}
    known = {name.casefold(): kind for name, kind in by_name.items()}
    if word.casefold() in known:
        return known[word.casefold()]
    meant = nearest(word, by_name)
    hint = f"; did you mean {meant}?" if meant else ""
    raise typer.BadParameter(f"{word} is no kind; the kinds are {', '.join(by_name)}{hint}", param_hint="KIND")
