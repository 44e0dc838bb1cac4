from __future__ import annotations

import numpy as np
import pytest

from raytide.autoscaling.forecast.regression import Regression

PRIOR = np.array([0.0, 1.0, 0.0])
FRESH = Regression.toward(PRIOR, half_life_s=1e9)


def _learnt(law: np.ndarray, num: int = 300, noise: float = 0.0) -> Regression:
    """After targets that follow the law of a constant and two levels."""
    random, learnt = np.random.default_rng(3), FRESH
    for _ in range(num):
        features = np.array([1.0, *random.uniform(1, 9, 2)])
        target = np.array([law @ features + noise * random.normal()])
        learnt = learnt.after(5.0, features, target, np.ones(1))
    return learnt


def test_before_anything_is_seen_the_prior_speaks() -> None:
    assert FRESH.predict(np.array([1.0, 4.0, 2.0])) == 4.0


@pytest.mark.parametrize("law", [(2.0, 1.0, 0.0), (0.5, 0.2, 0.7), (5.0, 0.0, 0.0)])
def test_it_learns_a_linear_law_but_for_what_the_prior_pulls_back(law: tuple[float, ...]) -> None:
    features = np.array([1.0, 6.0, 3.0])
    truth = float(np.array(law) @ features)
    assert abs(_learnt(np.array(law)).predict(features) - truth) < 0.15 * abs(FRESH.predict(features) - truth)


def test_it_learns_the_law_under_noise() -> None:
    law, features = np.array([1.0, 0.3, 0.6]), np.array([1.0, 5.0, 5.0])
    assert _learnt(law, num=2000, noise=1.0).predict(features) == pytest.approx(law @ features, rel=0.03)


def test_what_has_changed_is_forgotten() -> None:
    features, learnt = np.array([1.0, 4.0, 4.0]), Regression.toward(PRIOR, half_life_s=50.0)
    for target in (*[20.0] * 100, *[3.0] * 100):
        learnt = learnt.after(5.0, features, np.array([target]), np.ones(1))
    assert learnt.predict(features) == pytest.approx(3.0, rel=0.03)


def test_seconds_in_which_nothing_arrived_teach_nothing() -> None:
    learnt = FRESH.after(5.0, np.array([1.0, 4.0, 2.0]), np.array([100.0]), np.zeros(1))
    assert learnt.predict(np.array([1.0, 4.0, 2.0])) == 4.0
