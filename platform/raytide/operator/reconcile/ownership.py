"""Whose an object is, and whether a live one holds what is desired.

An object is ours where its labels say so; a name that somebody else took is theirs, and so is what a controller made
of one of ours: pods and endpoints have the labels of what they come from. Of an object that is ours we own the fields
that we render, and no others: defaults, statuses and what controllers add make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from raytide.operator.reconcile.step import Object

MANAGER: Final = "raytide"
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
_INSTANCE: Final = "app.kubernetes.io/instance"


def is_ours(live: Object, platform: str) -> bool:
    """Whether an object belongs to this platform."""
    labels = live["metadata"].get("labels") or {}
    is_made = any(owner.get("controller") for owner in live["metadata"].get("ownerReferences") or ())
    return not is_made and labels_of(platform).items() <= labels.items()


def labels_of(platform: str) -> dict[str, str]:
    """What marks an object as this platform's."""
    return {_MANAGED_BY: MANAGER, _INSTANCE: platform}


def claimed(live: Object) -> tuple[Object, ...] | None:
    """Managed fields in which we have applied what we created; None where that is so, or not known.

    What a POST sets is owned by an Update and what server-side apply sets by an Apply, also of one manager. While both
    own a field, applying without it does not remove it (what client-go's `csaupgrade` is for).
    """
    entries: list[Object] = live["metadata"].get("managedFields") or []
    created = [one for one in entries if _is_by_us(one, "Update")]
    if not created:
        return None
    rest = [one for one in entries if one not in created]
    has_applied = any(_is_by_us(one, "Apply") for one in entries)
    return tuple(rest) if has_applied else ({**created[0], "operation": "Apply"}, *rest)


def _is_by_us(entry: Mapping[str, Any], operation: str) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == operation and not entry.get("subresource")


def holds(live: Any, desired: Any) -> bool:
    """Whether a live value is what is desired, apart from keys that only it has."""
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(key in live and holds(live[key], desired[key]) for key in desired)
    if isinstance(desired, list):
        same_length = isinstance(live, list) and len(live) == len(desired)
        return same_length and all(holds(one, wanted) for one, wanted in zip(live, desired, strict=True))
    return bool(live == desired)
