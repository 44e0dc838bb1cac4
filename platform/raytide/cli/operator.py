"""`raytide operator`: keeps a Kubernetes cluster as the files declare it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from raytide.cli.manifests import DEFAULT_CLUSTER_FILE, ClusterFile, Others, Overlay, provider
from raytide.cli.options import AsJson, Timeout
from raytide.cli.steps import print_steps
from raytide.manifests.kinds import Identity
from raytide.operator.adapters.gateway import Gateway
from raytide.operator.adapters.kubernetes.api import KubernetesServer
from raytide.operator.adapters.kubernetes.connect import connect
from raytide.operator.reconcile import run as operator
from raytide.operator.reconcile.desired import Checkout, Desired
from raytide.operator.reconcile.difference import differences
from raytide.operator.reconcile.pools import Pools
from raytide.operator.reconcile.sizes import DECLARED, Floors
from raytide.operator.reconcile.step import Object, Step, Verb

app = typer.Typer(no_args_is_help=True, help="Keep a Kubernetes cluster with KubeRay as the files declare it.")


@app.callback()
def _group() -> None:
    """Keeps the name of the subcommand, of which there is one."""


@app.command()
def run(
    others: Others = None,
    cluster: ClusterFile = DEFAULT_CLUSTER_FILE,
    overlay: Overlay = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", metavar="FILE", help="Default: the pod's own account, else $KUBECONFIG."),
    ] = None,
    context: Annotated[str | None, typer.Option("--context", help="One of the kubeconfig's.")] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--gateway",
            metavar="URL",
            help="The platform's gateway, as http://team-gateway.ml: pools keep the nodes that decided replicas fill.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End once the cluster holds what is declared.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    timeout: Timeout = 600.0,
    as_json: AsJson = False,
) -> None:
    """Make the cluster hold what the files declare, and keep it so: files are read again where they change.

    What others own is never touched, a RayCluster is never replaced, and its sizes stay the autoscaler's, above the
    floors that --gateway has planned. Several operators may run: one leads. With --once, --timeout bounds it; --json is
    for --dry-run.
    """
    source = Checkout(cluster=cluster, others=tuple(others or ()), where=provider(overlay))
    desired = source.read()
    api = KubernetesServer(connect(kubeconfig, context), desired.namespace, desired.platform)
    pools = Pools(Gateway(gateway)) if gateway else None
    if dry_run:
        steps, live = operator.dry_run(desired, api, _floors(pools, desired, api))
        for one in pools.conditions if pools else ():
            typer.echo(f"{one.type} {one.status}: {one.message}", err=True)
        print_steps(steps, as_json=as_json, details=lambda step: _differences(step, live))
    elif once:
        operator.once(source, desired, api, typer.echo, timeout, pools)
    else:
        operator.forever(source, desired, api, typer.echo, _until_asked_to_stop(), pools)


def _floors(pools: Pools | None, desired: Desired, api: KubernetesServer) -> Floors | None:
    if pools is None:
        return DECLARED
    pools.look(desired, api, time.monotonic())
    return pools.floors


def _differences(step: Step, live: Mapping[Identity, Object]) -> Iterator[str]:
    if step.verb is Verb.APPLY and step.body is not None:
        yield from differences(live[step.identity], step.body)


def _until_asked_to_stop() -> Event:
    stop = Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    return stop
