"""A drill: load, fault, recovery, load to the end, report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from raytide.autoscaling.terms import Terms
from raytide.core.errors import RaytideError, RunFailed
from raytide.operator.drill.load import Load, ask_once, send_until
from raytide.operator.drill.objective import Fault, Objective, Report, report_of

BEFORE_S: Final = 5.0
AFTER_S: Final = 5.0
"""Of load, around the fault and the recovery."""
_POLL_S: Final = 0.5
SPEND_LOST_S: Final = 65.0
"""A brain that is killed forgets at most what it has not saved: twelve decisions."""

Look = Callable[[], Mapping[str, Any]]
"""The service as `raytide status --json` has it; an error while it cannot be seen."""
Inject = Callable[[], Mapping[str, Any]]
"""Does the fault; when it happened and what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """Everything that one drill needs."""

    fault: Fault
    objective: Objective
    terms: Terms
    load: Load
    look: Look
    inject: Inject
    watch: Callable[[str], None]


def run(drill: Drill) -> Report:
    """The report; the load ends with the recovery, or when the time for it is over.

    Raises:
        RaytideError: the service answers nobody, or the fault could not be done.
    """
    return asyncio.run(_run(drill))


async def _run(drill: Drill) -> Report:
    await _require_answer(drill.load)
    before, over = await asyncio.to_thread(drill.look), asyncio.Event()
    sending = asyncio.create_task(send_until(drill.load, over))
    try:
        drill.watch("load before the fault")
        await asyncio.sleep(BEFORE_S)
        drill.watch(drill.objective.does)
        done = await asyncio.to_thread(drill.inject)
        recovered_after_s = await _recovery(drill, before, done)
        await asyncio.sleep(AFTER_S)
    finally:
        over.set()
        answers = await sending
    return report_of(
        drill.fault,
        drill.objective,
        answers,
        did=done["did"],
        began_s=done["began_s"],
        at_s=done["at_s"],
        recovered_after_s=recovered_after_s,
        ttft_s=drill.terms.objective.ttft_s,
        tpot_s=drill.terms.objective.tpot_s,
    )


async def _require_answer(load: Load) -> None:
    """A service that answers nobody has nothing to survive, and a fault would only make it worse."""
    answer = await ask_once(load)
    if answer.error is not None:
        hint = "; give a key by --api-key" if answer.error in ("HTTP 401", "HTTP 403") else ""
        raise RunFailed(f"no fault was done, for a request to {load.url} ends with {answer.error} as it is{hint}")


async def _recovery(drill: Drill, before: Mapping[str, Any], done: Mapping[str, Any]) -> float | None:
    """Seconds from the end of the fault to the first look at a service that is as it should be; None where none was."""
    ended_s: float = done["at_s"] + drill.objective.lasts_s
    while time.time() - ended_s <= drill.objective.recovers_within_s + _POLL_S:
        try:
            seen = await asyncio.to_thread(drill.look)
        except RaytideError:  # Serve's controller may be what was hit
            seen = None
        if seen is not None and has_recovered(drill.fault, before, seen, done):
            return max(0.0, time.time() - ended_s)
        drill.watch(f"waits until {drill.objective.recovers_when}")
        await asyncio.sleep(_POLL_S)
    return None


def has_recovered(fault: Fault, before: Mapping[str, Any], seen: Mapping[str, Any], done: Mapping[str, Any]) -> bool:
    """Whether what is seen of a service is what its objective asks for."""
    brain = seen["autoscaler"]
    if fault in (Fault.KILL_REPLICA, Fault.KILL_NODE, Fault.SLOW_REPLICA):
        gone = done.get("replica") is None or done["replica"] not in seen.get("replica_ids", ())
        return gone and seen["replicas"].get("RUNNING", 0) >= before["replicas"].get("RUNNING", 0)
    if "missing" in brain or brain["at_s"] is None or brain["at_s"] <= done["at_s"]:
        return False
    spent = before["autoscaler"].get("replica_seconds", 0.0)
    if fault is Fault.LOST_METRICS:
        hears = "missing" not in brain["traffic"]
        return hears and seen["target_replicas"] == before["target_replicas"]
    return bool(brain["replica_seconds"] >= spent - SPEND_LOST_S * max(1, seen["replicas"].get("RUNNING", 0)))
