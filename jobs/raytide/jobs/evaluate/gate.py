"""Whether a model may become a candidate: a pure function of its scores."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.core.spec.job import Gate
from raytide.jobs.evaluate.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer; every check has its reason, passed or not."""

    passed: bool
    reasons: tuple[str, ...]


def judge(gate: Gate, trained: Score, untrained: Score, production: Score | None) -> Verdict:
    """The verdict on a trained model."""
    learnt, learnt_reason = _improvement(gate, trained, untrained)
    if production is None:
        return Verdict(passed=learnt, reasons=(learnt_reason, "no production version to compare with"))
    kept, kept_reason = _regression(gate, trained, production)
    return Verdict(passed=learnt and kept, reasons=(learnt_reason, kept_reason))


def _improvement(gate: Gate, trained: Score, untrained: Score) -> tuple[bool, str]:
    times = untrained.perplexity / trained.perplexity
    return times >= gate.improvement, (
        f"perplexity {untrained.perplexity:.1f} before training is {times:.1f} times {trained.perplexity:.1f} "
        f"(at least {gate.improvement:g} wanted)"
    )


def _regression(gate: Gate, trained: Score, production: Score) -> tuple[bool, str]:
    worse = trained.bits_per_byte / production.bits_per_byte - 1
    return worse <= gate.max_regression, (
        f"{trained.bits_per_byte:.3f} bits per byte against {production.bits_per_byte:.3f} in production: "
        f"{abs(worse):.1%} {'worse' if worse > 0 else 'better'} (at most {gate.max_regression:.1%} worse allowed)"
    )
