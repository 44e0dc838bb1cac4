import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.train.schedule import learning_rate


def rates(peak: float, warmup_steps: int, steps: int) -> list[float]:
    return [learning_rate(step, peak=peak, warmup_steps=warmup_steps, steps=steps) for step in range(steps)]


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    assert rates(1.0, 4, 20)[:4] == [0.25, 0.5, 0.75, 1.0]


@given(st.integers(0, 50), st.integers(1, 200))
def test_the_rate_falls_after_warm_up_and_stays_above_a_tenth(warmup_steps: int, steps: int) -> None:
    falling = rates(1.0, warmup_steps, steps)[warmup_steps:]
    assert falling == sorted(falling, reverse=True)
    assert all(0.1 <= rate <= 1.0 for rate in falling)


def test_the_run_ends_near_a_tenth_of_the_peak() -> None:
    assert rates(1.0, 10, 1000)[-1] == pytest.approx(0.1, abs=1e-4)
