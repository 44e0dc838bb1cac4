"""The result of one policy on one case: the row that commands print and write."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle
from raytide.autoscaling.simulate.oracle.fluid import fluid
from raytide.autoscaling.simulate.policies import Entrant
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.score import Score, score

Clock = Callable[[], float]
"""Seconds that only differences are taken of; the command line passes the machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a case could cost."""

    fluid_cost_usd: float | Missing
    """No plan costs less."""
    cost_usd: float | Missing
    """Of the clairvoyant plan for one lap."""
    attainment: float | Missing
    """Of that plan; below the objective where no fleet within the bounds keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A policy's score on a case, beside what could have been reached."""

    policy: str
    trace: str
    cold_start_s: float
    seed: int
    score: Score
    """Of the last lap."""
    cold: Score
    """Of the first lap, in which the controller knows nothing yet."""
    reference: Reference
    wall_s: float
    """Of the whole run, all laps."""

    @property
    def cost_over_oracle(self) -> float | Missing:
        """How many times the clairvoyant plan's cost."""
        oracle_usd = self.reference.cost_usd
        if isinstance(oracle_usd, Missing):
            return oracle_usd
        return self.score.cost_usd / oracle_usd if oracle_usd > 0 else Missing(reason="the oracle's plan costs nothing")

    def to_json(self) -> dict[str, Any]:
        """Plain data with the keys of a league row; what is not known is null."""
        return {
            "policy": self.policy,
            "trace": self.trace,
            "cold_start_s": self.cold_start_s,
            "seed": self.seed,
            **self.score.to_json(),
            "oracle_cost_usd": plain(self.reference.cost_usd),
            "cost_over_oracle": plain(self.cost_over_oracle),
            "wall_s": self.wall_s,
            "cold": self.cold.to_json(),
            "fluid_cost_usd": plain(self.reference.fluid_cost_usd),
            "oracle_attainment": plain(self.reference.attainment),
        }


def played_by(entrant: Entrant, clock: Clock) -> tuple[Played, float]:
    """The run of an entrant, and the seconds that it took by this clock."""
    case, began_s = entrant.case, clock()
    played = play(case.trace, entrant.policy, case.terms, case.conditions)
    return played, clock() - began_s


def result_of(name: str, entrant: Entrant, played: Played, reference: Reference, wall_s: float) -> Result:
    """The result of a run that was played under this name."""
    case = entrant.case
    return Result(
        policy=name,
        trace=case.trace.name,
        cold_start_s=case.cold_start_s,
        seed=case.conditions.seed,
        score=score(played, case.terms),
        cold=score(played, case.terms, lap=0),
        reference=reference,
        wall_s=wall_s,
    )


def reference_of(case: Case, oracle: Oracle | Missing) -> Reference:
    """The bounds of a case, with the oracle's where it was searched."""
    return Reference(
        fluid_cost_usd=fluid(case.trace, case.terms),
        cost_usd=oracle if isinstance(oracle, Missing) else oracle.score.cost_usd,
        attainment=oracle if isinstance(oracle, Missing) else oracle.score.attainment,
    )


def plain(value: float | Missing) -> float | None:
    """The number, or null where it is missing or not finite."""
    return None if isinstance(value, Missing) or not math.isfinite(value) else value
