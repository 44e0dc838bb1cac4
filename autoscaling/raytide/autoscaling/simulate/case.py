"""A case: one trace, one declaration, one set of conditions; whoever is compared on it plays exactly this."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from raytide.autoscaling.simulate.baselines.static import Static
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import slice_s
from raytide.autoscaling.terms import Terms

_WARM_UP_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """What a policy is played on."""

    trace: Trace
    terms: Terms
    conditions: Conditions

    @property
    def cold_start_s(self) -> float:
        """Of the first variant."""
        own_s = self.terms.variants[0].cold_start_s
        return own_s if self.conditions.cold_start_s is None else self.conditions.cold_start_s


def constant(num_replicas: int, trace: Trace, name: str = "static") -> Static:
    """A fleet of one size, whose first decision comes within the trace."""
    return Static(num_replicas=num_replicas, name=name, interval_s=min(60.0, trace.span_s))


def smallest_static(case: Case) -> int:
    """The smallest fleet of the first variant that keeps the objective all the time, known only in hindsight.

    Found by bisection: more replicas never attain less. The largest allowed where none keeps it.
    """
    low, high = max(1, case.terms.min_replicas), case.terms.max_replicas
    while low < high:
        middle = (low + high) // 2
        if _static_attains(case, middle):
            high = middle
        else:
            low = middle + 1
    return low


def warm_up(case: Case) -> None:
    """Play the first requests once, so that compiling the simulator's loop is not part of what is timed."""
    trace = case.trace
    first_s = float(trace.arrival_s[0])
    part = slice_s(trace, first_s, first_s + _WARM_UP_S)
    play(part, Static(num_replicas=1, interval_s=1.0), case.terms, replace(case.conditions, num_laps=1))


def _static_attains(case: Case, num_replicas: int) -> bool:
    conditions = replace(case.conditions, num_laps=1, initial_replicas=num_replicas)
    played = play(case.trace, constant(num_replicas, case.trace), case.terms, conditions)
    return score(played, case.terms).attainment >= case.terms.objective.attainment
