"""Whether a model may become a candidate: a pure function of its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from raytide.core.spec.evaluate import Gate, Task
from raytide.jobs.evaluate.interval import regression, wilson, worse_by_chance
from raytide.jobs.evaluate.pairwise import Judged
from raytide.jobs.evaluate.score import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What was measured of one model."""

    text: Score
    right: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    """Of each task by name, whether each question was answered rightly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer; every check has its reason, passed or not."""

    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    passed: bool
    says: str


def judge(
    gate: Gate,
    trained: Scores,
    before: Score,
    production: Scores | None,
    tasks: Sequence[Task] = (),
    judged: Judged | None = None,
    seed: int = 0,
) -> Verdict:
    """The verdict on a trained model, beside what it was before training and what serves now."""
    checks = [_improvement(gate, trained.text, before)]
    if production is not None:
        checks.append(_regression(gate, trained.text, production.text, seed))
    for task in tasks:
        checks += _task(gate, task, trained, production)
    if judged is not None:
        checks.append(_pairwise(gate, judged))
    reasons = [check.says for check in checks]
    if production is None:
        reasons.append("no production version to compare with")
    return Verdict(passed=all(check.passed for check in checks), reasons=tuple(reasons))


def _improvement(gate: Gate, trained: Score, before: Score) -> _Check:
    times = before.perplexity / trained.perplexity
    return _Check(
        passed=times >= gate.improvement,
        says=f"perplexity {before.perplexity:.1f} before training is {times:.1f} times {trained.perplexity:.1f} "
        f"(at least {gate.improvement:g} wanted)",
    )


def _regression(gate: Gate, trained: Score, production: Score, seed: int) -> _Check:
    found = regression(trained, production, tolerated=gate.max_regression, confidence=gate.confidence, seed=seed)
    return _Check(
        passed=found.at_most <= gate.max_regression,
        says=f"{trained.bits_per_byte:.3f} bits per byte against {production.bits_per_byte:.3f} in production: "
        f"{abs(found.worse):.1%} {'worse' if found.worse > 0 else 'better'} "
        f"(95% interval {found.interval.low:+.1%} to {found.interval.high:+.1%}), at most {found.at_most:+.1%} with "
        f"{gate.confidence:.0%} confidence (at most {gate.max_regression:.1%} worse allowed; p = {found.p:.3f} that it "
        f"is more)",
    )


def _task(gate: Gate, task: Task, trained: Scores, production: Scores | None) -> Iterator[_Check]:
    right = trained.right[task.name]
    accuracy, interval = sum(right) / len(right), wilson(sum(right), len(right))
    told = f"{task.name}: {accuracy:.1%} of {len(right)} (95% interval {interval.low:.1%} to {interval.high:.1%})"
    wanted = "" if task.min_accuracy is None else f", at least {task.min_accuracy:.1%} wanted"
    yield _Check(passed=task.min_accuracy is None or accuracy >= task.min_accuracy, says=told + wanted)
    if production is not None:
        others = production.right[task.name]
        p = worse_by_chance(right, others)
        yield _Check(
            passed=p > 1 - gate.confidence,
            says=f"{task.name}: {accuracy:.1%} against {sum(others) / len(others):.1%} in production; p = {p:.3f} that "
            f"it is no worse (more than {1 - gate.confidence:.2f} wanted)",
        )


def _pairwise(gate: Gate, judged: Judged) -> _Check:
    p = worse_by_chance(judged.won, judged.lost)
    won, lost = sum(judged.won), sum(judged.lost)
    unclear = f", {judged.unclear} judgements were none" if judged.unclear else ""
    return _Check(
        passed=p > 1 - gate.confidence,
        says=f"{judged.by} finds {won} answers better than those of {judged.beside}, {lost} worse and {judged.tied} "
        f"neither{unclear}; p = {p:.3f} that they are no worse "
        f"(more than {1 - gate.confidence:.2f} wanted)",
    )
