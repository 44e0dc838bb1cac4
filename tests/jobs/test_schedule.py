import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.spec.train import Schedule
from raytide.jobs.train.schedule import learning_rate

COSINE, WSD = Schedule(), Schedule(kind="wsd")


def rates(peak: float, warmup_steps: int, steps: int, schedule: Schedule = COSINE) -> list[float]:
    return [
        learning_rate(step, peak=peak, warmup_steps=warmup_steps, steps=steps, schedule=schedule)
        for step in range(steps)
    ]


@pytest.mark.parametrize("schedule", [COSINE, WSD])
def test_warm_up_is_linear_and_ends_at_the_peak(schedule: Schedule) -> None:
    assert rates(1.0, 4, 20, schedule)[:4] == [0.25, 0.5, 0.75, 1.0]


@given(
    st.integers(0, 50),
    st.integers(1, 200),
    st.sampled_from([COSINE, WSD, Schedule(kind="wsd", decay=0.5, floor=0.1), Schedule(floor=0.0)]),
)
def test_the_rate_falls_after_warm_up_and_stays_between_its_floor_and_its_peak(
    warmup_steps: int, steps: int, schedule: Schedule
) -> None:
    falling = rates(1.0, warmup_steps, steps, schedule)[warmup_steps:]
    assert falling == sorted(falling, reverse=True)
    floor = schedule.floor if schedule.floor is not None else {"cosine": 0.1, "wsd": 0.0}[schedule.kind]
    assert all(floor <= rate <= 1.0 for rate in falling)


def test_a_cosine_ends_near_a_tenth_of_the_peak() -> None:
    assert rates(1.0, 10, 1000)[-1] == pytest.approx(0.1, abs=1e-4)


def test_wsd_stays_at_the_peak_until_the_last_fifth_and_ends_near_nothing() -> None:
    found = rates(1.0, 10, 1000, WSD)
    assert set(found[10:801]) == {1.0}
    assert found[801] < 1.0
    assert found[-1] == pytest.approx(0.0, abs=5e-3)
