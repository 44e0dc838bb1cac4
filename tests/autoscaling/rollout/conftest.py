"""`play`: a whole rollout of two revisions with known shares of failures and misses, at a rate of requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.evidence import Evidence, Tally
from raytide.autoscaling.rollout.rollout import Canary, Rollout, advance, begin
from raytide.autoscaling.rollout.split import Split

UNSCORED = Missing(reason="not evaluated")


@dataclass(frozen=True)
class Shares:
    failed: float = 0.001
    missed_ttft: float = 0.003
    missed_tpot: float = 0.003


@dataclass(frozen=True)
class Played:
    end: Rollout
    weights: tuple[float, ...]
    seen_by_canary: int
    requests: int
    took_s: float

    @property
    def share_seen(self) -> float:
        return self.seen_by_canary / self.requests


def counted(random: np.random.Generator, num: int, shares: Shares) -> Tally:
    failed = int(random.binomial(num, shares.failed))
    missed = [int(random.binomial(num - failed, share)) for share in (shares.missed_ttft, shares.missed_tpot)]
    return Tally(num=num, failed=failed, missed_ttft=missed[0], missed_tpot=missed[1])


@pytest.fixture(scope="session")
def play() -> Callable[..., Played]:
    def run(
        declared: Canary,
        canary: Shares,
        *,
        rate: float = 50.0,
        seed: int = 0,
        every_s: float = 30.0,
        ready: bool = True,
    ) -> Played:
        random, rollout, now_s = np.random.default_rng(seed), begin("new", "old", 0.0), 0.0
        own, other, split, weights = Tally(), Tally(), Split(), [0.0]
        while not rollout.is_over:
            num = int(random.poisson(rate * every_s))
            to_canary, split = split.after(num, rollout.weight(declared))
            own += counted(random, to_canary, canary)
            other += counted(random, num - to_canary, Shares())
            now_s += every_s
            seen = Evidence(
                canary=own,
                stable=other,
                canary_quality=UNSCORED,
                stable_quality=UNSCORED,
                canary_ready=int(ready),
                stable_ready=1,
                most=1,
            )
            rollout = advance(rollout, declared, seen, now_s)
            weights.append(rollout.weight(declared))
        return Played(rollout, tuple(weights), own.num, own.num + other.num, now_s)

    return run


@pytest.fixture(scope="session")
def shares() -> type[Shares]:
    return Shares
