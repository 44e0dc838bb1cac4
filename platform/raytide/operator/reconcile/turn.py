"""One turn of the reconciler: read what is live, plan, send; what went wrong is data.

It may be cut off anywhere. The next turn reads anew, so no turn relies on what an earlier one believed to have done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from raytide.manifests.kinds import NAMESPACED, kind_of
from raytide.operator.reconcile.api import Conflict, KubernetesApi, Refused, Unavailable
from raytide.operator.reconcile.plan import plan
from raytide.operator.reconcile.sizes import DECLARED, Floors
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of

_FIRST: Final = frozenset({"Namespace", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"})
"""Where one of these cannot be sent, nothing after it is: KubeRay makes up a wider Role where ours is missing."""


class Cut(StrEnum):
    """Why a turn ended before its plan did."""

    CONFLICT = "Conflict"
    UNAVAILABLE = "ServerUnavailable"
    REFUSED = "StepRefused"
    NOT_LEADING = "NotLeading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A step that the server took amiss, and its words."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of one turn."""

    steps: tuple[Step, ...] = ()
    """All that were planned."""
    sent: tuple[Step, ...] = ()
    """Those of them that the server has taken."""
    refusals: tuple[Refusal, ...] = ()
    cut: Cut | None = None
    why: str = ""
    """Of the cut."""
    retry_after_s: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the cluster holds all that it may hold at present."""
        return self.cut is None and not self.refusals and not any(step.is_sent for step in self.steps)

    @property
    def left_to_somebody(self) -> tuple[Step, ...]:
        """What no later turn will do either, unless somebody decides."""
        return tuple(step for step in self.steps if step.verb is Verb.REFUSE)


def live(desired: Sequence[Object], api: KubernetesApi) -> list[Object]:
    """What carries the platform's labels, and what has a name that it needs.

    Raises:
        Unavailable: the server does not answer.
        Refused: it does not let us look.
    """
    found = {identity_of(one): one for kind in NAMESPACED for one in api.listing(kind).objects}
    for one in desired:
        if identity_of(one) not in found:
            named = api.find(kind_of(one), one["metadata"]["name"])
            found |= {identity_of(named): named} if named is not None else {}
    return list(found.values())


def turn(
    desired: Sequence[Object],
    api: KubernetesApi,
    platform: str,
    may_send: Callable[[], bool],
    floors: Floors | None = DECLARED,
) -> Turn:
    """One turn; before each request `may_send` says whether we still lead."""
    try:
        steps = plan(desired, live(desired, api), platform, floors)
    except Unavailable as error:
        return Turn(cut=Cut.UNAVAILABLE, why=str(error), retry_after_s=error.retry_after_s)
    except Refused as error:
        return Turn(cut=Cut.REFUSED, why=str(error))
    done = Turn(steps=steps)
    for step in _sendable(steps):
        if step.verb is Verb.DELETE and done.refusals:  # what is to go may still be needed by what did not come
            break
        done = _after(done, step, api) if may_send() else replace(done, cut=Cut.NOT_LEADING, why="the lease is lost")
        if done.cut is not None:
            break
    return done


def _sendable(steps: Sequence[Step]) -> Iterator[Step]:
    return (step for step in steps if step.is_sent)


def _after(done: Turn, step: Step, api: KubernetesApi) -> Turn:
    try:
        api.send(step)
    except Conflict as error:
        return replace(done, cut=Cut.CONFLICT, why=str(error))
    except Unavailable as error:
        return replace(done, cut=Cut.UNAVAILABLE, why=str(error), retry_after_s=error.retry_after_s)
    except Refused as error:
        refusals = (*done.refusals, Refusal(step=step, reason=str(error)))
        is_first = step.identity[1] in _FIRST
        return replace(done, refusals=refusals, cut=Cut.REFUSED if is_first else None, why=str(error))
    return replace(done, sent=(*done.sent, step))
