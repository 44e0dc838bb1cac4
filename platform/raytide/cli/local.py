"""`raytide local up | down`: a Ray cluster of one node on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from raytide.cli.options import ClusterFile
from raytide.cli.progress import Line
from raytide.core.errors import RaytideError
from raytide.core.home import home
from raytide.core.spec.cluster import Gateway, Http
from raytide.operator.local.end import belonging, end
from raytide.operator.local.head import rehearses, start
from raytide.operator.local.record import LocalCluster, recall
from raytide.operator.site import site

app = typer.Typer(help="A Ray cluster of one node on this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def up(
    cluster: ClusterFile = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="End a running local cluster first.")] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="GPU pools of the cluster file as fake nodes that come and go.")
    ] = False,
) -> None:
    """Start Ray on free ports with a temporary folder of its own; a running one is kept."""
    declared, left = site(None, cluster).cluster, recall(home())
    if rehearse and declared is None:
        raise RaytideError("--rehearse plays the pools of a cluster file, and there is none: name it with --cluster")
    running = left if left and not fresh and belonging(left) else None
    if running and rehearse and not rehearses(running):
        raise RaytideError("a local cluster without rehearsed pools runs: --fresh ends it first")
    if running is None:
        with Line() as line:
            line.show("starting Ray")
            if left:
                end(home(), left)
            http, gateway = (declared.spec.http, declared.spec.gateway) if declared else (Http(), Gateway())
            running = start(home(), http.port, declared if rehearse else None, gateway_port=gateway.port)
    typer.echo(_describe(running))


@app.command()
def down() -> None:
    """End the local cluster's processes, and no others."""
    running = recall(home())
    if running is None:
        typer.echo(f"no local cluster is remembered in {home()}")
        return
    typer.echo(f"ended {end(home(), running)} processes of the local cluster")


def _describe(cluster: LocalCluster) -> str:
    return (
        f"Ray dashboard  {cluster.dashboard}\n"
        f"services       http://127.0.0.1:{cluster.gateway_port}\n"
        f"submit jobs    ray job submit --address {cluster.dashboard} -- python -m raytide.jobs.preprocess "
        "jobs/preprocess.yaml"
    )
