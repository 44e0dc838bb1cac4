"""The brain: observes a service, decides on a cadence, records each decision, and offers it to Serve.

It is a deployment of the service's own application, so Serve restarts it, and `serve deploy` of a rendered file
brings it along. After a restart it resumes from the replicas that run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.autoscaling.live.decided import Decision, State
from raytide.autoscaling.live.follow import AGE, TARGET
from raytide.autoscaling.live.ledger import Ledger
from raytide.autoscaling.live.reports import Fleet, Observation, ReplicaReport, observe
from raytide.autoscaling.live.sizing import Limits, decide, resume
from raytide.autoscaling.live.summary import summarise
from raytide.autoscaling.live.watch import ReportWindow, fleets
from raytide.autoscaling.missing import Missing

_log = logging.getLogger("ray.serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSettings:
    """The knobs of one service's brain; they change without a restart."""

    limits: Limits
    usd_per_hour: float | Missing
    interval_s: float
    stale_after_s: float
    journal: Path | None
    """File that every recorded decision is appended to; none where unset."""

    @classmethod
    def from_user_config(cls, config: Mapping[str, Any]) -> BrainSettings:
        """The settings from the plain data of a Serve config, as `operator.plan` renders it."""
        price = config["usd_per_hour"]
        return cls(
            limits=Limits.from_json(config["limits"]),
            usd_per_hour=Missing(reason="no price is declared") if price is None else float(price),
            interval_s=config["interval_s"],
            stale_after_s=config["stale_after_s"],
            journal=Path(config["journal"]) if config["journal"] else None,
        )


class Brain:
    """One service's autoscaler, idle until its first `reconfigure`."""

    def __init__(
        self,
        application: str,
        variants: tuple[str, ...],
        *,
        see: Callable[[str, tuple[str, ...], dict[str, int]], Sequence[Fleet]] = fleets,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._application = application
        self._variants = variants
        self._see = see
        self._now_s = now_s
        self._ledger = Ledger()
        self._reports = ReportWindow()
        self._observation: Observation | None = None
        self._decision: Decision | None = None
        self._loop: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over new settings; the first ones start the decisions."""
        self._settings = BrainSettings.from_user_config(user_config)
        self._ledger.file = self._settings.journal
        if self._loop is None:
            self._loop = asyncio.get_running_loop().create_task(self._decide_forever())

    async def report(self, report: ReplicaReport) -> None:
        """Take in what one replica saw."""
        self._reports.add(report, self._settings.limits.window_s)

    async def status(self) -> dict[str, Any]:
        """What was last seen, every recorded decision, and the spend, as plain data."""
        return summarise(self._settings.limits, self._observation, self._ledger)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The latest decision as the metrics that `follow` reads in Serve's controller."""
        if self._decision is None:
            return {}
        targets = {TARGET + variant.variant: float(variant.target) for variant in self._decision.variants}
        return {AGE: self._now_s() - self._decision.at_s, **targets}

    def check_health(self) -> None:
        """Raises where the loop has ended, so that Serve replaces this brain."""
        if self._loop is not None and self._loop.done():
            raise RuntimeError("the decision loop has ended") from self._loop.exception()

    async def _decide_forever(self) -> None:
        while True:
            try:
                await self._decide_once()
            except Exception:
                # Serve's controller may be restarting; the follower keeps the present size meanwhile.
                _log.exception("raytide: no decision this time")
            await asyncio.sleep(self._settings.interval_s)

    async def _decide_once(self) -> None:
        seen = await asyncio.to_thread(self._see, self._application, self._variants, self._targets())
        now_s = self._now_s()
        self._observation = observe(
            seen,
            self._reports.all(),
            usd_per_hour=self._settings.usd_per_hour,
            now_s=now_s,
            window_s=self._settings.limits.window_s,
            stale_after_s=self._settings.stale_after_s,
        )
        self._decision = decide(self._observation, self._settings.limits, self._state(self._observation), now_s)
        self._ledger.judge(self._observation, self._settings.limits)
        self._ledger.enter(self._decision, sum(fleet.num_holding for fleet in seen), self._settings.usd_per_hour)

    def _state(self, observation: Observation) -> State:
        return resume(observation) if self._decision is None else self._decision.state

    def _targets(self) -> dict[str, int]:
        decided = self._decision.variants if self._decision else ()
        return {variant.variant: variant.target for variant in decided}
