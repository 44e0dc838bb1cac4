"""`raytide history` and `raytide rollback`: what a service was told to be, and going back to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from raytide.cli.moments import said
from raytide.cli.options import Address, AsJson, ClusterFile, Timeout
from raytide.cli.plan import describe as describe_plan
from raytide.cli.progress import Line
from raytide.core.errors import RaytideError
from raytide.operator import change
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.history import Record
from raytide.operator.plan.diff import Verb
from raytide.operator.site import site

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")]


def history(name: ServiceName, address: Address = None, cluster: ClusterFile = None, as_json: AsJson = False) -> None:
    """List every change of a service that was made from this storage folder, oldest first."""
    records = _records(name, HistoryFile(site(address, cluster).home, name).records())
    if as_json:
        typer.echo(json.dumps({"service": name, "changes": [asdict(record) for record in records]}, indent=2))
    else:
        typer.echo("\n".join(describe(records)))


def rollback(
    name: ServiceName,
    revision: Annotated[
        str | None, typer.Argument(metavar="[REVISION]", help="Or its beginning. Default: the last other one that ran.")
    ] = None,
    address: Address = None,
    cluster: ClusterFile = None,
    timeout: Timeout = 600.0,
) -> None:
    """Run a revision again that ran before, with the bounds that it had; a second time it does nothing."""
    where = site(address, cluster)
    step, record = change.rollback(name, revision, where)
    typer.echo(f"back to revision {record.revision}, {record.model}, as of {said(record.at_s)}")
    typer.echo(describe_plan(step))
    with Line() as line:
        change.carry_out(step, where, watch=line.show, timeout_s=timeout, command="rollback")
    if step.verb is not Verb.NOTHING:
        typer.echo(f"{name} runs revision {record.revision}")


def describe(records: Sequence[Record]) -> Iterator[str]:
    """A line for each change, and one more where it failed."""
    for record in records:
        what = record.command if record.command == record.verb else f"{record.command}, {record.verb}"
        yield f"{record.number:>3}  {said(record.at_s)}  {record.revision}  {record.model}  {what}: {record.outcome}"
        if record.why:
            yield f"     {record.why}"


def _records(name: str, records: tuple[Record, ...]) -> tuple[Record, ...]:
    if not records:
        raise RaytideError(f"nothing was applied as {name!r} from here: set RAYTIDE_HOME as where it was applied")
    return records
