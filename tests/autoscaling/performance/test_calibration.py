"""An engine under changing load, sampled once a second: what the calibration knows after a minute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.calibrate import Calibration, Sample, begin, sample_of, surprise_of, update
from raytide.autoscaling.performance.coefficients import coefficients_of
from raytide.autoscaling.performance.engine import Engine, Iteration

COEFFICIENTS = (
    "base_s",
    "per_sequence_s",
    "per_root_sequence_s",
    "per_kv_token_s",
    "per_prefill_token_s",
)


@pytest.fixture(scope="module")
def loads() -> NDArray[np.float64]:
    """The terms of 400 seconds of a load that wanders, shape (400, 5)."""
    rng = np.random.default_rng(3)
    sequences = np.clip(40 + np.cumsum(rng.normal(0, 6, 400)), 4, 200)
    context = rng.uniform(600, 2500, 400)
    prefill = rng.gamma(2.0, 150.0, 400)
    return np.column_stack([np.ones(400), sequences, np.sqrt(sequences), sequences * context, prefill])


def samples(iteration: Iteration, terms: NDArray[np.float64], seed: int = 0, noise: float = 0.03) -> list[Sample]:
    errors = np.random.default_rng(seed).normal(1.0, noise, len(terms))
    true = coefficients_of(iteration)
    return [Sample(terms=row, seconds=float(error * (row @ true))) for row, error in zip(terms, errors, strict=True)]


def after(calibration: Calibration, seen: Iterable[Sample]) -> Calibration:
    return reduce(update, seen, calibration)


def error(calibration: Calibration, iteration: Iteration, terms: NDArray[np.float64]) -> float:
    """Mean relative error of the predicted iteration time."""
    return float(abs(terms @ calibration.coefficients / (terms @ coefficients_of(iteration)) - 1).mean())


@pytest.mark.parametrize("factor", [0.7, 1.3])
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_a_coefficient_that_jumps_is_followed_within_a_minute(
    engine: Engine, loads: NDArray[np.float64], name: str, factor: float
) -> None:
    settled = after(begin(engine.iteration), samples(engine.iteration, loads[:200]))
    shocked = replace(engine.iteration, **{name: factor * getattr(engine.iteration, name)})
    followed = after(settled, samples(shocked, loads[200:260], seed=1))
    assert error(followed, shocked, loads[260:]) < 0.08


def test_an_engine_that_slows_down_altogether_is_followed_within_a_minute(
    engine: Engine, loads: NDArray[np.float64]
) -> None:
    settled = after(begin(engine.iteration), samples(engine.iteration, loads[:200]))
    slower = replace(engine.iteration, **{name: 1.3 * getattr(engine.iteration, name) for name in COEFFICIENTS})
    followed = after(settled, samples(slower, loads[200:260], seed=1))
    assert followed.num_resets > 0
    assert error(followed, slower, loads[260:]) < 0.08


def test_outliers_do_not_move_it(engine: Engine, loads: NDArray[np.float64]) -> None:
    clean = samples(engine.iteration, loads[:300])
    spiked = [replace(one, seconds=10 * one.seconds) if i % 7 == 0 else one for i, one in enumerate(clean)]
    found = after(begin(engine.iteration), spiked)
    assert found.num_rejected >= 43
    assert error(found, engine.iteration, loads[300:]) < 0.03


def test_a_direction_that_the_load_does_not_excite_stays_at_the_prior(engine: Engine) -> None:
    wrong = replace(engine.iteration, per_prefill_token_s=2 * engine.iteration.per_prefill_token_s)
    idle_of_prompts = np.tile([1.0, 16.0, 4.0, 16_000.0, 0.0], (2000, 1))
    found = after(begin(wrong), samples(engine.iteration, idle_of_prompts))
    assert found.iteration.per_prefill_token_s == pytest.approx(wrong.per_prefill_token_s, rel=1e-6)
    assert np.linalg.eigvalsh(found.information).min() >= 0.99 * np.linalg.eigvalsh(begin(wrong).information).min()


def test_no_coefficient_becomes_negative(engine: Engine, loads: NDArray[np.float64]) -> None:
    without_base = replace(engine.iteration, base_s=1e-5, per_root_sequence_s=0.0)
    found = after(begin(engine.iteration), samples(without_base, loads[:200]))
    assert found.coefficients.min() >= 0
    assert error(found, without_base, loads[200:]) < 0.08


def test_a_wrong_prior_gives_way_to_what_is_measured(engine: Engine, loads: NDArray[np.float64]) -> None:
    prior = replace(engine.iteration, base_s=2 * engine.iteration.base_s, per_root_sequence_s=0.0)
    found = after(begin(prior), samples(engine.iteration, loads[:60]))
    assert error(found, engine.iteration, loads[60:]) < 0.04


def test_samples_narrow_the_margin_of_a_pessimistic_engine(engine: Engine, loads: NDArray[np.float64]) -> None:
    before = begin(engine.iteration)
    later = after(before, samples(engine.iteration, loads[:200]))
    batch = loads[300]
    margins = [
        float(batch @ coefficients_of(one.pessimistic(batch, 2.0)) / (batch @ one.coefficients))
        for one in (before, later)
    ]
    assert margins[0] > 1.2
    assert 1.0 < margins[1] < 1.05


def test_an_observation_of_iterations_becomes_their_means() -> None:
    found = sample_of(
        Iterations(num=4, seconds=0.1, sequences=40, root_sequences=12, kv_tokens=4e4, prefill_tokens=400)
    )
    assert isinstance(found, Sample)
    assert found.terms.tolist() == [1, 10, 3, 1e4, 100]
    assert found.seconds == 0.025


def test_no_iteration_is_no_sample() -> None:
    assert isinstance(sample_of(Iterations()), Missing)


def test_a_slow_sample_is_a_positive_surprise(engine: Engine, loads: NDArray[np.float64]) -> None:
    settled = after(begin(engine.iteration), samples(engine.iteration, loads[:200]))
    (exact,) = samples(engine.iteration, loads[:1], noise=0.0)
    assert surprise_of(settled, replace(exact, seconds=1.4 * exact.seconds)) > 4
    assert abs(surprise_of(settled, exact)) < 1
