"""The staircase that llm-d publishes for its SLO law, at its own bounds, with that law's port and raytide side by side.

2, 4, 6, 8, 10, 4, 1 requests/s for 330, 5 × 360 and 300 s; 3 to 8 replicas of Qwen3-32B on two H100; TTFT 3 s, TPOT
100 ms. Published for that law: 95.8 % attainment with 5.93 replicas on average (llm-d, guides/workload-autoscaling).
The lengths are not published, so they are an assumption here: 4,096 prompt and 512 output tokens, for which eight
replicas attain everything, as published, and the port needs about as many replicas as the law did.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from reference_case import reference_terms

from raytide.autoscaling.decision import Policy
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.simulate.baselines import PEERS
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.workloads import staircase
from raytide.autoscaling.terms import Objective, Terms

LEVELS = [(2.0, 330.0), *((rate, 360.0) for rate in (4.0, 6.0, 8.0, 10.0, 4.0)), (1.0, 300.0)]
PROMPT_TOKENS, OUTPUT_TOKENS = 4096, 512
SEEDS = range(5)


def main() -> None:
    """Attainment and mean replicas of the first and of the second lap, for each policy and seed."""
    print("policy     seed  first lap        second lap")
    for name, policy in (("llmd-slo", PEERS["llmd-slo"]()[0]), ("raytide", Raytide())):
        for seed in SEEDS:
            laps = [f"{s.attainment:7.2%} {s.mean_replicas:5.2f}" for s in _laps(policy, seed)]
            print(f"{name:10} {seed:4}  {'   '.join(laps)}")


def _laps(policy: Policy, seed: int) -> tuple[Score, Score]:
    drawn = staircase(LEVELS, lengths_from=None, seed=seed)
    num = len(drawn)
    trace = replace(drawn, prompt_tokens=np.full(num, PROMPT_TOKENS), output_tokens=np.full(num, OUTPUT_TOKENS))
    played = play(trace, policy, _terms(), Conditions(cold_start_s=120.0, initial_replicas=3))
    return score(played, _terms(), 0), score(played, _terms(), 1)


def _terms() -> Terms:
    objective = Objective(ttft_s=3.0, tpot_s=0.1, attainment=0.99)
    return replace(reference_terms(), objective=objective, min_replicas=3, max_replicas=8)


if __name__ == "__main__":
    main()
