"""Steps of the reconciler as people and machines read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import typer

from raytide.operator.reconcile.status import place
from raytide.operator.reconcile.step import Step


def print_steps(
    steps: Sequence[Step], *, as_json: bool, details: Callable[[Step], Iterable[str]] = lambda _: ()
) -> None:
    """A line for each step, with its details below it."""
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps], indent=2))
        return
    for step in steps:
        typer.echo(f"{step.verb:<8}{place(step)}" + (f": {step.reason}" if step.reason else ""))
        for line in details(step):
            typer.echo(f"        {line}")
    if not any(step.is_sent for step in steps):
        typer.echo("the cluster holds all of it: nothing to send")
