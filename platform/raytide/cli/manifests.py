"""`raytide manifests`: the Kubernetes objects of a declared platform."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, get_args

import typer

from raytide.cli.check import lines_of
from raytide.cli.options import AsJson
from raytide.cli.steps import print_steps
from raytide.core.errors import SpecError
from raytide.core.spec.kubernetes import FeatureGate
from raytide.core.spec.source import read_text
from raytide.manifests.overlays.overlay import placed
from raytide.manifests.overlays.provider import PROVIDERS, Provider
from raytide.manifests.platform import read_platform
from raytide.manifests.render.files import CLUSTER, OPERATOR, WORKLOADS, base_files, overlay_files, write
from raytide.manifests.render.objects import objects as rendered_objects
from raytide.manifests.validate.check import Verdict, check_objects, check_platform
from raytide.manifests.validate.manifest_file import read_manifests
from raytide.manifests.validate.schemas import carried, with_crds
from raytide.operator.reconcile.desired import sound
from raytide.operator.reconcile.live import live_objects
from raytide.operator.reconcile.plan import plan as reconcile
from raytide.operator.reconcile.sizes import DECLARED
from raytide.operator.reconcile.step import Object

app = typer.Typer(no_args_is_help=True, help="Render and check the Kubernetes objects of a platform, for KubeRay.")

ClusterFile = Annotated[Path, typer.Option("-f", "--cluster", metavar="FILE", help="The file of kind Cluster.")]
Others = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files of kind Service and Job, and folders of them.")
]
Overlay = Annotated[
    str | None, typer.Option("--overlay", metavar="|".join(PROVIDERS), help="Where the Kubernetes cluster is.")
]
DEFAULT_CLUSTER_FILE = Path("platform/cluster.yaml")


@app.command()
def render(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder to write: base/, overlays/.")],
    others: Others = None,
    cluster: ClusterFile = DEFAULT_CLUSTER_FILE,
    overlay: Overlay = None,
) -> None:
    """Write the objects as a kustomize base and, for a provider, an overlay on it; needs no cluster.

    Nothing is written where `validate` finds anything.
    """
    where = provider(overlay)
    platform = sound(cluster, others or (), where)
    write(out, base_files(platform) | (overlay_files(platform, where) if where else {}))
    typer.echo(f"the cluster:           kubectl apply --server-side -k {out / (where.folder if where else CLUSTER)}")
    if platform.kubernetes.operator:
        typer.echo(f"or, to keep it so:     kubectl apply --server-side -k {out / OPERATOR}")
    typer.echo(f"services and jobs:     kubectl apply --server-side -k {out / WORKLOADS}")


@app.command()
def plan(
    live: Annotated[
        Path,
        typer.Option("--live", metavar="FILE", help="What `kubectl get … -o json` printed; - reads it from a pipe."),
    ],
    others: Others = None,
    cluster: ClusterFile = DEFAULT_CLUSTER_FILE,
    overlay: Overlay = None,
    as_json: AsJson = False,
) -> None:
    """Say which requests would make a cluster hold the platform, and which objects are left alone, and why.

    A RayCluster is never replaced, its sizes stay the autoscaler's, and work that runs is never deleted. Nothing is
    planned where `validate` finds anything.
    """
    where = provider(overlay)
    platform = sound(cluster, others or (), where)
    rendered = placed(platform, rendered_objects(platform), where)
    floors = None if platform.kubernetes.operator else DECLARED  # in the cluster it may have planned others
    steps = reconcile([one.value for one in rendered], _live(live), platform.name, floors)
    print_steps(steps, as_json=as_json)


def _live(file: Path) -> list[Object]:
    if file == Path("-"):
        return live_objects(sys.stdin.buffer.read(), "standard input")
    return live_objects(read_text(file), str(file))


@app.command()
def validate(
    others: Others = None,
    cluster: ClusterFile = DEFAULT_CLUSTER_FILE,
    overlay: Overlay = None,
    objects: Annotated[
        list[Path] | None, typer.Option("--objects", metavar="PATH", help="Kubernetes objects, instead of a platform.")
    ] = None,
    crds: Annotated[
        Path | None, typer.Option("--crds", metavar="DIR", help="CRDs in the place of KubeRay 1.7.0's, or beside them.")
    ] = None,
    gate: Annotated[
        list[str] | None, typer.Option("--feature-gate", metavar="GATE", help="A gate of KubeRay that is on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a platform as it would be rendered, or objects as they are, without a cluster; exit 2 where any is wrong.

    Schemas of Kubernetes and KubeRay, their CEL rules, what KubeRay's operator refuses beyond them, and what would not
    work although both take it. Findings are at the keys that a user wrote.
    """
    where, gates = provider(overlay), frozenset(map(_gate, gate or ()))
    schemas = with_crds(crds) if crds else carried()
    if objects:
        verdict = check_objects(read_manifests(objects), schemas, gates)
    else:
        verdict = check_platform(read_platform(cluster, others or ()), schemas, where)
    _print(verdict, as_json=as_json)
    if verdict.findings:
        raise typer.Exit(SpecError.exit_code)


def _print(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(verdict), indent=2))
        return
    for finding in verdict.findings:
        typer.echo(str(finding), err=True)
        for line in lines_of(Path(finding.file), finding) if sys.stderr.isatty() else ():
            typer.echo(line, err=True)
    if not verdict.findings:
        typer.echo(f"ok  {verdict.num_objects} objects")
    if verdict.unknown:
        typer.echo(f"without a schema here: {', '.join(verdict.unknown)}; --crds DIR gives more")


def provider(name: str | None) -> Provider | None:
    """The provider that an option names; a usage error where there is none of that name."""
    return None if name is None else PROVIDERS[_known(name, tuple(PROVIDERS), "--overlay")]


def _gate(name: str) -> str:
    return _known(name, get_args(FeatureGate), "--feature-gate")


def _known(name: str, names: tuple[str, ...], option: str) -> str:
    if name not in names:
        raise typer.BadParameter(f"{name} is none of {', '.join(names)}", param_hint=option)
    return name
