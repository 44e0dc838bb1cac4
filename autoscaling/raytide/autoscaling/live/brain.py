"""The brain: observes a service, decides on a cadence, records each decision, and offers it to Serve.

It is a deployment of the service's own application, so Serve restarts it, and `serve deploy` of a rendered file
brings it along. After a restart it goes on from what it had learnt and from the replicas that run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.decision import Decision
from raytide.autoscaling.forecast.work import nothing_yet
from raytide.autoscaling.journal import Entry, entered
from raytide.autoscaling.live.counted import GatewayCount
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.follow import AGE, TARGET
from raytide.autoscaling.live.journal_file import JournalFile
from raytide.autoscaling.live.ledger import Ledger
from raytide.autoscaling.live.measures import Measure, counts_of, measures_of
from raytide.autoscaling.live.memory import Memory, load, save
from raytide.autoscaling.live.metrics import Metrics
from raytide.autoscaling.live.observe import Observer
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import Routes, Upstream
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.live.succession import Succession
from raytide.autoscaling.live.summary import summarise
from raytide.autoscaling.live.wait import wait_s
from raytide.autoscaling.live.watch import own_fleets
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms

SAVED_EVERY: Final = 12
"""Decisions: a brain that is killed forgets a minute."""

_log = logging.getLogger("ray.serve")


class Brain:
    """One service's autoscaler, idle until its first `reconfigure`."""

    def __init__(
        self,
        service: str,
        variants: tuple[str, ...],
        revision: str,
        *,
        see: Callable[[tuple[str, ...], dict[str, int]], Sequence[Fleet]] = own_fleets,
        now_s: Callable[[], float] = time.time,
        show: Callable[[Iterable[Measure]], None] | None = None,
    ) -> None:
        self._service = service
        self._variants = variants
        self._revision = revision
        self._see = see
        self._now_s = now_s
        self._show = show or Metrics(service, revision).show
        self._observer = Observer()
        self._ledger = Ledger()
        self._fleets: Sequence[Fleet] = ()
        self._known: Knowledge | None = None
        self._decision: Decision | None = None
        self._num_decisions = 0
        self._looked_s = 0.0
        self._deaf_until_s = 0.0
        self._queued = (0, 0.0)
        self._succession = Succession()
        self._soon = asyncio.Event()
        self._journal: JournalFile | None = None
        self._loop: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over new settings; the first ones start the decisions."""
        self._settings = BrainSettings.from_user_config(user_config)
        path = Path(self._settings.journal) if self._settings.journal else None
        if path != (self._journal.path if self._journal else None):
            self._journal = JournalFile(path) if path else None
        if self._loop is None:
            self._remember()
            self._loop = asyncio.get_running_loop().create_task(self._decide_forever())

    async def report(self, reports: Sequence[ReplicaReport]) -> None:
        """Take in what one replica saw, and what it could not deliver before."""
        heard_s = self._now_s()
        if heard_s < self._deaf_until_s:
            return
        for report in reports:
            self._observer.hear(report, heard_s)

    async def deafen(self, for_s: float) -> None:
        """Take in no report for so long: what `raytide drill lost-metrics` asks for."""
        self._deaf_until_s = self._now_s() + for_s

    async def status(self) -> dict[str, Any]:
        """What was last seen, the recorded decisions, and the spend, as plain data."""
        since_s = self._now_s() - self._settings.stale_after_s
        capacities = {fleet.variant: self._observer.capacity(fleet, since_s) for fleet in self._fleets}
        learnt_s = self._known.cold_starts_s if self._known else {}
        summary = summarise(self._settings.terms, self._ledger, capacities, learnt_s)
        rollout = self._succession.rollout(self._now_s()) if self._is_canary else None
        return summary | {"shadow": self._settings.shadow, "rollout": rollout}

    async def routes(self) -> dict[str, Any]:
        """Who serves, as the plain data of `Routes`."""
        now_s = self._now_s()
        upstreams = self._observer.upstreams(self._fleets, self._looked_s, now_s - self._settings.stale_after_s)
        return Routes(
            service=self._service,
            revision=self._revision,
            at_s=now_s,
            upstreams=upstreams,
            predicted_wait_s=self._wait_s(upstreams, now_s),
            access=self._settings.access,
            objective=self._settings.terms.objective,
            share=self._succession.share(now_s) if self._is_canary else 1.0,
            is_canary=self._is_canary,
            waking=not upstreams and self._is_waking(now_s),
            served=self._decision.served if self._decision and not self._settings.shadow else {},
        ).to_plain()

    async def wake(self, num_waiting: int) -> None:
        """The gateway keeps so many requests because nobody serves; said again every second while that is so."""
        self._queued = (num_waiting, self._now_s())
        if num_waiting and not any(fleet.target for fleet in self._fleets):
            self._soon.set()

    async def count(self, gateway: str, counted: dict[str, Any]) -> None:
        """What a gateway has counted of this revision since the gateway began: plain data of a `GatewayCount`."""
        told = typed(GatewayCount, counted)
        self._succession.count(gateway, told.tally)
        self._observer.hear_gateway(gateway, told.classes, self._now_s())

    async def standing(self) -> dict[str, Any]:
        """What a rollout is judged by: `tally` as plain data, replicas that are `ready`, the `most` there may be."""
        ready = sum(len(fleet.ready) for fleet in self._fleets)
        return {"tally": plain(self._succession.tally), "ready": ready, "most": self._settings.terms.max_replicas}

    async def allow(self, share: float, replicas: int, rollout: dict[str, Any]) -> None:
        """The conductor lets this canary take a share of the requests, with so many replicas at least."""
        if replicas > self._succession.replicas(self._now_s()):
            self._soon.set()
        self._succession.allow(share, replicas, rollout, self._now_s())

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The latest decision as the metrics that `follow` reads in Serve's controller."""
        if self._decision is None or self._settings.shadow:
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
            await self._next_turn()

    async def _next_turn(self) -> None:
        """Returns after the interval, or as soon as somebody waits for a service that is asleep."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.interval_s):
                await self._soon.wait()
        self._soon.clear()

    async def _decide_once(self) -> None:
        self._fleets = await asyncio.to_thread(self._see, self._variants, self._targets())
        settings, now_s = self._settings, self._now_s()
        self._looked_s, terms = now_s, self._terms(now_s)
        num_queued = self._num_queued(now_s)
        seen = self._observer.observe(self._fleets, terms, now_s, settings.stale_after_s, num_queued)
        self._decide(seen, settings, terms, now_s)

    def _terms(self, now_s: float) -> Terms:
        """As declared; of a canary with as many replicas at least as its next share of the requests needs.

        Whom of which class the service lets in, the revision that serves decides.
        """
        terms = self._settings.terms
        if not self._is_canary:
            return terms
        replicas = min(terms.max_replicas, self._succession.replicas(now_s))
        return replace(terms, min_replicas=max(terms.min_replicas, replicas), classes=())

    @property
    def _is_canary(self) -> bool:
        return self._settings.takes_over is not None

    def _decide(self, seen: Observation, settings: BrainSettings, terms: Terms, now_s: float) -> None:
        policy = settings.policy
        fresh = policy.begin(seen, terms)
        before = self._known if self._known is not None and _reaches(self._known, fresh) else fresh
        self._decision = policy.decide(seen, terms, before, now_s)
        self._known = self._decision.state
        self._ledger.enter(seen, self._decision, self._fleets, terms)
        self._num_decisions += 1
        self._show((*measures_of(self._decision, self._known, terms), *counts_of(seen)))
        self._record(entered(policy, terms, seen, self._decision, begins=before is fresh), before, self._known)

    def _record(self, entry: Entry, before: Knowledge, known: Knowledge) -> None:
        """Write it down; a full disk stops no decision."""
        try:
            if self._journal is not None:
                self._journal.add(entry, before)
            if self._settings.memory and self._num_decisions % SAVED_EVERY == 0:
                save(self._memory(known), self._settings.memory)
        except OSError as error:
            _log.error("raytide: the decision is in force, and not written down: %s", error)

    def _memory(self, known: Knowledge) -> Memory:
        return Memory(
            revision=self._revision,
            known=known,
            spend=self._ledger.spend,
            kept=self._ledger.kept,
            engines=self._observer.engines,
        )

    def _remember(self) -> None:
        """Go on from the life before, where there was one."""
        if self._settings.memory is None:
            return
        memory = load(self._settings.memory, self._revision)
        if isinstance(memory, Missing):
            _log.info("raytide: nothing is remembered: %s", memory.reason)
            return
        self._known, self._ledger = memory.known, Ledger(memory.spend, memory.kept)
        self._observer.engines = memory.engines

    def _num_queued(self, now_s: float) -> int:
        """Requests that the gateway keeps, if it said so lately."""
        num, said_s = self._queued
        return num if now_s - said_s <= self._settings.stale_after_s else 0

    def _is_waking(self, now_s: float) -> bool:
        return bool(self._num_queued(now_s)) or any(fleet.target or fleet.starting for fleet in self._fleets)

    def _wait_s(self, upstreams: Sequence[Upstream], now_s: float) -> float | Missing:
        if upstreams:
            output_tokens = (self._known.work if self._known else nothing_yet()).output_tokens
            return min(wait_s(upstream, output_tokens) for upstream in upstreams)
        left_s = [
            max(0.0, self._start_s(fleet.variant) - (now_s - ordered_s))
            for fleet in self._fleets
            for ordered_s in fleet.starting.values()
        ]
        return min(left_s) if left_s else Missing(reason="no replica serves and none starts")

    def _start_s(self, variant: str) -> float:
        learnt = self._known.cold_starts_s if self._known else {}
        return learnt.get(variant, self._settings.terms.variant(variant).cold_start_s)

    def _targets(self) -> dict[str, int]:
        if self._settings.shadow:
            return {}
        decided = self._decision.variants if self._decision else ()
        return {variant.variant: variant.target for variant in decided}


def _reaches(known: Knowledge, fresh: Knowledge) -> bool:
    """Whether the known needs go as far as those of a service that begins now: one that may grow further does not."""
    return bool(known.forecast.standing.grid[-1] >= fresh.forecast.standing.grid[-1])
