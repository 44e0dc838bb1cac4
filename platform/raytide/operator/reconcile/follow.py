"""Watches that wake the loop: one for each kind, begun again wherever it ends.

What they bring is not kept. A turn reads anew whatever they missed; they only make it come at once.
"""

from __future__ import annotations

from random import Random
from threading import Event, Thread
from typing import Any, Final

from raytide.manifests.kinds import NAMESPACED, Identity, Kind
from raytide.operator.reconcile.api import Change, Gone, KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.lifetime import runs
from raytide.operator.reconcile.step import identity_of

_PAUSE_S: Final = 5.0
"""Between two watches, whichever way the first one ended: a proxy may end each of them at once."""
_UNKNOWN_S: Final = 120.0
"""Until a kind that the cluster did not know is asked for again: its CRD may have come."""


def follow(api: KubernetesApi, wake: Event, stop: Event, random: Random) -> list[Thread]:
    """A thread for each kind, which ends with the process; `wake` is set where a plan may be another one."""
    threads = [
        Thread(target=_Follower(api, kind, wake, stop, random).run, name=f"watch {kind.plural}", daemon=True)
        for kind in NAMESPACED
    ]
    for thread in threads:
        thread.start()
    return threads


class _Follower:
    def __init__(self, api: KubernetesApi, kind: Kind, wake: Event, stop: Event, random: Random) -> None:
        self._api, self._kind, self._wake, self._stop, self._random = api, kind, wake, stop, random
        self._since: str | None = None
        self._seen: dict[Identity, Any] = {}

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(max(self._watched(), _PAUSE_S * self._random.uniform(0.5, 1.0)))

    def _watched(self) -> float:
        """Seconds to wait at least, once a watch has come to its end."""
        try:
            self._watch()
        except Gone:
            self._since = None
        except Unavailable as error:
            return error.retry_after_s or 0.0
        except Refused:
            return _UNKNOWN_S
        return 0.0

    def _watch(self) -> None:
        if self._since is None:
            listing = self._api.listing(self._kind)
            if listing.version == "0":
                raise Refused("no such kind")
            self._since = listing.version
            self._take({identity_of(one): relevant(Change("ADDED", one)) for one in listing.objects})
        for change in self._api.changes(self._kind, self._since):
            self._since = change.version
            if change.event != "BOOKMARK":
                identity = identity_of(change.one)
                self._take({**self._seen, identity: relevant(change)})
            if self._stop.is_set():
                return

    def _take(self, now: dict[Identity, Any]) -> None:
        if now != self._seen:
            self._seen = {identity: said for identity, said in now.items() if said is not None}
            self._wake.set()


def relevant(change: Change) -> Any:
    """What of an object a plan reads; None of one that was deleted.

    KubeRay writes the status of a RayCluster every few seconds, which changes no plan.
    """
    if change.event == "DELETED":
        return None
    metadata = change.one["metadata"]
    kept = {key: metadata.get(key) for key in ("uid", "labels", "annotations", "ownerReferences", "deletionTimestamp")}
    rest = {key: value for key, value in change.one.items() if key not in ("metadata", "status")}
    return kept, rest, runs(change.one)
