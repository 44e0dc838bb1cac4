"""Reports as demand: what arrived, second by second, and what finished, since the observation before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from raytide.autoscaling.latency import Latencies
from raytide.autoscaling.live.by_class import added, by_class_of
from raytide.autoscaling.live.counted import NOBODY, ByClass
from raytide.autoscaling.live.reports import Arrivals, ReplicaReport, RequestSample
from raytide.autoscaling.observation import Demand, Finished
from raytide.autoscaling.terms import Objective, Terms

T = TypeVar("T")
FORGOTTEN_AFTER_S: Final = 600
"""What gateways said so long ago is of no demand that will ever be observed."""
REPORTED_AFTER_S: Final = 2.0
"""A second counts as over once every replica has had the time to report it: one interval, and its way to the brain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unobserved:
    """Arrivals that no observation had yet."""

    since_s: int = 0
    """The first second that no observation covered."""
    arrivals: Mapping[int, Arrivals] = field(default_factory=dict)
    """At the engines, by the second."""
    classes: Mapping[int, ByClass] = field(default_factory=dict)
    """At the gateways, by the second in which they said so; seconds in which none spoke are left out."""

    def resumed(self, reports: Sequence[ReplicaReport]) -> Unobserved:
        """Going on where these reports begin: what came while nobody could report is not known, and not calm.

        Except for requests that waited at a gateway: from the first of them on all is known.
        """
        begins = [min([int(report.since_s), *report.arrivals]) for report in reports]
        since_s = max(self.since_s, min(begins, default=self.since_s))
        late = _late_first(self.arrivals, since_s)
        return Unobserved(since_s=since_s, arrivals=late, classes=_from(since_s, self.classes))

    def with_reports(self, reports: Sequence[ReplicaReport]) -> Unobserved:
        """With the arrivals of these reports."""
        arrivals = dict(self.arrivals)
        for report in reports:
            for second, arrived in report.arrivals.items():
                arrivals[second] = arrivals.get(second, Arrivals()) + arrived
        return replace(self, arrivals=_late_first(arrivals, self.since_s))

    def with_classes(self, second: int, told: ByClass) -> Unobserved:
        """With what came at a gateway, of which it spoke in this second."""
        spoken = _from(second - FORGOTTEN_AFTER_S, self.classes)
        return replace(self, classes={**spoken, second: added((spoken.get(second, {}), told))})

    def arrived(self, second: int) -> Arrivals:
        """At the engines, and those that were turned away before."""
        lost = sum(self.classes.get(second, {}).values(), NOBODY)
        turned_away = Arrivals(num=lost.num_shed, prompt_tokens=lost.shed_prompt_tokens)
        return self.arrivals.get(second, Arrivals()) + turned_away

    def after(self, until_s: int) -> Unobserved:
        """What is left once everything before `until_s` was observed."""
        return Unobserved(since_s=until_s, arrivals=_from(until_s, self.arrivals), classes=_from(until_s, self.classes))


def _from(since_s: int, by_second: Mapping[int, T]) -> dict[int, T]:
    return {second: each for second, each in by_second.items() if second >= since_s}


def _late_first(arrivals: Mapping[int, Arrivals], since_s: int) -> Mapping[int, Arrivals]:
    """Arrivals of seconds that are over count in the first one that is not: late, and not lost."""
    kept: dict[int, Arrivals] = {}
    for second, arrived in arrivals.items():
        at = max(second, since_s)
        kept[at] = kept.get(at, Arrivals()) + arrived
    return kept


def demand_of(
    unobserved: Unobserved,
    reports: Sequence[ReplicaReport],
    terms: Terms,
    now_s: float,
    *,
    is_asleep: bool = False,
) -> tuple[Demand, Unobserved]:
    """The demand since the observation before, with these new reports, and what is left for the next one.

    Only whole seconds that every replica could report are in it, and none after the newest report: where nobody
    reports, time stands still and is not calm. A service that is asleep has nobody to report, and is calm.
    """
    pending = unobserved.with_reports(reports)
    newest_s = max((report.at_s for report in reports), default=now_s if is_asleep else float(pending.since_s))
    until_s = max(pending.since_s, int(min(now_s - REPORTED_AFTER_S, newest_s)))
    span = range(pending.since_s, until_s)
    seconds = [pending.arrived(second) for second in span]
    samples = [sample for report in reports for sample in report.finished]
    demand = Demand(
        span_s=float(len(seconds)),
        arrivals=np.array([arrived.num for arrived in seconds], dtype=np.int64),
        arrived_prompt_tokens=np.array([arrived.prompt_tokens for arrived in seconds], dtype=np.int64),
        finished=finished_of(samples, sum(report.errors for report in reports), terms.objective),
        ttft=Latencies.of(ttft_s for report in reports for ttft_s in report.first_tokens_s),
        tpot=Latencies.of(sample.tpot_s for sample in samples if sample.output_tokens > 1),
        by_class=by_class_of([pending.classes[second] for second in span if second in pending.classes], terms.classes),
    )
    return demand, pending.after(until_s)


def finished_of(samples: Sequence[RequestSample], errors: int, objective: Objective) -> Finished:
    """The sums over these requests."""
    missed = Counter((sample.ttft_s > objective.ttft_s, sample.tpot_s > objective.tpot_s) for sample in samples)
    return Finished(
        num=len(samples),
        attained=missed[False, False],
        missed_ttft=missed[True, False] + missed[True, True],
        missed_tpot=missed[False, True] + missed[True, True],
        errors=errors,
        prompt_tokens=float(sum(sample.prompt_tokens for sample in samples)),
        cached_tokens=float(sum(sample.cached_tokens for sample in samples)),
        output_tokens=float(sum(sample.output_tokens for sample in samples)),
        prompt_tokens_squared=float(sum(sample.prompt_tokens**2 for sample in samples)),
        output_tokens_squared=float(sum(sample.output_tokens**2 for sample in samples)),
        kv_token_steps=sum(s.output_tokens * (s.prompt_tokens + s.output_tokens / 2) for s in samples),
    )
