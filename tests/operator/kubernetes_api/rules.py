"""What the server fills in, and what it lets nobody change."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .fields import Path, at

_IMMUTABLE: dict[str, tuple[Path, ...]] = {
    "RayCluster": (("spec", "managedBy"), ("spec", "gcsFaultToleranceOptions", "backend")),
    "PersistentVolumeClaim": tuple(("spec", key) for key in ("accessModes", "storageClassName", "volumeName")),
    "RoleBinding": (("roleRef",),),
    "Job": (("spec", "template"), ("spec", "selector"), ("spec", "completionMode")),
}


def changed_immutable(live: dict[str, Any], after: dict[str, Any]) -> str | None:
    """The first field that was changed although nobody may."""
    if live.get("immutable") and (after.get("data"), after.get("immutable")) != (live.get("data"), True):
        return "data"
    for path in _IMMUTABLE.get(live["kind"], ()):
        if at(live, path) is not None and at(after, path) != at(live, path):
            return ".".join(path)
    return None


def defaulted(one: dict[str, Any]) -> dict[str, Any]:
    """The object with what the server adds to it."""
    one = deepcopy(one)
    spec = one.get("spec", {})
    match one["kind"]:
        case "RayCluster":
            for group in spec["workerGroupSpecs"]:
                for key, value in (("replicas", 0), ("minReplicas", 0), ("maxReplicas", 2147483647)):
                    group.setdefault(key, value)
        case "Service":
            spec.setdefault("type", "ClusterIP")
            spec.setdefault("clusterIP", "10.0.0.7")
            for port in spec["ports"]:
                port.setdefault("protocol", "TCP")
        case "PersistentVolumeClaim":
            spec.setdefault("volumeMode", "Filesystem")
        case "Job":
            spec.setdefault("completions", 1)
            spec.setdefault("suspend", False)
    if one["kind"] in ("RayCluster", "RayJob", "RayCronJob", "Job", "Namespace"):
        one.setdefault("status", {})
    return one
