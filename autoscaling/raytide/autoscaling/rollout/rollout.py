"""The rollout of one revision: a state machine that always ends.

WAITING      too few replicas of the canary serve yet; all traffic is the stable revision's
STEPPING     the canary takes the weight of its step
PROMOTED     it takes all
ROLLED_BACK  it was worse, or never became ready; the stable revision takes all
UNDECIDED    too few requests for a verdict within the patience; the stable revision takes all

A step is taken only once the canary has the replicas that its share needs: a good revision that were given a quarter of
the traffic on one replica would look like a bad one.

Pure: evidence and time come in, the next state with its reasons comes out. Each step counts its own requests, because a
canary at a larger weight meets another load, and because a comparison is fair only while the weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from raytide.autoscaling.rollout.evidence import NOTHING_COUNTED, Evidence, Tally
from raytide.autoscaling.rollout.gate import USUAL, Check, Gate, Outcome, checks_of, quality_check

ALPHA: Final = 0.05
"""Of the whole rollout: the probability that a canary that is as good as the stable revision is rolled back for a
chance, and that one that is worse than the margin allows is let on."""


class Phase(StrEnum):
    """Where a rollout stands."""

    WAITING = "waiting"
    STEPPING = "stepping"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    UNDECIDED = "undecided"


TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.WAITING: frozenset(Phase),
    Phase.STEPPING: frozenset({Phase.STEPPING, Phase.PROMOTED, Phase.ROLLED_BACK, Phase.UNDECIDED}),
    Phase.PROMOTED: frozenset({Phase.PROMOTED}),
    Phase.ROLLED_BACK: frozenset({Phase.ROLLED_BACK}),
    Phase.UNDECIDED: frozenset({Phase.UNDECIDED}),
}
"""What may follow; the last three are ends. A single step, to all of the traffic, is promoted without one between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How a new revision takes over, as declared."""

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 1.0)
    """Shares of the traffic, rising; the last one is all of it."""
    hold_s: float = 600.0
    """How long each step lasts at least."""
    patience_s: float = 7200.0
    """How long a step, or the wait for a first replica, lasts at most."""
    gate: Gate = USUAL
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        """Refuses steps that do not rise to all of the traffic."""
        rising = all(low < high for low, high in pairwise((0.0, *self.steps)))
        if not self.steps or not rising or self.steps[-1] != 1.0:
            raise ValueError(f"steps {self.steps} must rise from above 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One revision on its way."""

    canary: str
    stable: str
    began_s: float
    phase: Phase = Phase.WAITING
    step: int = 0
    since_s: float
    """When the present phase or step began."""
    canary_before: Tally = NOTHING_COUNTED
    """What was counted when the step began."""
    stable_before: Tally = NOTHING_COUNTED
    replicas: int = 1
    """That the canary is to have at least: for the share that it takes, or for the next one, before it takes it."""
    says: str = "waits for its first replica"
    """Why it stands here, in one sentence."""
    checks: tuple[Check, ...] = ()
    """The latest ones."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return TRANSITIONS[self.phase] == {self.phase}

    def weight(self, declared: Canary) -> float:
        """The canary's share of the traffic, from 0 to 1."""
        if self.phase is Phase.PROMOTED:
            return 1.0
        return declared.steps[self.step] if self.phase is Phase.STEPPING else 0.0


def begin(canary: str, stable: str, now_s: float) -> Rollout:
    """A rollout that waits for the canary's first replica."""
    return Rollout(canary=canary, stable=stable, began_s=now_s, since_s=now_s)


def advance(rollout: Rollout, declared: Canary, evidence: Evidence, now_s: float) -> Rollout:
    """The rollout after what was seen until `now_s`; never raises, and at an end nothing moves it."""
    if rollout.is_over:
        return rollout
    quality = quality_check(declared.gate, evidence.canary_quality, evidence.stable_quality)
    if quality is not None and quality.outcome is not Outcome.GOOD:
        phase = Phase.ROLLED_BACK if quality.outcome is Outcome.WORSE else Phase.UNDECIDED
        return _ended(rollout, phase, quality.says, now_s, (quality,))
    if rollout.phase is Phase.WAITING:
        return _waited(rollout, declared, evidence, now_s)
    return _stepped(rollout, declared, evidence, now_s)


def _waited(rollout: Rollout, declared: Canary, evidence: Evidence, now_s: float) -> Rollout:
    wanted = evidence.needed(declared.steps[0], taken=0.0)
    if evidence.canary_ready >= wanted:
        return _at_step(rollout, 0, declared, evidence, now_s)
    if now_s - rollout.since_s >= declared.patience_s:
        says = f"{_ready(evidence, wanted)} within {declared.patience_s:.0f} s"
        return _ended(rollout, Phase.ROLLED_BACK, says, now_s, ())
    return replace(rollout, replicas=wanted)


def _stepped(rollout: Rollout, declared: Canary, evidence: Evidence, now_s: float) -> Rollout:
    seen = replace(
        evidence,
        canary=evidence.canary.since(rollout.canary_before),
        stable=evidence.stable.since(rollout.stable_before),
    )
    num_steps = len(declared.steps) - 1  # nothing is compared once all traffic is the canary's
    next_weight = declared.steps[rollout.step + 1]
    checks = checks_of(declared.gate, seen, next_weight=next_weight, alpha=declared.alpha / max(1, num_steps))
    held_s = now_s - rollout.since_s
    worse = [check for check in checks if check.outcome is Outcome.WORSE]
    if worse:
        return _ended(rollout, Phase.ROLLED_BACK, worse[0].says, now_s, checks)
    still_open = [check for check in checks if check.outcome is Outcome.OPEN]
    if not still_open and held_s >= declared.hold_s:
        return _risen(replace(rollout, checks=checks), declared, evidence, now_s)
    if held_s >= max(declared.hold_s, declared.patience_s):
        says = f"not enough traffic for a verdict within {held_s:.0f} s: {still_open[0].says}"
        return _ended(rollout, Phase.UNDECIDED, says, now_s, checks)
    return replace(rollout, checks=checks, says=_progress(still_open, declared.hold_s - held_s, next_weight))


def _risen(rollout: Rollout, declared: Canary, evidence: Evidence, now_s: float) -> Rollout:
    """At the next step, or on the way to the replicas that it needs."""
    weight, held_s = declared.steps[rollout.step + 1], now_s - rollout.since_s
    wanted = evidence.needed(weight, taken=declared.steps[rollout.step])
    grown = replace(rollout, replicas=wanted)
    if evidence.canary_ready >= wanted:
        return _at_step(grown, rollout.step + 1, declared, evidence, now_s)
    if held_s >= declared.hold_s + declared.patience_s:
        says = f"good, but {_ready(evidence, wanted)} for {weight:.0%} of the traffic within {held_s:.0f} s"
        return _ended(grown, Phase.UNDECIDED, says, now_s, rollout.checks)
    return replace(grown, says=f"good; {_ready(evidence, wanted)} before it takes {weight:.0%} of the traffic")


def _at_step(rollout: Rollout, step: int, declared: Canary, evidence: Evidence, now_s: float) -> Rollout:
    weight = declared.steps[step]
    if weight == 1.0:
        return _ended(rollout, Phase.PROMOTED, "every check is good: it takes all traffic", now_s, rollout.checks)
    return replace(
        rollout,
        phase=Phase.STEPPING,
        step=step,
        since_s=now_s,
        canary_before=evidence.canary,
        stable_before=evidence.stable,
        says=f"takes {weight:.1%} of the traffic",
    )


def _ended(rollout: Rollout, phase: Phase, says: str, now_s: float, checks: tuple[Check, ...]) -> Rollout:
    assert phase in TRANSITIONS[rollout.phase]
    return replace(rollout, phase=phase, since_s=now_s, says=says, checks=checks)


def _ready(evidence: Evidence, wanted: int) -> str:
    return f"{evidence.canary_ready} of {wanted} replicas of the canary are ready"


def _progress(still_open: list[Check], left_s: float, next_weight: float) -> str:
    if still_open:
        return f"more requests are needed before {next_weight:.0%}: {still_open[0].says}"
    return f"good so far; {left_s:.0f} s of the hold are left"
