"""What may be changed or deleted, and when: nothing that runs, and nothing that holds data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from raytide.manifests.kinds import NAMESPACED
from raytide.operator.reconcile.ownership import holds
from raytide.operator.reconcile.step import Object

_KEPT: Final = {
    "Namespace": "everything in it would go along",
    "PersistentVolumeClaim": "models, checkpoints and journals are in it",
    "PersistentVolume": "models are in it",
    "RayCluster": "every job and service runs on it",
}
"""Kinds that a plan never deletes, and why."""
_DELETED: Final = frozenset(kind.kind for kind in NAMESPACED if not kind.is_kept)
"""Kinds that raytide renders and may delete: a Secret or an EndpointSlice with its labels is none of its own."""
_NAMED_FOR_CONTENT: Final = ("RayJob", "Job")
_ENDED: Final = ("Complete", "Failed", "ValidationFailed")
_FIXED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "RayCluster": (("spec", "managedBy"), ("spec", "gcsFaultToleranceOptions", "backend")),
    "PersistentVolumeClaim": (("spec", "accessModes"), ("spec", "storageClassName"), ("spec", "volumeName")),
    "PersistentVolume": (("spec", "csi"),),
    "RoleBinding": (("roleRef",),),
}
"""Fields that KubeRay's CEL rules, or Kubernetes itself, let nobody change."""


def never_deleted(kind: str) -> str | None:
    """Why an object of this kind is never deleted; None where it may be."""
    return _KEPT.get(kind)


def is_deleted(kind: str) -> bool:
    """Whether an object of this kind goes once it is declared no more."""
    return kind in _DELETED


def is_named_for_its_content(desired: Object) -> bool:
    """Whether another content would be another object, so that this one is never changed."""
    return desired["kind"] in _NAMED_FOR_CONTENT or desired.get("immutable") is True


def runs(live: Object) -> bool:
    """Whether an object is work that has not ended."""
    status = live.get("status") or {}
    if live["kind"] == "RayJob":
        return status.get("jobDeploymentStatus") not in _ENDED
    if live["kind"] == "Job":
        conditions = status.get("conditions") or ()
        return not any(one.get("type") in _ENDED and one.get("status") == "True" for one in conditions)
    return False


def fixed_fields(desired: Object, live: Object) -> tuple[str, ...]:
    """Fields that differ, and that the API server lets nobody change."""
    return tuple(
        ".".join(path) for path in _FIXED.get(str(desired["kind"]), ()) if _differ(_at(live, path), _at(desired, path))
    )


def _differ(live: Any, desired: Any) -> bool:
    return live is not None and desired is not None and not holds(live, desired)


def _at(one: Object, path: tuple[str, ...]) -> Any:
    value: Any = one
    for key in path:
        value = (value or {}).get(key)
    return value
