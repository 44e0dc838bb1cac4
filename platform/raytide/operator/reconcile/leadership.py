"""Holding the lease: `tick` as often as it is to be renewed, `holds` before everything that is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from raytide.manifests.kinds import LEASE
from raytide.operator.reconcile.api import Conflict, KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.lease import DEADLINE_S, Seen, may_take, seen, taken
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of

Now = Callable[[], float]


class Leadership:
    """One operator's part in the election of its platform."""

    def __init__(self, api: KubernetesApi, me: str, name: str, namespace: str, monotonic_s: Now) -> None:
        self._api, self._me, self._name, self._namespace = api, me, name, namespace
        self._monotonic_s = monotonic_s
        self._seen: Seen | None = None
        self._renewed_s: float | None = None
        self.problem = ""
        """Why the last renewal failed."""

    def holds(self) -> bool:
        """Whether we lead for certain: nobody else can have taken over yet."""
        return self._renewed_s is not None and self._monotonic_s() - self._renewed_s < DEADLINE_S

    def tick(self) -> None:
        """Take the lease where it is free, and renew it where it is ours."""
        asked_s = self._monotonic_s()  # a renewal counts from before it was asked for
        try:
            lease = self._api.find(LEASE, f"{self._name}-operator")
            self._seen = seen(lease, self._seen, asked_s)
            if may_take(lease, self._me, self._seen, asked_s):
                self._write(lease, self._me)
                self._renewed_s, self.problem = asked_s, ""
            else:
                self._renewed_s, self.problem = None, f"{self._seen.record[0]} leads"
        except Conflict:  # somebody else was faster; the next tick sees who
            self._renewed_s = None
        except (Unavailable, Refused) as error:
            self.problem = str(error)

    def give_back(self) -> None:
        """Let the next one lead at once; nothing is sent from here on."""
        held, self._renewed_s = self.holds(), None
        try:
            lease = self._api.find(LEASE, f"{self._name}-operator") if held else None
            if lease is not None and lease["spec"].get("holderIdentity") == self._me:
                self._write(lease, "")
        except (Conflict, Unavailable, Refused):  # it runs out by itself
            return

    def _write(self, lease: Object | None, holder: str) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        after = taken(lease, holder, time, self._name, self._namespace)
        if lease is None:
            self._api.send(Step(verb=Verb.CREATE, identity=identity_of(after), body=after))
        else:
            self._api.replace(after)
