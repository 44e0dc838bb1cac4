"""A model version that serves before it is production: its canary takes all requests, and then the alias moves.

Killed on the way it is done again from where it was: a canary that is under way is waited for, and one that has taken
over is what runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from raytide.autoscaling.live.rollout_file import FOLDER as ROLLOUTS
from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.core.errors import GateFailed, RaytideError, RunFailed
from raytide.core.spec import Service
from raytide.operator import apply as operator
from raytide.operator import change
from raytide.operator.adapters.history_file import HistoryFile
from raytide.operator.history import Outcome, Record
from raytide.operator.plan.diff import Plan
from raytide.operator.site import Site
from raytide.services.rollout.revisions import is_canary, revision_of

POLL_S = 1.0


def pinned(service: Service, name: str, version: int, alias: str) -> Service:
    """The service with the version that `alias` is to name; what it runs is the same before and after the alias moves.

    Raises:
        RaytideError: The service runs something else.
    """
    source, wanted = service.spec.model.source, f"registry:{name}@{alias}"
    if source != wanted:
        raise RaytideError(
            f"the service {service.metadata.name} runs {source}, so its canary says nothing of {wanted}: name a "
            f"service whose spec.model.source is {wanted}"
        )
    model = service.spec.model.model_copy(update={"source": f"registry:{name}@{version}"})
    return service.model_copy(update={"spec": service.spec.model_copy(update={"model": model})})


def serve(service: Service, site: Site, *, watch: Callable[[str], None], timeout_s: float) -> None:
    """Returns once the service runs as declared and, where it was tried as a canary, has taken all requests.

    `timeout_s` is for its start; how long a canary takes is for its own rules to say.

    Raises:
        GateFailed: The canary was worse than what serves.
        RunFailed: It did not come up, had too few requests for a verdict, was ended by somebody else, or was applied
            from another storage folder.
    """
    step = operator.prepare(service, site)
    change.carry_out(step, site, watch=watch, timeout_s=timeout_s)
    if is_canary(step.desired):
        _conclude(_ended(step, site, watch), step.service)


def _ended(step: Plan, site: Site, watch: Callable[[str], None]) -> Record:
    """The record of the canary, when its rollout is over."""
    history, revision = HistoryFile(site.home, step.service), revision_of(step.desired)
    while (record := _record(history, revision)).outcome is Outcome.CANARY:
        canary = operator.revisions(step.service, site).canary
        is_gone = canary is None or revision_of(canary) != revision
        if is_gone and _record(history, revision).outcome is Outcome.CANARY:
            raise RunFailed(f"the canary of {step.service} was ended by another command: see `raytide history`")
        watch(_progress(site, step.service))
        time.sleep(POLL_S)
    return record


def _record(history: HistoryFile, revision: str) -> Record:
    found = next((record for record in reversed(history.records()) if record.revision == revision), None)
    if found is None:
        raise RunFailed(
            f"the canary was applied from another storage folder, and nothing in {history.path.parent} says how it "
            "ends: set RAYTIDE_HOME as where it was applied"
        )
    return found


def _progress(site: Site, service: str) -> str:
    rollouts = RolloutFile(site.home / ROLLOUTS, service).latest()
    return f"canary {rollouts[-1].phase}: {rollouts[-1].says}" if rollouts else "canary waiting"


def _conclude(record: Record, service: str) -> None:
    if record.outcome is Outcome.ROLLED_BACK:
        raise GateFailed(f"the canary of {service} was rolled back: {record.why}")
    if record.outcome is not Outcome.APPLIED:
        raise RunFailed(f"the canary of {service} ended {record.outcome}: {record.why}")
