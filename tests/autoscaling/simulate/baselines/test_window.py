from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.simulate.baselines.window import Window


def test_a_sample_leaves_the_window_when_it_is_as_old_as_the_window_is_long() -> None:
    window = Window(length_s=60.0).add(0.0, 10.0).add(20.0, 20.0).add(40.0, 30.0)
    assert (window.num, window.total, window.mean, window.max, window.min) == (3, 60.0, 20.0, 30.0, 10.0)
    assert window.add(60.0, 40.0).total == 20.0 + 30.0 + 40.0
    assert window.at(99.9).total == 30.0
    assert window.at(100.0).num == 0


def test_an_empty_window_counts_as_zero() -> None:
    empty = Window(length_s=60.0)
    assert (empty.num, empty.total, empty.mean, empty.max, empty.min) == (0, 0.0, 0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.floats(0.0, 1e3)), max_size=60), st.floats(1.0, 100.0))
def test_a_window_holds_what_a_filter_over_all_samples_keeps(steps: list[tuple[float, float]], length_s: float) -> None:
    window, at_s, samples = Window(length_s=length_s), 0.0, []
    for step_s, value in steps:
        at_s += step_s
        samples.append((at_s, value))
        window = window.add(at_s, value)
    assert window.samples == tuple(sample for sample in samples if sample[0] > at_s - length_s)
