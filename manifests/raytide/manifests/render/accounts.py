"""Who the pods are to Kubernetes, and the little that they may do there."""

from __future__ import annotations

from collections.abc import Iterator

from raytide.manifests.platform import Platform
from raytide.manifests.render.names import metadata
from raytide.manifests.traced import Rendered, said

_RBAC = "rbac.authorization.k8s.io"


def accounts(platform: Platform) -> Iterator[Rendered]:
    """A ServiceAccount for each kind of pod, and the Role of the autoscaler."""
    for component in ("head", "worker", "apply"):
        tree = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(platform, f"{platform.name}-{component}"),
            "automountServiceAccountToken": False,
        }
        yield Rendered.of(tree, platform.at())
    if platform.is_autoscaled:
        yield from _autoscaler(platform)


def _autoscaler(platform: Platform) -> Iterator[Rendered]:
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": metadata(platform, platform.name),
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
            {
                "apiGroups": ["ray.io"],
                "resources": ["rayclusters"],
                "resourceNames": said([platform.name], "this cluster, and no other one of the namespace"),
                "verbs": ["get", "patch"],
            },
        ],
    }
    yield Rendered.of(
        role,
        platform.at(),
        "What the autoscaler does: it reads its pods, and writes sizes into its RayCluster.\n\n"
        "KubeRay makes a wider Role of this name (patching all pods and RayClusters there are) where there is none,\n"
        "and leaves one alone that exists (1.7.0, `reconcileAutoscalerRole`). Apply this before the RayCluster.",
    )
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(platform, platform.name),
        "subjects": [
            {"kind": "ServiceAccount", "name": f"{platform.name}-head", "namespace": platform.kubernetes.namespace}
        ],
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": platform.name},
    }
    yield Rendered.of(binding, platform.at())
