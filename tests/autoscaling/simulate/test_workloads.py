from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.simulate import workloads
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError


def trace_of(arrivals_s: list[float], span_s: float = 100.0) -> Trace:
    """Requests whose prompt says which they are."""
    number = np.arange(1, len(arrivals_s) + 1, dtype=np.int32)
    return Trace(
        name="t",
        arrival_s=np.sort(np.array(arrivals_s, dtype=np.float64)),
        prompt_tokens=number * 10,
        output_tokens=number,
        cached_tokens=number * 2,
        class_of=number % 3,
        span_s=span_s,
    )


TRACES = st.lists(st.floats(0, 100), min_size=2, max_size=40).map(trace_of)
TRANSFORMS: dict[str, Callable[[Trace, int], Trace]] = {
    "jitter": lambda trace, seed: workloads.times(trace, 3, "jitter", seed=seed),
    "shift": lambda trace, seed: workloads.times(trace, 3, "shift", seed=seed),
    "less": lambda trace, seed: workloads.at_mean_rate(trace, 0.02, seed=seed),
    "more": lambda trace, seed: workloads.at_mean_rate(trace, 1.3, seed=seed),
    "slice": lambda trace, seed: workloads.slice_s(trace, 10, 60),
    "laps": lambda trace, seed: workloads.laps(trace, 3),
    "staircase": lambda trace, seed: workloads.staircase(((1.0, 20.0), (0.5, 30.0)), lengths_from=trace, seed=seed),
    "step": lambda trace, seed: workloads.step(0.1, lengths_from=trace, before_s=50, after_s=50, seed=seed),
    "rates": lambda trace, seed: workloads.from_rates(10.0, (1, 0, 2), lengths=trace, cv=2.0, seed=seed),
}


def rows(trace: Trace) -> np.ndarray:
    assert trace.cached_tokens is not None
    return np.stack((trace.prompt_tokens, trace.output_tokens, trace.cached_tokens), axis=1)


@given(trace=TRACES, transform=st.sampled_from(list(TRANSFORMS)), seed=st.integers(0, 2**32))
def test_whatever_is_done_to_a_trace_its_requests_stay_whole_and_in_order(
    trace: Trace, transform: str, seed: int
) -> None:
    made = TRANSFORMS[transform](trace, seed)
    assert (np.diff(made.arrival_s) >= 0).all()
    assert ((made.arrival_s >= 0) & (made.arrival_s <= made.span_s)).all()
    assert (rows(made) == np.outer(made.output_tokens, (10, 1, 2))).all()
    assert made.class_of is None or (made.class_of == made.output_tokens % 3).all()


@given(trace=TRACES, transform=st.sampled_from(list(TRANSFORMS)), seed=st.integers(0, 2**32))
def test_the_same_seed_makes_the_same_requests(trace: Trace, transform: str, seed: int) -> None:
    one, other = (TRANSFORMS[transform](trace, seed) for _ in range(2))
    assert np.array_equal(one.arrival_s, other.arrival_s)
    assert np.array_equal(rows(one), rows(other))


@pytest.mark.parametrize("transform", ["jitter", "shift", "less", "more", "staircase", "step", "rates"])
def test_another_seed_makes_other_requests(transform: str) -> None:
    trace = trace_of(list(np.linspace(0, 99, 100)))
    one, other = (TRANSFORMS[transform](trace, seed) for seed in (0, 1))
    assert one.arrival_s.tolist() != other.arrival_s.tolist()


def test_jittered_copies_stay_within_five_seconds() -> None:
    trace = trace_of([20.0, 50.0])
    made = workloads.times(trace, 50)
    assert len(made) == 100
    moved = np.abs(made.arrival_s - np.where(made.output_tokens == 1, 20.0, 50.0))
    assert 4.0 < moved.max() <= 5.0


def test_shifted_copies_keep_the_gaps_of_each_and_spread_over_the_lap() -> None:
    made = workloads.times(trace_of([0.0, 1.0]), 40, "shift")
    first, second = (made.arrival_s[made.output_tokens == number] for number in (1, 2))
    assert np.allclose(np.sort((first + 1.0) % 100), second)
    assert first.max() - first.min() > 80


def test_jitter_multiplies_a_burst_and_shifts_spread_it() -> None:
    burst = trace_of([50.0] * 30 + [0.0, 99.0])
    busiest = {
        spread: np.histogram(workloads.times(burst, 8, spread).arrival_s, bins=10, range=(0, 100))[0].max()
        for spread in ("jitter", "shift")
    }
    assert busiest["jitter"] >= 2 * 30
    assert busiest["shift"] < 8 * 30


@given(trace=TRACES, rate=st.floats(0.01, 3.0), seed=st.integers(0, 99))
def test_a_mean_rate_is_met_to_the_request(trace: Trace, rate: float, seed: int) -> None:
    assert len(workloads.at_mean_rate(trace, rate, seed=seed)) == round(rate * trace.span_s)


def test_a_slice_starts_at_zero_and_may_be_empty() -> None:
    trace = trace_of([0.0, 10.0, 20.0, 30.0])
    part = workloads.slice_s(trace, 10.0, 30.0)
    assert part.arrival_s.tolist() == [0.0, 10.0]
    assert part.output_tokens.tolist() == [2, 3]
    assert part.span_s == 20.0
    assert len(workloads.slice_s(trace, 40.0, 50.0)) == 0


def test_laps_follow_each_other_without_a_gap() -> None:
    made = workloads.laps(trace_of([0.0, 60.0]), 3)
    assert made.arrival_s.tolist() == [0, 60, 100, 160, 200, 260]
    assert made.output_tokens.tolist() == [1, 2, 1, 2, 1, 2]
    assert made.span_s == 300.0


def test_a_staircase_has_the_rate_of_each_level() -> None:
    made = workloads.staircase(((10.0, 200.0), (0.0, 100.0), (40.0, 100.0)), lengths_from=trace_of([0.0, 1.0]))
    counts = np.histogram(made.arrival_s, bins=[0, 200, 300, 400])[0]
    assert made.span_s == 400.0
    assert counts[1] == 0
    assert counts[[0, 2]] == pytest.approx([2000, 4000], rel=0.1)


def test_a_step_multiplies_the_base_rate_by_five_for_five_minutes() -> None:
    made = workloads.step(8.0, lengths_from=None)
    rates = np.histogram(made.arrival_s, bins=[0, 1800, 2100, 3900])[0] / (1800, 300, 1800)
    assert rates == pytest.approx([8.0, 40.0, 8.0], rel=0.06)


def test_a_spike_is_a_minute_of_ten_times_as_much() -> None:
    made = workloads.spike(10.0, lengths_from=None)
    rates = np.histogram(made.arrival_s, bins=[0, 1800, 1860, 3660])[0] / (1800, 60, 1800)
    assert rates == pytest.approx([10.0, 100.0, 10.0], rel=0.08)


def test_development_workloads_have_the_rates_that_their_names_say(shared_data: Path) -> None:
    made = workloads.development(
        shared_data, only=("azure-conv-x8", "azure-code-x8", "llm-d-staircase-x5", "step-5x", "servegen-mild-1")
    )
    assert len(made["azure-conv-x8"]) == 8 * 19_366
    assert len(made["azure-code-x8"]) == 8 * 8_819
    assert made["llm-d-staircase-x5"].span_s == 330 + 5 * 360 + 300
    assert made["llm-d-staircase-x5"].requests_per_s == pytest.approx(25.7, rel=0.02)
    assert made["servegen-mild-1"].span_s == 6 * 3600
    assert made["servegen-mild-1"].requests_per_s == pytest.approx(40, rel=0.01)
    assert {name: trace.name for name, trace in made.items()} == {name: name for name in made}


def test_the_burst_day_has_the_highest_peak_of_the_ten(shared_data: Path) -> None:
    (burst,) = workloads.development(shared_data, only=("servegen-burst-day",)).values()
    rates = np.histogram(burst.arrival_s, bins=144, range=(0, 86_400))[0] / 600
    assert burst.requests_per_s == pytest.approx(20, rel=0.01)
    assert rates.max() / rates.mean() == pytest.approx(2.71, abs=0.05)


def test_a_workload_is_the_same_whichever_others_are_built_with_it(shared_data: Path) -> None:
    alone = workloads.development(shared_data, seed=3, only=("llm-d-staircase",))
    among = workloads.development(shared_data, seed=3, only=("step-5x", "llm-d-staircase"))
    assert np.array_equal(alone["llm-d-staircase"].arrival_s, among["llm-d-staircase"].arrival_s)


def test_an_unknown_workload_is_refused_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"'servegen-day11'; known are azure-conv-x8, "):
        workloads.development(tmp_path, only=("servegen-day11",))


def test_every_development_workload_has_a_name() -> None:
    names = workloads.development_names()
    assert len(names) == 22
    assert {"servegen-day8", "servegen-burst-day", "servegen-day1", "servegen-mild-10"} <= set(names)
