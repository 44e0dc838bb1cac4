"""What a service had to serve lately, and how fast its engines are: what a prediction for another size starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from raytide.autoscaling.explain.moment import moment, observed
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Finished, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.workload import Workload, from_finished
from raytide.autoscaling.policy.supply import engine_of

SPAN_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recent:
    """The last ten minutes of a journal."""

    until_s: float
    workload: Workload | Missing
    engines: Mapping[str, Engine]
    """By variant, as measured and calibrated; those of which nothing is known are left out."""


def recent(lines: Sequence[str], span_s: float = SPAN_S) -> Recent | Missing:
    """The time before the last decision of a journal; missing where it has none.

    Raises:
        JournalUnreadable: a line of that time says nothing.
    """
    last = moment(lines)
    if isinstance(last, Missing):
        return last
    entry, at_s = last.entry, last.entry.decision.at_s
    found = {
        view.name: engine_of(entry.terms.variant(view.name), view, last.known) for view in entry.observation.variants
    }
    return Recent(
        until_s=at_s,
        workload=_workload(observed(lines, at_s - span_s)),
        engines={name: engine for name, engine in found.items() if not isinstance(engine, Missing)},
    )


def _workload(seen: Sequence[Observation]) -> Workload | Missing:
    demands = [one.demand for one in seen if isinstance(one.demand, Demand)]
    span_s = sum(demand.span_s for demand in demands)
    num = sum(demand.num_arrivals for demand in demands)
    if not num or not span_s:
        return Missing(reason="no request came in the last ten minutes of its journal")
    return from_finished(_together([demand.finished for demand in demands]), requests_per_s=num / span_s)


def _together(finished: Sequence[Finished]) -> Finished:
    return Finished(**{one.name: sum(getattr(each, one.name) for each in finished) for one in fields(Finished)})
