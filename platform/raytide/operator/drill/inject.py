"""Doing a fault from anywhere that reaches the dashboard: as a job on the cluster."""

from __future__ import annotations

import json
import time
from typing import Any, Final, Protocol

from raytide.core.errors import RunFailed
from raytide.operator.drill.objective import Fault, Objective

_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")
_STARTS_WITHIN_S: Final = 120.0
_POLL_S: Final = 0.5


class Jobs(Protocol):
    """The part of Ray's job API that a fault needs."""

    def submit(self, entrypoint: str) -> str:
        """The id of a new job."""

    def job_state(self, job: str) -> str:
        """As Ray names it."""

    def job_output(self, job: str) -> str:
        """What it has said."""


def inject(jobs: Jobs, fault: Fault, service: str, objective: Objective) -> dict[str, Any]:
    """When the fault happened, and what was done; returns at its end.

    Raises:
        RunFailed: it could not be done; the sentence says why.
    """
    job = jobs.submit(f"python -m raytide.operator.drill.fault {fault} {service} {objective.lasts_s:g}")
    deadline_s = time.monotonic() + objective.lasts_s + _STARTS_WITHIN_S
    while (state := jobs.job_state(job)) not in _ENDED:
        if time.monotonic() > deadline_s:
            raise RunFailed(f"the job {job} that does the fault has not ended: see it on the dashboard's page of jobs")
        time.sleep(_POLL_S)
    return _said(job, state, jobs.job_output(job))


def _said(job: str, state: str, output: str) -> dict[str, Any]:
    last = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    if state != "SUCCEEDED" or not last:
        words = [line for line in output.strip().splitlines() if line]
        why = words[-1] if words else "it said nothing"
        raise RunFailed(f"the fault could not be done: job {job} ended as {state.lower()}: {why}")
    said: dict[str, Any] = json.loads(last)
    if "error" in said:
        raise RunFailed(f"the fault could not be done: {said['error']}")
    return said
