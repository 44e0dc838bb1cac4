"""Jumps that nothing announces: what standing headroom buys, beside the clairvoyant and the causal oracle.

python benchmarks/jumps.py DATA [COLD_START_S]. A step to five times the load for five minutes, and the eight hours
around the jump of ServeGen's burst day; the policy has seen each once before, and its first lap is shown too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from reference_case import reference_terms

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.oracle.causal import causal
from raytide.autoscaling.simulate.oracle.clairvoyant import clairvoyant
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import development, slice_s
from raytide.autoscaling.terms import Terms

HEADROOMS = (0, 1, 2, 4)
BUDGET_SHARES = (0.3, 0.6)


def main() -> None:
    """The curve of standing headroom and both oracles for each load."""
    data, cold_start_s = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
    loads = development(data, only=("step-5x", "servegen-burst-day"))
    burst = loads["servegen-burst-day"]
    peak_s = _peak_s(burst)
    start_s = min(max(0.0, peak_s - 5 * 3600), burst.span_s - 8 * 3600)
    for trace in (loads["step-5x"], slice_s(burst, start_s, start_s + 8 * 3600)):
        _report(trace, reference_terms(cold_start_s), Conditions(cold_start_s=cold_start_s))


def _report(trace: Trace, terms: Terms, conditions: Conditions) -> None:
    print(f"\n{trace.name}: {len(trace):,} requests, cold start {conditions.cold_start_s:g} s")
    plan = clairvoyant(trace, terms, conditions).score
    print(f"  clairvoyant   {plan.attainment:7.2%}  ${plan.cost_usd:8.2f}  {plan.mean_replicas:5.2f} replicas")
    found = causal(trace, terms, conditions, [lambda n, b=b: _raytide(n, b) for b in BUDGET_SHARES], HEADROOMS)
    if isinstance(found, Missing):
        print(f"  causal        {found.reason}")
    else:
        s = found.score
        print(f"  causal        {s.attainment:7.2%}  ${s.cost_usd:8.2f}  {s.mean_replicas:5.2f} replicas")
    for replicas in HEADROOMS:
        played = play(trace, _raytide(replicas), terms, conditions)
        for lap, name in ((0, "first lap"), (1, "second lap")):
            s = score(played, terms, lap)
            print(
                f"  +{replicas:<2} {name:10} {s.attainment:7.2%}  ${s.cost_usd:8.2f}  {s.mean_replicas:5.2f} replicas, "
                f"recovered within {s.recovery_s:.0f} s"
            )


def _raytide(headroom: int, budget_share: float = Settings().budget_share) -> Raytide:
    return Raytide(settings=Settings(headroom_replicas=headroom, budget_share=budget_share))


def _peak_s(trace: Trace) -> float:
    """The start of the ten minutes with the most requests."""
    return 600.0 * float(np.bincount((trace.arrival_s / 600.0).astype(np.int64)).argmax())


if __name__ == "__main__":
    main()
