"""What the operator says of itself in the cluster: conditions as Kubernetes writes them, in a ConfigMap of its own.

It carries no label of the platform's objects, so that no plan takes it for one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from raytide.operator.reconcile.step import Object, Step, Verb
from raytide.operator.reconcile.turn import Turn

OPERATOR: Final = "raytide-operator"
_SHOWN: Final = 5
"""Objects that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One of `Ready`, `Progressing` and `Degraded`, or, where pools are planned for, `PoolsPlanned`."""

    type: str
    status: str
    """`True` or `False`."""
    reason: str
    message: str = ""


Conditions = tuple[Condition, ...]


def conditions(turn: Turn, problem: str | None = None) -> Conditions:
    """Those after a turn; `problem` is why the files that are there now are not followed.

    Ready: the cluster holds what is declared. Progressing: a later turn will do more by itself. Degraded: somebody has
    to look, whatever else goes well.
    """
    degraded = _degraded(turn, problem)
    waiting = tuple(step for step in turn.steps if step.verb is Verb.KEEP)
    is_ready = turn.is_settled and degraded.status == "False"
    return (
        _ready(is_ready, degraded, turn),
        _progressing(turn, waiting),
        degraded,
    )


def _ready(is_ready: bool, degraded: Condition, turn: Turn) -> Condition:
    if is_ready:
        return Condition(type="Ready", status="True", reason="Applied")
    reason = degraded.reason if degraded.status == "True" else (turn.cut or "Sending")
    return Condition(type="Ready", status="False", reason=str(reason))


def _progressing(turn: Turn, waiting: tuple[Step, ...]) -> Condition:
    if not turn.is_settled:
        says = turn.why or f"{len(turn.sent)} sent"
        return Condition(type="Progressing", status="True", reason=str(turn.cut or "Sending"), message=says)
    if waiting:
        return Condition(type="Progressing", status="False", reason="Kept", message=_named(waiting))
    return Condition(type="Progressing", status="False", reason="Applied")


def _degraded(turn: Turn, problem: str | None) -> Condition:
    if problem is not None:
        return Condition(type="Degraded", status="True", reason="SpecInvalid", message=problem)
    if turn.refusals:
        says = "; ".join(f"{place(one.step)}: {one.reason}" for one in turn.refusals[:_SHOWN])
        return Condition(type="Degraded", status="True", reason="StepRefused", message=says)
    if turn.left_to_somebody:
        return Condition(type="Degraded", status="True", reason="LeftToSomebody", message=_named(turn.left_to_somebody))
    if turn.cut is not None:
        return Condition(type="Degraded", status="True", reason=str(turn.cut), message=turn.why)
    return Condition(type="Degraded", status="False", reason="Sound")


def place(step: Step) -> str:
    """A step's object, as people write it."""
    _, kind, namespace, name = step.identity
    return f"{kind} {namespace + '/' if namespace else ''}{name}"


def _named(steps: Iterable[Step]) -> str:
    named = [f"{place(step)}: {step.reason}" for step in steps]
    more = f"; and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return "; ".join(named[:_SHOWN]) + more


def recorded(live: Object | None) -> tuple[str, Mapping[str, Any]]:
    """The observed generation and the conditions by type that a status says; nothing where there is none."""
    try:
        status = json.loads((live or {})["data"]["status"])
        return status["observedGeneration"], {one["type"]: one for one in status["conditions"]}
    except (KeyError, TypeError, ValueError):  # none yet, or somebody's own text
        return "", {}


def status_object(
    name: str, namespace: str, generation: str, now: Conditions, before: Mapping[str, Any], time: str
) -> dict[str, Any]:
    """The ConfigMap that says it; a condition keeps the time of its last change for as long as its status stays."""
    said = [{**asdict(one), "lastTransitionTime": _since(one, before.get(one.type), time)} for one in now]
    status = {"observedGeneration": generation, "conditions": said}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": own_metadata(name, namespace),
        "data": {"status": json.dumps(status, indent=2)},
    }


def own_metadata(name: str, namespace: str) -> dict[str, Any]:
    """Of what the operator keeps for itself."""
    labels = {"app.kubernetes.io/managed-by": OPERATOR, "app.kubernetes.io/instance": name}
    return {"name": f"{name}-operator", "namespace": namespace, "labels": labels}


def _since(now: Condition, before: Mapping[str, Any] | None, time: str) -> str:
    return str(before["lastTransitionTime"]) if before and before["status"] == now.status else time
