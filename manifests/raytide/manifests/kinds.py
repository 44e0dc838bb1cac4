"""The kinds of objects that raytide renders, where the API server keeps them, and which of them may go again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Identity = tuple[str, str, str, str]
"""API group, `kind`, namespace and name. An object is the same one in each version of its group that is read."""
RBAC: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of one API group."""

    group: str
    version: str
    kind: str
    plural: str
    is_namespaced: bool = True
    is_kept: bool = False
    """Whether none is ever deleted, since data or work would go along."""

    def path(self, namespace: str, name: str = "") -> str:
        """Of an object, or of all objects of the kind in a namespace where `name` is empty."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{namespace}" if self.is_namespaced else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


def _kind(group: str, version: str, kind: str, plural: str) -> Kind:
    return Kind(group=group, version=version, kind=kind, plural=plural)


CLUSTER_WIDE: Final = tuple(
    Kind(group="", version="v1", kind=kind, plural=plural, is_namespaced=False, is_kept=True)
    for kind, plural in (("Namespace", "namespaces"), ("PersistentVolume", "persistentvolumes"))
)
"""Kinds of which raytide renders one that others may see beside theirs: each is read by its name, and none listed."""
NAMESPACED: Final = (
    _kind("", "v1", "ServiceAccount", "serviceaccounts"),
    _kind(RBAC, "v1", "Role", "roles"),
    _kind(RBAC, "v1", "RoleBinding", "rolebindings"),
    Kind(group="", version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims", is_kept=True),
    _kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    _kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind(group="ray.io", version="v1", kind="RayCluster", plural="rayclusters", is_kept=True),
    _kind("", "v1", "Service", "services"),
    _kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
    _kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    _kind("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
    _kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    _kind("", "v1", "ConfigMap", "configmaps"),
    _kind("batch", "v1", "Job", "jobs"),
    _kind("ray.io", "v1", "RayJob", "rayjobs"),
    _kind("ray.io", "v1", "RayCronJob", "raycronjobs"),
)
"""The others."""
RENDERED: Final = (*CLUSTER_WIDE, *NAMESPACED)
LEASE: Final = _kind("coordination.k8s.io", "v1", "Lease", "leases")
"""Of the operator that leads."""
CONFIG_MAP: Final = next(kind for kind in RENDERED if kind.kind == "ConfigMap")
RAY_CLUSTER: Final = next(kind for kind in RENDERED if kind.kind == "RayCluster")
_BY_NAME: Final = {(kind.group, kind.kind): kind for kind in (*RENDERED, LEASE)}


def kind_of(one: Identity | Mapping[str, Any]) -> Kind:
    """The kind of an object, by itself or by its identity.

    Raises:
        KeyError: raytide has none to do with it.
    """
    if isinstance(one, tuple):
        return _BY_NAME[one[0], one[1]]
    return _BY_NAME[str(one["apiVersion"]).rpartition("/")[0], str(one["kind"])]
