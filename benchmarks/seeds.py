"""The default policy beside the best constant fleet over seeds: python benchmarks/seeds.py DATA [COLD_START_S].

Attainment and mean replicas of the second lap; the constant fleet is chosen in hindsight for each seed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from raytide.autoscaling.decision import Policy
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.simulate.baselines.static import Static
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.service import terms_of
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import development
from raytide.autoscaling.terms import Terms
from raytide.core import catalog
from raytide.core.spec import Service, read_as

NAMES = ("azure-conv-x8", "azure-code-x8", "llm-d-staircase-x5", "servegen-mild-1", "servegen-mild-4")
SEEDS = range(5)


def main() -> None:
    """One line for each workload and seed."""
    data, cold_start_s = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
    terms, conditions = _terms(cold_start_s), Conditions(cold_start_s=cold_start_s)
    for name in NAMES:
        for seed in SEEDS:
            trace = development(data, seed, only=(name,))[name]
            ours = _scored(trace, Raytide(), terms, conditions)
            best = _constant(trace, terms, conditions)
            print(
                f"{name:20} seed {seed}  raytide {ours.attainment:7.2%} {ours.mean_replicas:6.2f}  "
                f"constant {best.attainment:7.2%} {best.mean_replicas:6.2f}  {ours.flaps} flaps",
                flush=True,
            )


def _constant(trace: Trace, terms: Terms, conditions: Conditions) -> Score:
    for num in range(1, terms.max_replicas):
        once = replace(conditions, num_laps=1, initial_replicas=num)
        found = _scored(trace, Static(num_replicas=num), terms, once)
        if found.attainment >= terms.objective.attainment:
            return found
    return found


def _scored(trace: Trace, policy: Policy, terms: Terms, conditions: Conditions) -> Score:
    return score(play(trace, policy, terms, conditions), terms)


def _terms(cold_start_s: float) -> Terms:
    terms = terms_of(read_as(Service, Path(__file__).with_name("qwen3-32b.yaml")), catalog.load())
    return replace(terms, variants=tuple(replace(v, cold_start_s=cold_start_s) for v in terms.variants))


if __name__ == "__main__":
    main()
