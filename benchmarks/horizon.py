"""What a rolling horizon over variants is worth: `python benchmarks/horizon.py [--seeds 3]`.

The same policy, traces and seeds twice: once it plans over the cold starts and the minimum billing of each variant, and
once every variant is as slow as the slowest to it, so that it chooses the cheapest mix for one moment: when all that is
ordered now is ready. Made loads with ramps and jumps; a replica bears about 12 requests per second.

What the bridge does itself is in the first lap. In the second lap most of what is saved follows from it: a fleet that a
first ramp has overrun holds its replicas for weaker than they are, and stays larger for hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raytide.autoscaling.decision import Decision, Policy
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.simulate.conditions import NO_FAULTS, Conditions, Faults, Span, Stockout
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import from_rates
from raytide.autoscaling.terms import Objective, Terms, Variant

ENGINE = Engine(
    iteration=Iteration(base_s=13.5e-3, per_sequence_s=30e-6, per_kv_token_s=79e-9, per_prefill_token_s=50e-6),
    kv_capacity_tokens=270_000,
)
CHEAP = Variant(name="cheap", engine=ENGINE, usd_per_hour=4.0, cold_start_s=600.0)
FAST = Variant(name="fast", engine=ENGINE, usd_per_hour=8.0, cold_start_s=60.0)
BILLED = Variant(name="billed", engine=ENGINE, usd_per_hour=5.0, cold_start_s=90.0, min_billing_s=3600.0)
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOneMoment:
    """The policy while it knows of no difference in cold starts, and of no minimum billing."""

    policy: Raytide = field(default_factory=Raytide)
    name: str = "one moment"
    interval_s: float = 5.0

    def begin(self, observation: Observation, terms: Terms) -> Any:
        """The state of the policy itself."""
        return self.policy.begin(observation, terms)

    def decide(self, observation: Observation, terms: Terms, state: Any, now_s: float) -> Decision:
        """What the policy decides if every start takes as long as the slowest."""
        slowest_s = max(variant.cold_start_s for variant in terms.variants)
        alike = tuple(replace(variant, cold_start_s=slowest_s, min_billing_s=0.0) for variant in terms.variants)
        views = tuple(replace(view, became_ready_after_s=()) for view in observation.variants)
        return self.policy.decide(replace(observation, variants=views), replace(terms, variants=alike), state, now_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One service under one load."""

    name: str
    variants: tuple[Variant, ...]
    rates: np.ndarray
    faults: Faults = NO_FAULTS


def main() -> None:
    """One line for each case and policy, over all seeds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    num_seeds = arguments.parse_args().seeds
    print(f"mean of {num_seeds} seeds; attainment wanted 99 %")
    for case in _cases():
        for policy in (AtOneMoment(), Raytide(name="rolling")):
            laps = zip(*(_scores(case, policy, seed) for seed in range(num_seeds)), strict=True)
            for name, scores in zip(("first lap", "second lap"), laps, strict=True):
                print(f"{case.name:24} {policy.name:11} {name:10} {_said(scores)}", flush=True)


def _cases() -> Iterator[Case]:
    ramps, jumps, pulses = _ramps(), _jumps(), _pulses()
    none = Stockout(
        variant="cheap", span=Span(start_s=MINUTE_S * (len(ramps) + 15), end_s=MINUTE_S * (len(ramps) + 75))
    )
    yield Case(name="ramps", variants=(CHEAP, FAST), rates=ramps)
    yield Case(name="ramps, no cheap for 1 h", variants=(CHEAP, FAST), rates=ramps, faults=Faults(stockouts=(none,)))
    yield Case(name="jumps", variants=(CHEAP, FAST), rates=jumps)
    yield Case(name="pulses", variants=(CHEAP, FAST), rates=pulses)
    yield Case(name="pulses, billed by hours", variants=(BILLED, FAST), rates=pulses)
    yield Case(name="ramps, three variants", variants=(CHEAP, FAST, BILLED), rates=ramps)


def _ramps() -> np.ndarray:
    """Requests per second by the minute: up fivefold within ten minutes, and back."""
    return np.interp(np.arange(110), [0, 20, 30, 60, 70, 80, 90, 100, 110], [20, 20, 100, 100, 30, 30, 80, 80, 20])


def _jumps() -> np.ndarray:
    """Steps that nothing announces, each for half an hour or so."""
    return np.repeat([20.0, 70.0, 30.0, 90.0], [30, 30, 25, 25])


def _pulses() -> np.ndarray:
    """A level with eight minutes of twice as much every 37 minutes."""
    return np.where(np.arange(111) % 37 < 8, 90.0, 45.0)


def _scores(case: Case, policy: Policy, seed: int) -> tuple[Score, Score]:
    """Of the first lap, in which every ramp is a surprise, and of the second."""
    objective = Objective(ttft_s=2.0, tpot_s=0.1, attainment=0.99)
    terms = Terms(objective=objective, variants=case.variants, min_replicas=1, max_replicas=40)
    trace: Trace = from_rates(MINUTE_S, case.rates, lengths=None, seed=seed)
    played = play(trace, policy, terms, Conditions(faults=case.faults, seed=seed))
    return score(played, terms, 0), score(played, terms, 1)


def _said(scores: Sequence[Score]) -> str:
    attained = [one.attainment for one in scores]
    return (
        f"attained {np.mean(attained):7.2%} (least {min(attained):7.2%})  "
        f"${np.mean([one.cost_usd for one in scores]):7.2f}  "
        f"{np.mean([one.mean_replicas for one in scores]):5.2f} replicas  "
        f"{np.mean([one.changes for one in scores]):5.1f} changes  {np.mean([one.flaps for one in scores]):4.1f} flaps"
    )


if __name__ == "__main__":
    main()
