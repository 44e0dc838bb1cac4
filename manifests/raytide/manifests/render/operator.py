"""`raytide operator run` in the cluster itself: a Deployment, and exactly the rights that its plan needs.

None of it carries the label by which the operator knows its own: it cannot widen its rights, nor end itself. What gives
rights in Kubernetes has to have them, so it also has what the autoscaler gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from raytide.core.spec.kubernetes import Operator
from raytide.manifests.kinds import CLUSTER_WIDE, CONFIG_MAP, LEASE, NAMESPACED, RBAC, Kind
from raytide.manifests.platform import Platform
from raytide.manifests.render.names import gateway_service, metadata
from raytide.manifests.render.pod import RESTRICTED, pod_security, pull_secrets, resources
from raytide.manifests.traced import Rendered, came, said

_FILES: Final = "/etc/raytide"
_READ: Final = ("get", "list", "watch")


def operator_objects(platform: Platform) -> Iterator[Rendered]:
    """The account, its rights and the Deployment, where one is declared."""
    operator = platform.kubernetes.operator
    if operator is None:
        return
    at = platform.at("operator")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(platform)}
    yield Rendered.of(account, at)
    for scope, rules in (("", _within(platform)), ("Cluster", _cluster_wide(platform))):
        yield Rendered.of(_role(platform, f"{scope}Role", rules), at)
        yield Rendered.of(_binding(platform, f"{scope}Role"), at)
    yield Rendered.of(
        _deployment(platform, operator),
        at,
        "Keeps the cluster as the declared files say, which are a ConfigMap:\n\n"
        f"kubectl create configmap {operator.files} -n {platform.kubernetes.namespace} --from-file cluster.yaml "
        "--from-file services --from-file jobs",
    )


def _metadata(platform: Platform) -> dict[str, Any]:
    """Not managed by raytide: whoever sends it is who changes it."""
    labels = {"app.kubernetes.io/name": "raytide-operator", "app.kubernetes.io/instance": platform.name}
    return {**metadata(platform, f"{platform.name}-operator"), "labels": labels}


def _scoped(platform: Platform, kind: str) -> dict[str, Any]:
    """Names of what belongs to no namespace say the namespace."""
    within = _metadata(platform)
    if not kind.startswith("Cluster"):
        return within
    name = f"{platform.kubernetes.namespace}-{within['name']}"
    return {"name": name, "labels": within["labels"]}


def _role(platform: Platform, kind: str, rules: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": _scoped(platform, kind),
        "rules": list(rules),
    }


def _binding(platform: Platform, kind: str) -> dict[str, Any]:
    of_account = {"kind": "ServiceAccount", "name": f"{platform.name}-operator"}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": _scoped(platform, kind),
        "subjects": [{**of_account, "namespace": platform.kubernetes.namespace}],
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": _scoped(platform, kind)["name"]},
    }


def _within(platform: Platform) -> Iterator[dict[str, Any]]:
    for kind in NAMESPACED:
        verbs = (*_READ, "create", "patch", *(() if kind.is_kept else ("delete",)))
        yield _rule(kind, verbs)
    own = f"{platform.name}-operator"
    yield {**_rule(CONFIG_MAP, ("update",)), "resourceNames": said([own], "its status")}
    yield _rule(LEASE, ("create",))
    yield {**_rule(LEASE, ("get", "update")), "resourceNames": [own]}
    if platform.is_autoscaled:
        pods = {"apiGroups": [""], "resources": ["pods"], "verbs": list(_READ)}
        yield said(pods, "what the autoscaler's Role gives, and nobody gives what they have not")


def _cluster_wide(platform: Platform) -> Iterator[dict[str, Any]]:
    namespaces, volumes = CLUSTER_WIDE
    yield {**_rule(namespaces, ("get", "patch")), "resourceNames": [platform.kubernetes.namespace]}
    weights = platform.kubernetes.weights
    if weights and weights.bucket:
        name = f"{platform.kubernetes.namespace}-{platform.name}-models"
        yield {**_rule(volumes, ("get", "patch")), "resourceNames": [name]}
        yield _rule(volumes, ("create",))


def _rule(kind: Kind, verbs: Iterable[str]) -> dict[str, Any]:
    return {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": list(verbs)}


def _deployment(platform: Platform, operator: Operator) -> dict[str, Any]:
    within = _metadata(platform)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": within,
        "spec": {
            "replicas": came(operator.replicas, platform.at("operator", "replicas")),
            "selector": {"matchLabels": within["labels"]},
            "template": {"metadata": {"labels": within["labels"]}, "spec": _pod(platform, operator)},
        },
    }


def _pod(platform: Platform, operator: Operator) -> dict[str, Any]:
    at = platform.at("operator", "files")
    overlay = ["--overlay", operator.overlay] if operator.overlay else []
    run = ["raytide", "operator", "run"]
    return {
        "serviceAccountName": f"{platform.name}-operator",
        "securityContext": pod_security(),
        "imagePullSecrets": pull_secrets(platform),
        "containers": [
            {
                "name": "operator",
                "image": came(platform.kubernetes.images.cpu, platform.at("images", "cpu")),
                "command": [*run, "-f", f"{_FILES}/cluster.yaml", *overlay, *_gateway(platform), _FILES],
                "securityContext": RESTRICTED,
                "resources": resources("500m", "512Mi"),
                "volumeMounts": [{"name": "files", "mountPath": _FILES, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "files", "configMap": {"name": came(operator.files, at)}}],
    }


def _gateway(platform: Platform) -> list[str]:
    """Whom to ask for what was decided; pools of one size have nothing to plan."""
    url = f"http://{gateway_service(platform)}.{platform.kubernetes.namespace}"
    return ["--gateway", url] if platform.is_autoscaled else []
