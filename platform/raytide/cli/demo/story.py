"""The demo's story: corpus → model → service → burst → summary. Every step is what a user would type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import psutil

from raytide.cli.demo.burst import Burst, run_burst
from raytide.cli.demo.completion import stream_completion
from raytide.cli.demo.job import submit
from raytide.cli.demo.summary import Facts, summarise
from raytide.cli.demo.view import View
from raytide.core.errors import RaytideError
from raytide.core.home import below_home, home
from raytide.core.spec import Job, Service, read_as
from raytide.core.spec.evaluate import EvaluateSpec
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.core.spec.train import TrainSpec
from raytide.core.units import format_bytes
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.local.end import end
from raytide.operator.local.head import start
from raytide.operator.local.record import LocalCluster, recall
from raytide.operator.site import Site, site
from raytide.operator.status import services

NEEDED_BYTES = 6 * 2**30
"""Two replicas of 2.2 GiB (KV cache included) and 1.5 GiB for Ray, measured as proportional set sizes."""
SERVICE = Path("services/chat.yaml")
_Spec = TypeVar("_Spec", PreprocessSpec, TrainSpec, EvaluateSpec)
PROMPT = "    if not isinstance("


def demo() -> None:
    """From a corpus to a served, autoscaled model, on this machine; `raytide local down` ends it."""
    view = View()
    _require_memory()
    cluster = _cluster(view)
    for name in ("preprocess", "train", "evaluate"):
        with view.step(name) as step:
            submit(cluster, name, step)
            step.done(_outcome(name))
    _promote(view)
    where = site(cluster.dashboard, None)
    service = read_as(Service, SERVICE)
    _serve(view, service, where)
    view.say(f"\n  {PROMPT}", end="")
    stream_completion(_url(where), service.metadata.name, PROMPT, view)
    burst = run_burst(where, service, view)
    view.say(summarise(_facts(where, burst)))


def _require_memory() -> None:
    available = psutil.virtual_memory().available
    if available < NEEDED_BYTES:
        raise RaytideError(
            f"the demo needs {format_bytes(NEEDED_BYTES)} of free memory and {format_bytes(available)} are free: "
            "close something, or end what an earlier demo left with `make stop`"
        )


def _cluster(view: View) -> LocalCluster:
    """A new cluster; one that an earlier, perhaps interrupted, demo left is ended first."""
    with view.step("cluster") as step:
        if left := recall(home()):
            step.show("ending the cluster of an earlier demo")
            end(home(), left)
        step.show("starting Ray")
        cluster = start(home(), 8000)
        step.done(f"dashboard {cluster.dashboard}")
    return cluster


def _promote(view: View) -> None:
    from raytide.jobs import registry

    with view.step("promote") as step:
        version = registry.promote("chat", "candidate")
        step.done(f"{version.name} v{version.version} passed its gate and is `production` now")


def _serve(view: View, service: Service, where: Site) -> None:
    with view.step("apply") as step:
        planned = operator.prepare(service, where)
        change.carry_out(planned, where, watch=step.show, timeout_s=300)
        step.done(f"{_url(where)}/v1, measured and warm before its first request")


def _url(where: Site) -> str:
    url: str = services(where.dashboard)[0]["url"]
    return url


def _outcome(name: str) -> str:
    if name == "preprocess":
        manifest = _result(below_home(_job(name, PreprocessSpec).output) / "manifest.json")
        splits = manifest["splits"]
        tokens = splits["train"]["tokens"] + splits["held_out"]["tokens"]
        return f"{format_bytes(manifest['corpus']['bytes'])} of source → {tokens:,} tokens"
    if name == "train":
        lineage = _result(below_home(_job(name, TrainSpec).output) / "export" / "lineage.json")
        return f"{lineage['steps']} steps, {lineage['tokens']:,} tokens at {lineage['tokens_per_s']:,.0f} tokens/s"
    scores = _report()["scores"]
    return f"perplexity {scores['untrained']['perplexity']:,.0f} untrained → {scores['trained']['perplexity']:.1f}"


def _report() -> dict[str, Any]:
    return _result(below_home(_job("evaluate", EvaluateSpec).report))


def _job(name: str, kind: type[_Spec]) -> _Spec:
    spec = read_as(Job, Path(f"jobs/{name}.yaml")).spec
    assert isinstance(spec, kind)
    return spec


def _result(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _facts(where: Site, burst: Burst) -> Facts:
    return Facts(
        manifest=_result(below_home(_job("preprocess", PreprocessSpec).output) / "manifest.json"),
        lineage=_result(below_home(_job("train", TrainSpec).output) / "export" / "lineage.json"),
        report=_report(),
        service=services(where.dashboard)[0],
        burst=burst,
        dashboard=where.address,
    )
