"""A RayJob, or the template of one within a RayCronJob."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from raytide.manifests.validate.kuberay.access import uses_kubernetes_tokens
from raytide.manifests.validate.kuberay.cluster import cluster_spec, name_of_at_most
from raytide.manifests.validate.kuberay.deletion import deletion
from raytide.manifests.validate.problem import Object, Problem, at, map_at

_SELECTOR: Final = "ray.io/cluster"


def ray_job(document: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of a RayJob."""
    yield from name_of_at_most(47, document)
    annotations = map_at(document, "metadata", "annotations")
    for problem in job_spec(map_at(document, "spec"), annotations, gates):
        yield problem.below(("spec",))


def job_spec(spec: Object, annotations: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What the operator refuses of the spec of a job, wherever it stands."""
    yield from _lifetime(spec)
    yield from _selector(spec) if at(spec, "clusterSelector") else _own_cluster(spec, annotations, gates)
    yield from _modes(spec)
    yield from _runtime_env(spec)
    yield from deletion(spec)


def _lifetime(spec: Object) -> Iterator[Problem]:
    ends = spec.get("shutdownAfterJobFinishes") is True
    if spec.get("suspend") is True and not ends:
        yield Problem(path=("suspend",), problem="a suspended job", expected="shutdownAfterJobFinishes: true")
    if isinstance(ttl := spec.get("ttlSecondsAfterFinished"), int):
        path = ("ttlSecondsAfterFinished",)
        if ttl < 0:
            yield Problem(path=path, problem="below zero", got=str(ttl), expected="at least 0")
        elif ttl > 0 and not ends:
            yield Problem(path=path, problem="a time to live", expected="shutdownAfterJobFinishes: true")
    for key, least in (("activeDeadlineSeconds", 1), ("preRunningDeadlineSeconds", 1), ("backoffLimit", 0)):
        value = spec.get(key)
        if isinstance(value, int) and value < least:
            yield Problem(path=(key,), problem="too small", got=str(value), expected=f"at least {least}")


def _selector(spec: Object) -> Iterator[Problem]:
    selector = spec["clusterSelector"]
    if not (isinstance(selector, Mapping) and selector.get(_SELECTOR)):
        yield Problem(path=("clusterSelector",), problem="no cluster", expected=f"{_SELECTOR}: NAME")
    if spec.get("suspend") is True:
        yield Problem(path=("suspend",), problem="a job on a cluster that is there cannot be suspended")
    if spec.get("submissionMode") == "SidecarMode":
        path = ("submissionMode",)
        yield Problem(path=path, problem="the head of a cluster that is there takes no sidecar", got="'SidecarMode'")
    if isinstance(limit := spec.get("backoffLimit"), int) and limit > 0:
        problem = "a retry is a new cluster, and the job selects one that is there"
        yield Problem(path=("backoffLimit",), problem=problem, got=str(limit), expected="0")


def _own_cluster(spec: Object, annotations: Object, gates: frozenset[str]) -> Iterator[Problem]:
    cluster = spec.get("rayClusterSpec")
    if not isinstance(cluster, Mapping):
        yield Problem(path=("rayClusterSpec",), problem="missing", expected="rayClusterSpec or clusterSelector")
        return
    if uses_kubernetes_tokens(cluster):
        yield Problem(path=("rayClusterSpec", "authOptions", "enableK8sTokenAuth"), problem="not in a RayJob")
    for problem in cluster_spec(cluster, annotations, gates):
        yield problem.below(("rayClusterSpec",))


def _modes(spec: Object) -> Iterator[Problem]:
    mode, limit = spec.get("submissionMode"), spec.get("backoffLimit")
    if mode == "InteractiveMode" and isinstance(limit, int) and limit > 0:
        yield Problem(path=("backoffLimit",), problem="an interactive job is not retried", got=str(limit), expected="0")
    if mode != "SidecarMode":
        return
    for key in ("submitterPodTemplate", "submitterConfig"):
        if spec.get(key) is not None:
            yield Problem(path=(key,), problem="of a submitter, and in SidecarMode there is none")
    path = ("rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy")
    if at(spec, *path) not in (None, "", "Never"):
        yield Problem(path=path, problem="a head with the submitter beside it", expected="Never, or nothing")


def _runtime_env(spec: Object) -> Iterator[Problem]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe", pure=True).load(str(spec.get("runtimeEnvYAML") or "{}"))
    except YAMLError:
        value = None
    if not isinstance(value, Mapping):
        yield Problem(path=("runtimeEnvYAML",), problem="no map in YAML", expected="such as env_vars: {A: b}")
