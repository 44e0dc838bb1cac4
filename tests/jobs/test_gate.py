import math
from collections.abc import Sequence

import numpy as np
import pytest

from raytide.core.spec.evaluate import Gate, Task
from raytide.jobs.evaluate.gate import Scores, judge
from raytide.jobs.evaluate.pairwise import Judged
from raytide.jobs.evaluate.score import DocumentScore, Score

BEFORE = 4000.0


def document(nll_nats: float, tokens: int = 1000, num_bytes: int = 3000) -> DocumentScore:
    return DocumentScore(domain=".", nll_nats=nll_nats, tokens=tokens, bytes=num_bytes)


def text(perplexity: float, num_documents: int = 50) -> Score:
    """Documents of this perplexity in the mean, some harder than others."""
    hardness = np.random.default_rng(0).uniform(0.8, 1.2, num_documents)
    nats = math.log(perplexity) * 1000 * hardness / hardness.mean()
    return Score(documents=tuple(document(float(each)) for each in nats))


def scores(perplexity: float, right: Sequence[bool] | None = None) -> Scores:
    return Scores(text=text(perplexity), right={} if right is None else {"quiz": right})


def test_a_model_that_learnt_enough_passes_without_a_production_version() -> None:
    verdict = judge(Gate(improvement=4), scores(100), text(BEFORE), None)
    assert verdict.passed
    assert verdict.reasons[-1] == "no production version to compare with"


def test_a_model_that_learnt_too_little_fails_and_the_reason_has_the_figures() -> None:
    verdict = judge(Gate(improvement=4), scores(2000), text(BEFORE), None)
    assert not verdict.passed
    assert "2.0 times" in verdict.reasons[0]
    assert "at least 4" in verdict.reasons[0]


def test_a_model_worse_than_production_is_refused_with_the_numbers() -> None:
    verdict = judge(Gate(max_regression=0.02), scores(100), text(BEFORE), scores(80))
    assert not verdict.passed
    worse = math.log(100) / math.log(80) - 1
    assert f"{worse:.1%} worse (95% interval {worse:+.1%} to {worse:+.1%})" in verdict.reasons[1]
    assert "p = 1.000" in verdict.reasons[1]


def test_a_model_slightly_worse_than_production_passes_within_the_tolerance() -> None:
    assert judge(Gate(max_regression=0.02), scores(100), text(BEFORE), scores(95)).passed


def test_a_model_that_may_be_worse_than_allowed_does_not_pass_on_a_lucky_mean() -> None:
    """Equal in the mean, and by document all over the place: five documents cannot show that no more is lost."""
    rng = np.random.default_rng(1)
    production = [1000.0] * 5
    luck = rng.normal(0, 200, 5)
    trained = [1000 + float(each) for each in luck - luck.mean()]
    few = [Scores(text=Score(documents=tuple(map(document, nats)))) for nats in (trained, production)]
    verdict = judge(Gate(improvement=0.1), few[0], few[1].text, few[1])
    assert not verdict.passed
    assert "0.0% " in verdict.reasons[1]
    wide = judge(Gate(improvement=0.1, max_regression=0.5), few[0], few[1].text, few[1])
    assert wide.passed


def test_models_with_different_tokenizers_are_compared_per_byte() -> None:
    coarse = Score(documents=(document(3000.0, tokens=500),))
    fine = Score(documents=(document(3000.0, tokens=1500),))
    assert coarse.perplexity > fine.perplexity
    assert coarse.bits_per_byte == pytest.approx(fine.bits_per_byte)
    before = Score(documents=(document(5000.0, tokens=500),))
    assert judge(Gate(), Scores(text=coarse), before, Scores(text=fine)).passed


QUIZ = Task(name="quiz", kind="generation", file="quiz.jsonl", min_accuracy=0.5)


def test_a_task_below_its_accuracy_refuses_the_model() -> None:
    verdict = judge(Gate(), scores(100, [True] * 4 + [False] * 6), text(BEFORE), None, [QUIZ])
    assert not verdict.passed
    assert "quiz: 40.0% of 10 (95% interval 16.8% to 68.7%), at least 50.0% wanted" in verdict.reasons


def test_a_task_that_production_does_better_refuses_the_model_and_one_question_does_not() -> None:
    better, alike = [True] * 60, [True] * 54 + [False] * 6
    ours = [True] * 50 + [False] * 10
    lost = judge(Gate(), scores(100, ours), text(BEFORE), scores(100, better), [QUIZ])
    assert not lost.passed
    assert "quiz: 83.3% against 100.0% in production; p = 0.001" in lost.reasons[-1]
    kept = judge(Gate(), scores(100, [*ours[:49], False, *ours[50:]]), text(BEFORE), scores(100, ours), [QUIZ])
    assert kept.passed
    assert judge(Gate(), scores(100, alike), text(BEFORE), scores(100, ours), [QUIZ]).passed


def judged(won: int, lost: int, tied: int = 0, unclear: int = 0) -> Judged:
    return Judged(
        by="judge",
        beside="production",
        won=(True,) * won + (False,) * (lost + tied),
        lost=(False,) * won + (True,) * lost + (False,) * tied,
        unclear=unclear,
    )


def test_answers_that_a_judge_surely_finds_worse_are_refused_with_the_numbers() -> None:
    refused = judge(Gate(), scores(100), text(BEFORE), scores(100), judged=judged(2, 12, 3, unclear=1))
    assert not refused.passed
    assert refused.reasons[2].startswith(
        "judge finds 2 answers better than those of production, 12 worse and 3 neither, 1 judgements were none; "
        "p = 0.006"
    )
    assert judge(Gate(), scores(100), text(BEFORE), scores(100), judged=judged(5, 7)).passed
    assert judge(Gate(), scores(100), text(BEFORE), scores(100), judged=judged(0, 0, 9)).passed
