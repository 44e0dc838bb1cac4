"""A Kubernetes API server in memory, as far as a plan meets it, and platforms to plan for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raytide.core.spec.cluster import Cluster, Pool
from raytide.core.spec.read import document_of
from raytide.core.spec.source import Source
from raytide.manifests.kinds import Identity
from raytide.manifests.platform import read_platform
from raytide.manifests.render.objects import objects
from raytide.operator.reconcile.desired import Desired
from raytide.operator.reconcile.stamp import generation, stamped
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of

TEXTS: dict[str, str] = {
    "cluster": """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: team}
spec:
  kubernetes: {namespace: ml, schedules: {}}
  pools:
    - {name: cpu, accelerator: CPU, cpus_per_node: 8, memory_per_node: 32GiB, price: $0.4/h, min_nodes: 1, max_nodes: 4}
    - {name: l4, accelerator: L4, gpus_per_node: 1, cpus_per_node: 8, memory_per_node: 32GiB, price: $1/h, max_nodes: 8}
""",
    "service": """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: hf://Qwen/Qwen3-0.6B}
  hardware: [{accelerator: L4, cpus: 4}]
  objectives: {ttft: {p95: 500ms}, tpot: {p95: 50ms}}
""",
    "job": """\
apiVersion: raytide/v1
kind: Job
metadata: {name: prepare}
spec: {task: preprocess, output: data/stdlib}
""",
}
_L4 = TEXTS["cluster"].splitlines(keepends=True)[-1]
EDITS: dict[str, dict[str, str | None]] = {
    "as it was": {},
    "a service with another objective": {"service": TEXTS["service"].replace("500ms", "900ms")},
    "a service on other hardware": {"service": TEXTS["service"].replace("accelerator: L4", "accelerator: CPU")},
    "no service": {"service": None},
    "another job": {"job": TEXTS["job"].replace("data/stdlib", "data/other")},
    "no job": {"job": None},
    "a scheduled job": {"cluster": TEXTS["cluster"].replace("schedules: {}", "schedules: {prepare: {cron: '@daily'}}")},
    "a larger pool": {"cluster": TEXTS["cluster"].replace("max_nodes: 8", "max_nodes: 16")},
    "a pool less": {"cluster": TEXTS["cluster"].replace(_L4, "")},
    "a pool more": {"cluster": TEXTS["cluster"] + _L4.replace("name: l4", "name: l4-spot, market: spot")},
}
"""What users do, by what changes in the files."""

Objects = tuple[Object, ...]


@pytest.fixture(scope="session")
def desired(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Objects]:
    """What is rendered for each of the edits."""

    def render(folder: Path, texts: Mapping[str, str | None]) -> Objects:
        for name, text in texts.items():
            if text is not None:
                (folder / f"{name}.yaml").write_text(text)
        others = [folder / f"{name}.yaml" for name in ("service", "job") if texts[name] is not None]
        return tuple(one.value for one in objects(read_platform(folder / "cluster.yaml", others)))

    rendered = {name: render(tmp_path_factory.mktemp("edit"), {**TEXTS, **edit}) for name, edit in EDITS.items()}
    return lambda name: rendered[name]


def pools_of(edit: str) -> tuple[Pool, ...]:
    """Those that an edit declares."""
    text = EDITS[edit].get("cluster") or TEXTS["cluster"]
    return document_of(Source.of_text(text, "cluster.yaml"), (Cluster,)).spec.pools


def desired_by(rendered: Callable[[str], Objects], edit: str) -> Desired:
    """What an operator reads of an edit."""
    objects = stamped(rendered(edit))
    return Desired(
        platform="team",
        namespace="ml",
        objects=objects,
        generation=generation(objects),
        pools=pools_of(edit),
        idle_timeout_s=60.0,
    )


class Conflict(Exception):
    """What was sent was meant for a version that is no more."""


@dataclass
class ApiServer:
    """Objects with their versions; it defaults, merges and refuses as the real one."""

    objects: dict[Identity, dict[str, Any]] = field(default_factory=dict)
    versions: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def live(self) -> list[dict[str, Any]]:
        """Copies of all objects."""
        return deepcopy(list(self.objects.values()))

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind, to be changed by whoever plays a controller."""
        return [one for one in self.objects.values() if one["kind"] == kind]

    def touch(self, one: dict[str, Any]) -> None:
        """A controller wrote it."""
        one["metadata"]["resourceVersion"] = str(next(self.versions))

    def send(self, step: Step) -> None:
        """Do what a step asks for; raises `Conflict` where it was meant for another version."""
        body = deepcopy(dict(step.body or {}))
        if step.verb is Verb.CREATE:
            self._create(body)
        elif step.verb is Verb.APPLY:
            self._apply(self._found(step), body)
        elif step.verb is Verb.DELETE:
            self._found(step)
            del self.objects[step.identity]

    def _create(self, body: dict[str, Any]) -> None:
        identity = identity_of(body)
        if identity in self.objects:
            raise Conflict
        body["metadata"] |= {"uid": f"uid-{next(self.versions)}", "generation": 1}
        body["status"] = {}
        self.touch(body)
        self.objects[identity] = body

    def _found(self, step: Step) -> dict[str, Any]:
        one = self.objects.get(step.identity)
        if one is None or one["metadata"]["uid"] != step.uid:
            raise Conflict
        if one["metadata"]["resourceVersion"] != step.resource_version:
            raise Conflict
        return one

    def _apply(self, one: dict[str, Any], body: dict[str, Any]) -> None:
        _merge(one, body)
        self.touch(one)


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = deepcopy(value)  # lists of custom resources are replaced as a whole
