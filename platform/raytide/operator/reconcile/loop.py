"""The loop around the turns: files, leadership and time in; turns, a status and lines for people out.

It is driven by levels: what wakes it only says that something may have changed, and each turn reads all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final, Protocol

from raytide.core.errors import RaytideError
from raytide.manifests.kinds import CONFIG_MAP
from raytide.operator.reconcile.api import Conflict, KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.desired import Desired, same_place
from raytide.operator.reconcile.pace import Pace, after, wait_s
from raytide.operator.reconcile.pools import POOLS_PLANNED, Pools
from raytide.operator.reconcile.sizes import DECLARED
from raytide.operator.reconcile.status import Conditions, conditions, place, recorded, status_object
from raytide.operator.reconcile.step import Step, Verb, identity_of
from raytide.operator.reconcile.turn import Turn, turn

RESYNC_S: Final = 300.0
"""Between turns that nothing called for: what a watch has missed is found then."""


class Source(Protocol):
    """Where the desired state is written."""

    def read(self) -> Desired:
        """What it says; raises `RaytideError` where that cannot be followed."""

    def version(self) -> object:
        """Another one once it may say something else."""


@dataclass(kw_only=True)
class Loop:
    """One reconciler of one platform."""

    api: KubernetesApi
    source: Source
    desired: Desired
    may_send: Callable[[], bool]
    say: Callable[[str], None]
    random: Random
    pools: Pools | None = None
    """None where pools keep what is declared."""
    problem: str | None = None
    """Why the files as they are now are not followed."""
    _version: object = field(init=False)
    _pace: Pace = field(default_factory=Pace)
    _due_s: float = 0.0
    _turned: Conditions = ()
    """After the last turn."""
    _said: Conditions = ()

    def __post_init__(self) -> None:
        self._version = self.desired.version

    def step(self, now_s: float, *, is_woken: bool) -> Turn | None:
        """A turn where one is due; None where none is, or somebody else leads.

        Between turns that failed the pace alone decides: what woke us may be of our own making.
        """
        is_new = self._read()
        if not self.may_send():
            self._forget()
            return None
        is_new = self._look(now_s) or is_new
        is_due = now_s >= self._due_s or (is_woken and self._pace.num_vain == 0)
        if not (is_due or is_new):
            return None
        floors = self.pools.floors if self.pools else DECLARED
        done = turn(self.desired.objects, self.api, self.desired.platform, self.may_send, floors)
        self._pace = after(done, self._pace)
        wait = wait_s(done, self._pace, self.random)
        self._due_s = now_s + (RESYNC_S if wait is None else wait)
        for sent in done.sent:
            self.say(f"{sent.verb:<8}{place(sent)}")
        self._turned = conditions(done, self.problem)
        self._report()
        return done

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next turn is due."""
        return max(0.0, self._due_s - now_s)

    def _read(self) -> bool:
        """Read the files where they changed; those that cannot be followed leave what was desired as it is."""
        version = self.source.version()
        if version == self._version:
            return False
        try:
            self.desired, self.problem = same_place(self.source.read(), self.desired), None
        except RaytideError as error:
            self.problem = str(error)
        self._version = version
        return True

    def _forget(self) -> None:
        """Whoever leads meanwhile keeps floors that we know nothing of."""
        if self.pools is not None:
            self.pools.forget()

    def _look(self, now_s: float) -> bool:
        """Whether pools are to keep other nodes than before; what else is new of them is said at once."""
        if self.pools is None:
            return False
        floors, said = self.pools.floors, self.pools.conditions
        self.pools.look(self.desired, self.api, now_s)
        if self.pools.floors != floors:
            return True
        if self._turned and self.pools.conditions != said:
            self._report()
        return False

    def _report(self) -> None:
        now = (*self._turned, *(self.pools.conditions if self.pools else ()))
        if now != self._said:
            for one in now:
                if one not in self._said and (one.status == "True" or one.type in ("Ready", POOLS_PLANNED)):
                    self.say(f"{one.type} {one.status}: {one.reason}" + (f": {one.message}" if one.message else ""))
        if not self.may_send():
            return
        try:
            self._write(now)
            self._said = now
        except (Conflict, Unavailable, Refused) as error:  # a status that is late harms nobody
            self.say(f"status not written: {error}")

    def _write(self, now: Conditions) -> None:
        name, namespace = self.desired.platform, self.desired.namespace
        live = self.api.find(CONFIG_MAP, f"{name}-operator")
        generation, before = recorded(live)
        time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        after_ = status_object(name, namespace, self.desired.generation, now, before, time)
        if live is None:
            self.api.send(Step(verb=Verb.CREATE, identity=identity_of(after_), body=after_))
        elif recorded(after_) != (generation, before):
            self.api.replace({**after_, "metadata": {**live["metadata"], "labels": after_["metadata"]["labels"]}})
