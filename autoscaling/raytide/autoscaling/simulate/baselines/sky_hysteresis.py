"""How SkyServe turns requests per second into a number of replicas.

Source: skypilot-org/skypilot, sky/serve/autoscalers.py (RequestRateAutoscaler) and constants.py, each 20 s:

    desired = ⌈(requests of the last 60 s)/60/target⌉, within the bounds
    up     after 15 ticks in a row (300 s) that want more; at once from 0
    down   after 60 ticks in a row (1200 s) that want fewer

Requests that were not reported were not counted: the product's window only ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms

TICK_S: Final = 20.0
QPS_WINDOW_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the autoscaler remembers."""

    replicas: int
    requests: Window
    num_up: int = 0
    """Ticks in a row that wanted more."""
    num_down: int = 0
    """Ticks in a row that wanted fewer."""

    @property
    def qps(self) -> float:
        """Requests per second of the window."""
        return self.requests.total / self.requests.length_s


def begin(replicas: int) -> Wanted:
    """A start beside this many replicas."""
    return Wanted(replicas=replicas, requests=Window(length_s=QPS_WINDOW_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hysteresis:
    """The target of a replica, and the delays."""

    target_qps: float
    upscale_delay_s: float
    downscale_delay_s: float

    def next(self, wanted: Wanted, demand: Demand | Missing, terms: Terms, now_s: float) -> Wanted:
        """What is wanted now."""
        requests = (
            wanted.requests.at(now_s)
            if isinstance(demand, Missing)
            else wanted.requests.add(now_s, float(demand.num_arrivals))
        )
        asked = ceil(requests.total / requests.length_s / self.target_qps)
        return self._count(wanted, requests, max(terms.min_replicas, min(terms.max_replicas, asked)))

    def _count(self, wanted: Wanted, requests: Window, asked: int) -> Wanted:
        if asked == wanted.replicas:
            return Wanted(replicas=asked, requests=requests)
        num_up, num_down = (wanted.num_up + 1, 0) if asked > wanted.replicas else (0, wanted.num_down + 1)
        enough = num_up >= self.upscale_delay_s // TICK_S if num_up else num_down >= self.downscale_delay_s // TICK_S
        if enough or not wanted.replicas:
            return Wanted(replicas=asked, requests=requests)
        return Wanted(replicas=wanted.replicas, requests=requests, num_up=num_up, num_down=num_down)
