import math

import pytest

from raytide.core.spec.job import Gate
from raytide.jobs.evaluate.gate import judge
from raytide.jobs.evaluate.score import Score


def score(perplexity: float, tokens: int = 1000) -> Score:
    return Score(nll_nats=math.log(perplexity) * tokens, tokens=tokens, bytes=3000)


def test_a_model_that_learnt_enough_passes_without_a_production_version() -> None:
    assert judge(Gate(improvement=4), score(100), score(4000), None).passed


def test_a_model_that_learnt_too_little_fails_and_the_reason_has_the_figures() -> None:
    verdict = judge(Gate(improvement=4), score(2000), score(4000), None)
    assert not verdict.passed
    assert "2.0 times" in verdict.reasons[0]
    assert "at least 4" in verdict.reasons[0]


def test_a_model_worse_than_production_fails() -> None:
    verdict = judge(Gate(max_regression=0.02), score(100), score(4000), score(80))
    assert not verdict.passed
    assert "worse" in verdict.reasons[1]


def test_a_model_slightly_worse_than_production_passes_within_the_tolerance() -> None:
    assert judge(Gate(max_regression=0.02), score(100), score(4000), score(95)).passed


def test_models_with_different_tokenizers_are_compared_per_byte() -> None:
    coarse = Score(nll_nats=3000.0, tokens=500, bytes=3000)
    fine = Score(nll_nats=3000.0, tokens=1500, bytes=3000)
    assert coarse.perplexity > fine.perplexity
    assert coarse.bits_per_byte == pytest.approx(fine.bits_per_byte)
    assert judge(Gate(), coarse, Score(nll_nats=5000.0, tokens=500, bytes=3000), fine).passed
