"""The default policy beside the best constant fleet and the clairvoyant plan, over seeds.

    python benchmarks/seeds.py DATA [--cold-start 120] [--seeds 5] [--only azure-code-x8]

Of the second lap: attainment and cost, what the constant fleet chosen in hindsight for the same seed costs and what the
plan does, and how often each turns round within ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Final

from reference_case import reference_terms

from raytide.autoscaling.decision import Policy
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.simulate.baselines.static import Static
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.oracle.clairvoyant import clairvoyant
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import development
from raytide.autoscaling.terms import Terms

NAMES: Final = ("azure-conv-x8", "azure-code-x8", "llm-d-staircase-x5", "servegen-mild-1", "servegen-mild-4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One seed: the policy, the constant fleet and the plan."""

    ours: Score
    constant: Score
    plan: Score

    @property
    def over_constant(self) -> float:
        """Cost over that of the constant fleet."""
        return self.ours.cost_usd / self.constant.cost_usd

    @property
    def over_plan(self) -> float:
        """Cost over that of the plan."""
        return self.ours.cost_usd / self.plan.cost_usd


def main() -> None:
    """One line for each workload and seed, and one for each workload."""
    args = _arguments()
    terms, conditions = reference_terms(args.cold_start), Conditions(cold_start_s=args.cold_start)
    for name in args.only or NAMES:
        found = [
            _told(name, seed, _beside(development(args.data, seed, only=(name,))[name], terms, conditions))
            for seed in range(args.seeds)
        ]
        print(f"{name:20} {_summary(found)}", flush=True)


def _beside(trace: Trace, terms: Terms, conditions: Conditions) -> Beside:
    return Beside(
        ours=_scored(trace, Raytide(), terms, conditions),
        constant=_constant(trace, terms, conditions),
        plan=clairvoyant(trace, terms, conditions).score,
    )


def _told(name: str, seed: int, found: Beside) -> Beside:
    print(
        f"{name:20} seed {seed}  raytide {found.ours.attainment:7.2%} ${found.ours.cost_usd:7.2f}  "
        f"constant {found.constant.attainment:7.2%} ${found.constant.cost_usd:7.2f}  "
        f"plan {found.plan.attainment:7.2%} ${found.plan.cost_usd:7.2f}  "
        f"flaps {found.ours.flaps}, of the plan {found.plan.flaps}",
        flush=True,
    )
    return found


def _summary(found: Sequence[Beside]) -> str:
    attained = [each.ours.attainment for each in found]
    return (
        f"mean {sum(attained) / len(found):7.2%}, least {min(attained):7.2%}; "
        f"{geometric_mean([each.over_constant for each in found]):.3f} times the constant fleet, "
        f"{geometric_mean([each.over_plan for each in found]):.3f} times the plan; "
        f"flaps {sum(each.ours.flaps for each in found)}, of the plan {sum(each.plan.flaps for each in found)}"
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cold-start", type=float, default=120.0, metavar="S")
    parser.add_argument("--seeds", type=int, default=5, metavar="N")
    parser.add_argument("--only", nargs="*", choices=NAMES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
