import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.evaluate.interval import bits_per_byte_interval, regression, wilson, worse_by_chance
from raytide.jobs.evaluate.score import DocumentScore, Score

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)


def text(bits_per_byte: np.ndarray[tuple[int], np.dtype[np.float64]], num_bytes: int = 1000) -> Score:
    nats = bits_per_byte * num_bytes * np.log(2)
    return Score(
        documents=tuple(DocumentScore(domain=".", nll_nats=each, tokens=300, bytes=num_bytes) for each in nats.tolist())
    )


def test_an_interval_of_bits_per_byte_holds_the_true_mean_nineteen_times_in_twenty() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        interval = bits_per_byte_interval(text(rng.normal(1.5, 0.3, 60)), seed=0)
        held += interval.low <= 1.5 <= interval.high
    assert 0.90 <= held / 200 <= 0.98


def test_a_model_beside_itself_is_no_worse_beyond_doubt() -> None:
    score = text(np.random.default_rng(0).normal(1.5, 0.3, 60))
    found = regression(score, score, tolerated=0.02, confidence=0.95, seed=0)
    assert (found.worse, found.at_most, found.p) == (0, 0, 0)


def test_pairing_sees_a_small_loss_that_documents_alone_would_hide() -> None:
    production = np.random.default_rng(0).normal(1.5, 0.5, 60)
    found = regression(text(production * 1.05), text(production), tolerated=0.02, confidence=0.95, seed=0)
    assert found.worse == pytest.approx(0.05)
    assert found.interval.low == pytest.approx(0.05)
    assert found.p == 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_of_a_proportion_holds_it_and_narrows_with_more_questions(successes: int, failures: int) -> None:
    num = successes + failures
    interval, ten_times = wilson(successes, num), wilson(10 * successes, 10 * num)
    assert 0 <= interval.low <= interval.high <= 1
    if num:
        assert interval.low - 1e-12 <= successes / num <= interval.high + 1e-12
        assert ten_times.high - ten_times.low < interval.high - interval.low


@given(ANSWERS)
def test_who_loses_more_questions_is_less_likely_to_be_as_good(pairs: list[tuple[bool, bool]]) -> None:
    ours, theirs = [own for own, _ in pairs], [other for _, other in pairs]
    p = worse_by_chance(ours, theirs)
    assert 0 < p <= 1
    assert worse_by_chance([*ours, False], [*theirs, True]) <= p
    assert worse_by_chance([*ours, True], [*theirs, True]) == p


def test_the_exact_test_agrees_with_the_binomial() -> None:
    assert worse_by_chance([False] * 5, [True] * 5) == pytest.approx(1 / 32)
    assert worse_by_chance([True] * 5, [False] * 5) == 1
