"""The Pod Security Standard `restricted`, which the rendered namespace enforces: a pod that breaks it is never made.

Source: Kubernetes, "Pod Security Standards".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from raytide.core.spec.mark import KeyPath
from raytide.manifests.validate.problem import Object, Problem, at, list_at, maps

_VOLUMES: Final = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)


def pod_security(document: Object) -> Iterator[Problem]:
    """What keeps a pod of the object from being made."""
    for path, pod in _pods(document, ()):
        for problem in (*_of_pod(pod), *_of_containers(pod)):
            yield problem.below(path)


def _pods(tree: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    if isinstance(tree, Mapping):
        if isinstance(tree.get("containers"), list):
            yield path, tree
            return
        for key, value in tree.items():
            yield from _pods(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _pods(value, (*path, index))


def _of_pod(pod: Object) -> Iterator[Problem]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key) is True:
            yield _refused((key,), "true")
    for index, volume in maps(pod, "volumes"):
        for kind in volume.keys() - _VOLUMES - {"name"}:
            yield _refused(("volumes", index, kind), kind)
    if at(pod, "securityContext", "runAsUser") == 0:
        yield _refused(("securityContext", "runAsUser"), "root")


def _of_containers(pod: Object) -> Iterator[Problem]:
    for group in ("initContainers", "containers"):
        for index, container in maps(pod, group):
            for problem in _of_container(container, pod):
                yield problem.below((group, index))


def _of_container(container: Object, pod: Object) -> Iterator[Problem]:
    context: KeyPath = ("securityContext",)
    security = at(container, *context) or {}
    if not isinstance(security, Mapping):  # which a schema says
        return
    if security.get("privileged") is True:
        yield _refused((*context, "privileged"), "privileged")
    if security.get("runAsUser") == 0:
        yield _refused((*context, "runAsUser"), "root")
    if security.get("runAsNonRoot", at(pod, *context, "runAsNonRoot")) is not True:
        yield _refused((*context, "runAsNonRoot"), "a container that may be root")
    if security.get("allowPrivilegeEscalation") is not False:
        yield _refused((*context, "allowPrivilegeEscalation"), "privileges that may grow")
    if "ALL" not in list_at(security, "capabilities", "drop"):
        yield _refused((*context, "capabilities"), "capabilities that are not dropped")
    if any(added != "NET_BIND_SERVICE" for added in list_at(security, "capabilities", "add")):
        yield _refused((*context, "capabilities", "add"), "capabilities that are added")
    if at(security, "seccompProfile", "type") is None and at(pod, *context, "seccompProfile", "type") is None:
        yield _refused((*context, "seccompProfile"), "no seccomp profile")


def _refused(path: KeyPath, got: str) -> Problem:
    problem = "the namespace enforces the Pod Security Standard `restricted`"
    return Problem(path=path, problem=problem, got=got, expected="what it allows")
