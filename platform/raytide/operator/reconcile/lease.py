"""Who leads: a Lease that one operator holds and renews, decided from what was seen of it.

As client-go's `leaderelection`: a holder is given up once its record has not changed for the lease's duration by the
clock of whoever looks on. Times in the record are not compared with it, since clocks of two machines differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from raytide.operator.reconcile.status import own_metadata
from raytide.operator.reconcile.step import Object

DURATION_S: Final = 15
"""A holder that says nothing for so long has lost it."""
DEADLINE_S: Final = 10.0
"""A holder that could not renew for so long sends nothing more; less than the duration, so that no two ever send."""
RETRY_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A record of the lease, and since when it is the same."""

    record: tuple[Any, ...]
    since_s: float
    """By the clock of whoever looks on."""


def seen(lease: Object | None, before: Seen | None, now_s: float) -> Seen:
    """What is seen of a lease now."""
    spec: Mapping[str, Any] = (lease or {}).get("spec") or {}
    record = tuple(spec.get(key) for key in ("holderIdentity", "renewTime", "leaseTransitions"))
    return before if before is not None and before.record == record else Seen(record=record, since_s=now_s)


def may_take(lease: Object | None, me: str, last: Seen, now_s: float) -> bool:
    """Whether the lease is ours, nobody's, or that of somebody who has not renewed it."""
    spec = (lease or {}).get("spec") or {}
    if spec.get("holderIdentity") in (None, "", me):
        return True
    return now_s - last.since_s > float(spec.get("leaseDurationSeconds") or DURATION_S)


def taken(lease: Object | None, me: str, time: str, name: str, namespace: str) -> dict[str, Any]:
    """The lease as its holder writes it; `time` is RFC 3339 with microseconds, and `me` empty to give it back."""
    before = dict((lease or {}).get("spec") or {})
    is_same = before.get("holderIdentity") == me
    spec = {
        "holderIdentity": me,
        "leaseDurationSeconds": DURATION_S,
        "acquireTime": before["acquireTime"] if is_same and "acquireTime" in before else time,
        "renewTime": time,
        "leaseTransitions": int(before.get("leaseTransitions") or 0) + (not is_same and lease is not None),
    }
    metadata = dict((lease or {}).get("metadata") or own_metadata(name, namespace))
    metadata.pop("managedFields", None)
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
