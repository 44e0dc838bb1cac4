"""`raytide pipeline plan FILE`: what a pipeline would run now, what it would find, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raytide.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from raytide.jobs.pipeline.survey import Survey

app = typer.Typer(help="Say what a pipeline would run.", no_args_is_help=True, rich_markup_mode=None)
app.callback()(lambda: None)  # keeps `plan` a word of its own while it is the only one


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(metavar="PIPELINE.yaml", help="A file of kind Pipeline.")],
    set_: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Say of each step whether it would run, wait, or be found as before; asks the storage folder, not the cluster."""
    from raytide.jobs.pipeline.declared import read_pipeline
    from raytide.jobs.pipeline.records import Records
    from raytide.jobs.pipeline.survey import Survey

    pipeline = read_pipeline(file, tuple(set_ or ()))
    told = list(steps_of(Survey(pipeline, Records(pipeline.name))))
    if as_json:
        typer.echo(json.dumps({"pipeline": pipeline.name, "steps": told}, indent=2))
    else:
        width = max(len(step["name"]) for step in told)
        typer.echo("\n".join(f"{step['name']:<{width}}  {step['would']:<9} {step['why']}".rstrip() for step in told))


def steps_of(survey: Survey) -> Iterator[dict[str, Any]]:
    """Each step: whether it would `run`, is there `as-before`, or is `failed`, `waiting`, `blocked` or `skipped`."""
    from raytide.jobs.pipeline.plan import State

    for name, standing in survey.look().items():
        if name in survey.reused:
            yield {"name": name, "would": "as-before", "why": f"{standing.state}: {survey.says[name]}"}
        elif standing.state is State.READY:
            yield {"name": name, "would": "run", "why": survey.why(name)}
        else:
            yield {"name": name, "would": str(standing.state), "why": survey.says.get(name, standing.why)}
