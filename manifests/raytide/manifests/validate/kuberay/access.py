"""Tokens, TLS between nodes, KubeRay's own network policies and its history server, with the gates that they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raytide.core.spec.mark import KeyPath
from raytide.manifests.validate.kuberay.group import Group, head_of, version_of, workers_of
from raytide.manifests.validate.problem import Object, Problem, at, maps

_TOKENS_SINCE: Final = (2, 52, 0)
_KUBERNETES_TOKENS_SINCE: Final = (2, 55, 0)
_TLS_VARIABLES: Final = ("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
_TLS_VOLUME: Final = "ray-tls"
_TLS_FOLDER: Final = "/etc/ray/tls"


def access(spec: Object, gates: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with who may reach the cluster."""
    yield from _tokens(spec)
    yield from _tls(spec, gates)
    yield from _network(spec, gates)
    if at(spec, "historyServerOptions") is not None:
        yield from gated(("historyServerOptions",), "RayClusterHistoryServer", gates)


def gated(path: KeyPath, gate: str, gates: frozenset[str]) -> Iterator[Problem]:
    """That a part is refused where a feature gate of the operator is off, as it is by default."""
    if gate not in gates:
        problem = f"the operator refuses this while its feature gate {gate} is off, as it is by default"
        yield Problem(
            path=path, problem=problem, expected=f"--feature-gates={gate}=true of the operator, and said here"
        )


def uses_kubernetes_tokens(spec: Object) -> bool:
    """Whether tokens of Kubernetes' own are taken."""
    return at(spec, "authOptions", "enableK8sTokenAuth") is True


def _tokens(spec: Object) -> Iterator[Problem]:
    path, version = ("authOptions",), version_of(spec)
    if at(spec, "authOptions", "mode") != "token":
        if uses_kubernetes_tokens(spec):
            problem = "tokens of Kubernetes without authentication by token"
            yield Problem(path=(*path, "enableK8sTokenAuth"), problem=problem, expected="authOptions.mode: token")
        return
    if version is None or version < _TOKENS_SINCE:
        got = str(at(spec, "rayVersion"))
        problem = "authentication by token"
        yield Problem(
            path=(*path, "mode"), problem=problem, got=f"rayVersion {got}", expected="rayVersion of at least 2.52.0"
        )
    elif uses_kubernetes_tokens(spec) and version < _KUBERNETES_TOKENS_SINCE:
        problem = "tokens of Kubernetes"
        yield Problem(path=(*path, "enableK8sTokenAuth"), problem=problem, expected="rayVersion of at least 2.55.0")
    if uses_kubernetes_tokens(spec) and at(spec, "authOptions", "secretName"):
        problem = "a Secret with a token, beside tokens of Kubernetes"
        yield Problem(path=(*path, "secretName"), problem=problem, expected="one of the two")


def _tls(spec: Object, gates: frozenset[str]) -> Iterator[Problem]:
    if at(spec, "tlsOptions") is not None:
        yield from gated(("tlsOptions",), "RayClusterMTLS", gates)
    if at(spec, "tlsOptions", "enabled") is not True:
        return
    for group in (head_of(spec), *workers_of(spec)):
        yield from _own_tls(group)
    for index, variable in maps(spec, "autoscalerOptions", "env"):
        if variable.get("name") in _TLS_VARIABLES:
            path = ("autoscalerOptions", "env", index)
            yield Problem(path=path, problem=f"{variable['name']} is KubeRay's own where tlsOptions is set: remove it")


def _own_tls(group: Group) -> Iterator[Problem]:
    for name in _TLS_VARIABLES:
        if name in group.variables:
            problem = f"{name} is KubeRay's own where tlsOptions is set: remove it"
            yield Problem(path=group.variables[name][0], problem=problem)
    for index, mount in maps(group.container, "volumeMounts"):
        if mount.get("name") == _TLS_VOLUME or mount.get("mountPath") == _TLS_FOLDER:
            path = (*group.path, "template", "spec", "containers", 0, "volumeMounts", index)
            yield Problem(
                path=path, problem=f"{_TLS_VOLUME} and {_TLS_FOLDER} are KubeRay's own where tlsOptions is set"
            )


def _network(spec: Object, gates: frozenset[str]) -> Iterator[Problem]:
    if at(spec, "networkPolicy") is None:
        return
    yield from gated(("networkPolicy",), "RayClusterNetworkPolicy", gates)
    mode = at(spec, "networkPolicy", "mode") or "DenyAll"
    parts: list[KeyPath] = [("networkPolicy", "head"), ("networkPolicy", "worker")]
    known = [group.value.get("groupName") for group in workers_of(spec)]
    for index, part in maps(spec, "networkPolicy", "workerGroups"):
        path: KeyPath = ("networkPolicy", "workerGroups", index)
        parts.append(path)
        if part.get("groupName") not in known:
            got = repr(part.get("groupName"))
            yield Problem(path=(*path, "groupName"), problem="no worker group of this name", got=got)
    for path in parts:
        for rules, off in (("ingressRules", "DenyAllEgress"), ("egressRules", "DenyAllIngress")):
            if mode == off and at(spec, *path, rules):
                problem = f"rules for what mode {mode} does not deny"
                yield Problem(path=(*path, rules), problem=problem, expected="mode DenyAll, or no such rules")
