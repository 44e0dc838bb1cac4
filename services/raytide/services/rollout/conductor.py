"""Taking canaries through their rollouts: what was seen of both revisions goes in, shares of the traffic come out.

The state machine decides (`raytide.autoscaling.rollout`); here it is asked every few seconds, what it says is written
down before it is acted on, and whatever was interrupted is done again at the next turn: a share that is told twice is
the same share, and a canary that has ended is ended until it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.live.rollout_file import RolloutFile
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import NOTHING_COUNTED, Evidence, Quality, Tally
from raytide.autoscaling.rollout.rollout import Phase, Rollout, advance, begin
from raytide.services.rollout.revisions import (
    Application,
    Revisions,
    as_stable,
    every_revision,
    is_ours,
    revision_of,
    service_of,
    settings_of,
    takes_over,
)

TURN_S: Final = 2.0
HEARD_S: Final = 4.0
"""After a verdict, until every gateway sends its requests accordingly: each asks the brains once a second."""

_log = logging.getLogger("ray.serve")


class Stage(Protocol):
    """The cluster, as far as rollouts change it."""

    async def applications(self) -> Sequence[Application]:
        """All that are declared, other people's too; without those that are being deleted."""

    async def failure(self, application: str) -> str:
        """Why Serve has given it up; empty where it has not."""

    async def put(self, applications: Sequence[Application]) -> None:
        """Run exactly these from now on."""

    async def standing(self, application: str) -> Mapping[str, Any]:
        """`Brain.standing` of it; raises `LookupError` where the brain does not answer."""

    async def allow(self, application: str, share: float, replicas: int, rollout: Mapping[str, Any]) -> None:
        """`Brain.allow`; raises `LookupError` where the brain does not answer."""


class Conductor:
    """Of all services of a cluster."""

    def __init__(self, stage: Stage, folder: Path, now_s: Callable[[], float] = time.time) -> None:
        self._stage, self._folder, self._now_s = stage, folder, now_s

    async def conduct_forever(self) -> None:
        """Turn after turn; one that fails is said, and the next one begins anew."""
        while True:
            try:
                await self.turn()
            except Exception:
                _log.exception("raytide: rollouts stay as they are")
            await asyncio.sleep(TURN_S)

    async def turn(self) -> None:
        """Look at every canary once; one that fails is said, and keeps no other from going on."""
        for revisions in every_revision(await self._stage.applications()):
            if revisions.canary is None:
                continue
            try:
                await self._conduct(revisions, revisions.canary)
            except Exception:
                _log.exception("raytide: the rollout of %s stays as it is", revisions.service)

    async def _conduct(self, revisions: Revisions, canary: Application) -> None:
        file = RolloutFile(self._folder, revisions.service)
        before = self._before(file, revisions, canary)
        if before.is_over and self._now_s() - before.since_s >= HEARD_S:
            await self._end(before, revisions, canary)
            return
        try:
            after = await self._advanced(before, revisions, canary)
            if _stands(after) != _stands(before):
                file.add(after)
            share = after.weight(takes_over(canary).rules)
            await self._stage.allow(canary["name"], share, after.replicas, plain(after) | {"weight": share})
        except LookupError as error:
            _log.warning("raytide: the rollout of %s waits: %s", revisions.service, error)

    def _before(self, file: RolloutFile, revisions: Revisions, canary: Application) -> Rollout:
        own = (revision_of(canary), takes_over(canary).applied_s)
        known = [one for one in file.latest() if (one.canary, one.began_s) == own]
        stable = revision_of(revisions.stable) if revisions.stable else "none"
        return known[-1] if known else _begun(file, begin(own[0], stable, own[1]))

    async def _advanced(self, before: Rollout, revisions: Revisions, canary: Application) -> Rollout:
        if before.is_over:
            return before
        now_s, stable = self._now_s(), revisions.stable
        if stable is None:
            says = "the revision that it was to take over from is gone"
            return replace(before, phase=Phase.PROMOTED, since_s=now_s, says=says)
        if failure := await self._stage.failure(canary["name"]):
            return replace(before, phase=Phase.ROLLED_BACK, since_s=now_s, says=f"it does not start: {failure}")
        evidence = await self._evidence(stable, canary, is_waiting=before.phase is Phase.WAITING)
        return advance(before, takes_over(canary).rules, evidence, now_s)

    async def _evidence(self, stable: Application, canary: Application, *, is_waiting: bool) -> Evidence:
        other = await self._stage.standing(stable["name"])
        try:
            own = await self._stage.standing(canary["name"])
        except LookupError:
            if not is_waiting:
                raise
            own = {"tally": plain(NOTHING_COUNTED), "ready": 0, "most": other["most"]}
        return Evidence(
            canary=typed(Tally, own["tally"]),
            stable=typed(Tally, other["tally"]),
            canary_quality=settings_of(canary).quality,
            stable_quality=_beside(settings_of(canary).quality, stable),
            canary_ready=own["ready"],
            stable_ready=other["ready"],
            most=own["most"],
        )

    async def _end(self, rollout: Rollout, revisions: Revisions, canary: Application) -> None:
        stays = as_stable(canary) if rollout.phase is Phase.PROMOTED else revisions.stable
        running = await self._stage.applications()
        others = [app for app in running if not is_ours(app) or service_of(app) != revisions.service]
        _log.info("raytide: %s %s is %s: %s", revisions.service, rollout.canary, rollout.phase, rollout.says)
        await self._stage.put([*others, *([stays] if stays else [])])


def _beside(canary: Quality | Missing, stable: Application) -> Quality | Missing:
    """The score of what serves: as it was evaluated beside the canary, else as the registry had it before."""
    own = None if isinstance(canary, Missing) else canary.of_rival(stable["args"]["model_version"])
    return own or settings_of(stable).quality


def _begun(file: RolloutFile, rollout: Rollout) -> Rollout:
    file.add(rollout)
    return rollout


def _stands(rollout: Rollout) -> tuple[Phase, int, int]:
    return rollout.phase, rollout.step, rollout.replicas
