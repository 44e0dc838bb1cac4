"""How rollouts end for revisions of known badness: `python benchmarks/rollout_power.py [ROLLOUTS]`, about a minute.

Requests are independent; the stable revision fails 0.1 % and misses either objective in 0.5 %; the canary differs in
one of these. Evidence is looked at every five seconds. "seen" is the canary's share of all requests until the end.
"""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import Evidence, Tally
from raytide.autoscaling.rollout.gate import Gate
from raytide.autoscaling.rollout.rollout import Canary, Phase, Rollout, advance, begin
from raytide.autoscaling.rollout.split import Split

EVERY_S = 5.0
DECLARED = Canary(gate=Gate(quality=None))
UNSCORED = Missing(reason="not evaluated")
STABLE = (0.001, 0.005, 0.005)
CASES = {
    "as good": STABLE,
    "every request fails": (1.0, 0.0, 0.0),
    "20 % fail": (0.2, 0.005, 0.005),
    "10 % fail": (0.1, 0.005, 0.005),
    "3 % fail": (0.03, 0.005, 0.005),
    "every TTFT missed": (0.001, 1.0, 0.005),
    "20 % of TPOT missed": (0.001, 0.005, 0.2),
}


def played(shares: tuple[float, float, float], rate: float, seed: int) -> tuple[Rollout, float, int, float]:
    """The end, its time, the requests that the canary saw, and their share of all."""
    random, rollout, now_s = np.random.default_rng(seed), begin("new", "old", 0.0), 0.0
    own, other, split = np.zeros(4, dtype=int), np.zeros(4, dtype=int), Split()
    while not rollout.is_over:
        num = int(random.poisson(rate * EVERY_S))
        to_canary, split = split.after(num, rollout.weight(DECLARED))
        own += counted(random, to_canary, shares)
        other += counted(random, num - to_canary, STABLE)
        now_s += EVERY_S
        seen = Evidence(
            canary=tally(own),
            stable=tally(other),
            canary_quality=UNSCORED,
            stable_quality=UNSCORED,
            canary_ready=1,
            stable_ready=1,
            most=1,
        )
        rollout = advance(rollout, DECLARED, seen, now_s)
    return rollout, now_s, int(own[0]), own[0] / (own[0] + other[0])


def counted(random: np.random.Generator, num: int, shares: tuple[float, float, float]) -> NDArray[np.int64]:
    """Requests, failed ones, and those that missed TTFT and TPOT."""
    failed = random.binomial(num, shares[0])
    return np.array([num, failed, *(random.binomial(num - failed, share) for share in shares[1:])])


def tally(counts: NDArray[np.int64]) -> Tally:
    """The counts by name."""
    num, failed, missed_ttft, missed_tpot = counts.tolist()
    return Tally(num=num, failed=failed, missed_ttft=missed_ttft, missed_tpot=missed_tpot)


def main() -> None:
    """Prints the table."""
    num = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print("| the canary | requests/s | ends | at step | after | requests that it saw | share seen, worst |")
    print("|---|---|---|---|---|---|---|")
    for name, shares in CASES.items():
        for rate in (10.0, 50.0):
            runs = [played(shares, rate, seed) for seed in range(num)]
            ends = Counter(run[0].phase for run in runs)
            said = ", ".join(f"{count} {phase}" for phase, count in ends.items())
            steps = sorted({f"{DECLARED.steps[run[0].step]:.0%}" for run in runs if run[0].phase is not Phase.PROMOTED})
            after, saw, worst = median(r[1] for r in runs), median(r[2] for r in runs), max(r[3] for r in runs)
            print(f"| {name} | {rate:g} | {said} | {' '.join(steps)} | {after:.0f} s | {saw:.0f} | {worst:.2%} |")


if __name__ == "__main__":
    main()
