from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.latency import NO_LATENCIES, Latencies
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, engine_of, mean_s


def test_traffic_forgets_what_is_as_old_as_its_window(demand: Callable[..., Any]) -> None:
    traffic = Traffic(length_s=60.0)
    for tick in range(6):
        traffic = traffic.add(demand(arrivals=10 * (tick + 1), span_s=20.0), 20.0 * tick)
    # At 100 s: what was seen at 60, 80 and 100 s, 40 + 50 + 60 in 60 s
    assert traffic.sums.arrivals == 150
    assert traffic.rate_rps == pytest.approx(2.5)


@given(arrivals=st.lists(st.integers(0, 500), min_size=1, max_size=40))
def test_running_sums_are_the_sums_of_the_window(arrivals: list[int], demand: Callable[..., Any]) -> None:
    traffic = Traffic(length_s=100.0)
    for tick, number in enumerate(arrivals):
        traffic = traffic.add(demand(arrivals=number, span_s=15.0), 15.0 * tick)
    window = arrivals[-7:]
    assert traffic.sums.arrivals == sum(window)
    assert traffic.sums.prompt_tokens == 1000.0 * sum(window)
    assert traffic.sums.span_s == pytest.approx(15.0 * len(window))


def test_lengths_stay_known_while_nothing_finishes(demand: Callable[..., Any]) -> None:
    traffic = Traffic(length_s=30.0)
    assert isinstance(traffic.lengths, Missing)
    traffic = traffic.add(demand(arrivals=10, prompt_tokens=800.0, output_tokens=100.0), 0.0)
    for tick in range(1, 5):
        traffic = traffic.add(demand(arrivals=0), 15.0 * tick)
    assert traffic.lengths == Lengths(prompt_tokens=800.0, output_tokens=100.0)
    assert isinstance(traffic.sums.lengths(), Missing)


def test_a_mean_latency_is_known_to_the_width_of_a_bin() -> None:
    assert mean_s(Latencies.of([0.1] * 30 + [0.4] * 10)) == pytest.approx(0.175, rel=0.026)
    assert isinstance(mean_s(NO_LATENCIES), Missing)


def test_a_measured_engine_beats_the_declared_one(
    view: Callable[..., Any], terms: Callable[..., Any], engine: Engine
) -> None:
    assert engine_of(view(), terms()) is engine
    faster = type(engine)(iteration=engine.iteration, kv_capacity_tokens=300_000)
    assert engine_of(view(engine=faster), terms()) is faster
