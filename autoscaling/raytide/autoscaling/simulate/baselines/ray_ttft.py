"""Ray Serve's TTFT policy: one replica more while the P99 of TTFT is above its target.

Source: ray-project/ray, python/ray/serve/llm/autoscaling.py of pull request 64725 (a query over a rate window of 1 min,
fetched each 5 s), on top of `serve_delay`. With n replicas wanted and r running:

    P99(TTFT) > target:        n + 1
    else, requests/r < 1:      n − 1
    no request in the window:  n

Simplified: a decision each 10 s; the target is a share of the service's TTFT bound, where the policy has 2 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.serve_delay import Delays, Since
from raytide.autoscaling.simulate.baselines.signals import InFlight, in_flight
from raytide.autoscaling.terms import Terms

RATE_WINDOW_S = 60.0
QUANTILE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spans:
    """What the policy remembers."""

    counts: tuple[tuple[float, NDArray[np.int64]], ...] = ()
    """(at_s, TTFT counts per bin), of the rate window."""
    since: Since | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RayTtft:
    """P99 of TTFT."""

    share_of_bound: float = 1.0
    idle_threshold: float = 1.0
    """Requests per replica below which one is given back."""
    upscale_delay_s: float = 30.0
    downscale_delay_s: float = 600.0
    name: str = "ray-ttft"
    interval_s: float = 10.0

    def begin(self, observation: Observation, terms: Terms) -> Spans:
        """An empty window."""
        return Spans()

    def decide(self, observation: Observation, terms: Terms, state: Spans, now_s: float) -> Decision:
        """One more, one fewer or the same number, after the delay."""
        counts, requests, view = (
            _window(state, observation.demand, now_s),
            in_flight(observation),
            observation.variants[0],
        )
        ttft_s = _quantile(counts)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, Spans(counts=counts, since=state.since), now_s)
        desired = view.target + self._step(ttft_s, requests, view.num_ready, terms)
        delays = Delays(up_s=self.upscale_delay_s, down_s=self.downscale_delay_s)
        awake = delays.from_zero(view, requests.total)
        target, since = (awake, state.since) if awake is not None else delays.apply(view, desired, state.since, now_s)
        reason = self._reason(ttft_s, desired, requests, terms)
        return sized(observation, terms, target, (reason,), Spans(counts=counts, since=since), now_s)

    def _step(self, ttft_s: float | Missing, requests: InFlight, running: int, terms: Terms) -> int:
        if isinstance(ttft_s, Missing):
            return 0
        if ttft_s > self.share_of_bound * terms.objective.ttft_s:
            return 1
        per_replica = requests.total / running if running else 0.0
        return -1 if per_replica < self.idle_threshold else 0

    def _reason(self, ttft_s: float | Missing, desired: int, requests: InFlight, terms: Terms) -> Reason:
        target_s = self.share_of_bound * terms.objective.ttft_s
        facts = {"target_s": target_s, "in_flight": requests.total, "desired": desired}
        if isinstance(ttft_s, Missing):
            return Reason(rule=Rule.HELD, says="no first token in the last minute", facts=facts)
        says = f"TTFT P99 {ttft_s:.2f} s, {target_s:.2f} s wanted: {desired}"
        return Reason(rule=Rule.OBJECTIVE, says=says, facts={**facts, "ttft_s": ttft_s})


def _window(state: Spans, demand: Demand | Missing, now_s: float) -> tuple[tuple[float, NDArray[np.int64]], ...]:
    kept = tuple(span for span in state.counts if span[0] > now_s - RATE_WINDOW_S)
    return kept if isinstance(demand, Missing) else (*kept, (now_s, demand.ttft.counts))


def _quantile(spans: tuple[tuple[float, NDArray[np.int64]], ...]) -> float | Missing:
    if not spans:
        return Missing(reason="no demand was reported in the last minute")
    return Latencies(counts=np.add.reduce([counts for _, counts in spans])).quantile(QUANTILE)


def settings() -> tuple[RayTtft, ...]:
    """The share of the TTFT bound, and when a replica counts as idle."""
    return grid(RayTtft(), share_of_bound=(1.0, 0.5, 0.25, 0.125), idle_threshold=(1.0, 4.0, 16.0))
