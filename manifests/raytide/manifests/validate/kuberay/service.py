"""A RayService."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from raytide.manifests.validate.kuberay.access import uses_kubernetes_tokens
from raytide.manifests.validate.kuberay.cluster import cluster_spec, name_of_at_most
from raytide.manifests.validate.kuberay.group import is_autoscaled
from raytide.manifests.validate.problem import Object, Problem, at, map_at

_TIMEOUT: Final = "ray.io/initializing-timeout"
_TYPES: Final = ("NewCluster", "NewClusterWithIncrementalUpgrade", "None")
_DURATION: Final = re.compile(r"([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|[0-9]+")


def ray_service(document: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of a RayService."""
    yield from name_of_at_most(47, document)
    annotations = map_at(document, "metadata", "annotations")
    yield from _timeout(annotations)
    cluster = map_at(document, "spec", "rayClusterConfig")
    for problem in (*cluster_spec(cluster, annotations, gates), *_of_services(cluster)):
        yield problem.below(("spec", "rayClusterConfig"))
    delay = at(document, "spec", "rayClusterDeletionDelaySeconds")
    if isinstance(delay, int) and delay < 0:
        path = ("spec", "rayClusterDeletionDelaySeconds")
        yield Problem(path=path, problem="below zero", got=str(delay), expected="at least 0")
    for problem in _upgrade(document, cluster):
        yield problem.below(("spec", "upgradeStrategy"))


def _timeout(annotations: Object) -> Iterator[Problem]:
    text = annotations.get(_TIMEOUT)
    if text and (not _DURATION.fullmatch(str(text)) or not re.search("[1-9]", str(text))):
        path = ("metadata", "annotations", _TIMEOUT)
        yield Problem(path=path, problem="no time", got=repr(text), expected="a duration such as 5m, or seconds")


def _of_services(cluster: Object) -> Iterator[Problem]:
    if at(cluster, "headGroupSpec", "headService", "metadata", "name"):
        path = ("headGroupSpec", "headService", "metadata", "name")
        yield Problem(path=path, problem="the operator names the head's Service itself: remove it")
    if uses_kubernetes_tokens(cluster):
        yield Problem(path=("authOptions", "enableK8sTokenAuth"), problem="not in a RayService")


def _upgrade(document: Object, cluster: Object) -> Iterator[Problem]:
    kind = at(document, "spec", "upgradeStrategy", "type")
    if kind not in (None, *_TYPES):
        yield Problem(path=("type",), problem="wrong value", got=repr(kind), expected=", ".join(_TYPES))
    if kind != "NewClusterWithIncrementalUpgrade":
        return
    if not is_autoscaled(cluster):
        problem = "an incremental upgrade moves load while the clusters grow and shrink"
        yield Problem(path=("type",), problem=problem, expected="enableInTreeAutoscaling: true")
    options = map_at(document, "spec", "upgradeStrategy", "clusterUpgradeOptions")
    if not options:
        yield Problem(path=("clusterUpgradeOptions",), problem="missing")
        return
    for step in _steps(options):
        yield step.below(("clusterUpgradeOptions",))


def _steps(options: Object) -> Iterator[Problem]:
    surge, step, interval = (
        options.get("maxSurgePercent", 100),
        options.get("stepSizePercent"),
        options.get("intervalSeconds"),
    )
    if isinstance(surge, int) and not 0 <= surge <= 100:
        yield Problem(path=("maxSurgePercent",), problem="no percentage", got=str(surge), expected="0 to 100")
    if not isinstance(step, int) or not 0 <= step <= 100:
        yield Problem(path=("stepSizePercent",), problem="no percentage", got=str(step), expected="0 to 100")
    elif isinstance(surge, int) and step > surge:
        problem = "above maxSurgePercent"
        yield Problem(path=("stepSizePercent",), problem=problem, got=str(step), expected=f"at most {surge}")
    if not isinstance(interval, int) or interval <= 0:
        yield Problem(path=("intervalSeconds",), problem="no time between steps", got=str(interval), expected="above 0")
    if not options.get("gatewayClassName"):
        yield Problem(path=("gatewayClassName",), problem="missing", expected="a GatewayClass that exists")
