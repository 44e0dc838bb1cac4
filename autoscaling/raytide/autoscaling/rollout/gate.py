"""What keeps a canary from more traffic: failures and missed objectives beside the stable revision's, and quality.

Each comparison bounds the canary's excess, its share minus the stable revision's, by a confidence sequence of either. A
canary whose excess is surely above the margin is worse. It is good enough for a next weight where the excess, if it
took that weight, would surely cost all requests together no more than the margin: at 5 % of the traffic ten times the
excess is bearable that is at 50 %, so a first step needs few requests, and no step needs much more than the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.confidence import bounds_of
from raytide.autoscaling.rollout.evidence import Evidence, Quality, Tally

BOUNDS_PER_CHECK: Final = 2
"""One of the canary's share, one of the stable revision's."""


class Outcome(StrEnum):
    """What a check says."""

    WORSE = "worse"
    OPEN = "open"
    """It may be worse and it may be as good: more requests will tell."""
    GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How much worse than the stable revision a canary may be; a check that is None is not made."""

    error_rate: float | None = 0.005
    """Share of requests that may fail beyond the stable revision's share."""
    objectives: float | None = 0.01
    """The same of requests that miss their TTFT, and of those that miss their TPOT."""
    quality: float | None = 0.01
    """By how much of the stable revision's score the canary's may be worse."""

    @property
    def num_checks(self) -> int:
        """Those that requests decide."""
        return int(self.error_rate is not None) + 2 * int(self.objectives is not None)


USUAL: Final = Gate()
_INCOMPARABLE: Final = (
    "the two models were not scored on the same data: evaluate the new one while the other is in production, or set "
    "gate.quality to any"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One comparison, with the numbers that decided it."""

    name: str
    outcome: Outcome
    says: str
    lower: float | None = None
    """The canary's excess is surely not below; None of a quality."""
    upper: float | None = None


def checks_of(gate: Gate, evidence: Evidence, *, next_weight: float, alpha: float) -> tuple[Check, ...]:
    """Every check of the gate on what was counted; `alpha` is the probability that any of them is ever wrong."""
    share = alpha / max(1, BOUNDS_PER_CHECK * gate.num_checks)
    return tuple(_checks(gate, evidence.canary, evidence.stable, next_weight, share))


def quality_check(gate: Gate, canary: Quality | Missing, stable: Quality | Missing) -> Check | None:
    """The verdict on the models' scores, which no request changes; None where the gate asks for none."""
    if gate.quality is None:
        return None
    if isinstance(canary, Missing) or isinstance(stable, Missing):
        which, why = ("canary", canary) if isinstance(canary, Missing) else ("stable revision", stable)
        assert isinstance(why, Missing)
        return Check(
            name="quality", outcome=Outcome.OPEN, says=f"the quality of the {which} is not known: {why.reason}"
        )
    if (canary.metric, canary.data) != (stable.metric, stable.data):
        return Check(name="quality", outcome=Outcome.OPEN, says=_INCOMPARABLE)
    worse = canary.value / stable.value - 1.0 if stable.value else 0.0
    outcome = Outcome.WORSE if worse > gate.quality else Outcome.GOOD
    says = f"{canary.metric} {canary.value:.4g} against {stable.value:.4g}, at most {gate.quality:.1%} worse is allowed"
    return Check(name="quality", outcome=outcome, says=says)


def _checks(gate: Gate, canary: Tally, stable: Tally, next_weight: float, alpha: float) -> Iterator[Check]:
    if gate.error_rate is not None:
        counts = (canary.num, canary.failed, stable.num, stable.failed)
        yield _compared("errors", counts, gate.error_rate, next_weight, alpha)
    if gate.objectives is not None:
        for name, missed, missed_stable in (
            ("ttft", canary.missed_ttft, stable.missed_ttft),
            ("tpot", canary.missed_tpot, stable.missed_tpot),
        ):
            counts = (canary.answered, missed, stable.answered, missed_stable)
            yield _compared(name, counts, gate.objectives, next_weight, alpha)


def _compared(name: str, counts: tuple[int, int, int, int], margin: float, next_weight: float, alpha: float) -> Check:
    num, bad, num_stable, bad_stable = counts
    own, other = bounds_of(num, bad, alpha), bounds_of(num_stable, bad_stable, alpha)
    lower, upper = own.lower - other.upper, own.upper - other.lower
    outcome = Outcome.OPEN
    if lower > margin:
        outcome = Outcome.WORSE
    elif next_weight * upper <= margin:
        outcome = Outcome.GOOD
    says = (
        f"{name}: {_said(bad, num)} against {_said(bad_stable, num_stable)}, so {lower:+.2%} to {upper:+.2%} more, "
        f"{margin:.2%} is allowed"
    )
    return Check(name=name, outcome=outcome, says=says, lower=lower, upper=upper)


def _said(part: int, num: int) -> str:
    return f"{part} of {num:,}"
