from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.regression import KEPT, Fitted, fit, kept, profiled


def test_recovers_the_plane_that_the_samples_lie_on() -> None:
    places = [(0.0, 1e5), (500.0, 2e5), (2000.0, 5e4), (100.0, 0.0), (900.0, 1.5e5)]
    fitted = fit([(prefill, kv, 0.01 + 50e-6 * prefill + 80e-9 * kv) for prefill, kv in places])
    assert isinstance(fitted, Fitted)
    assert fitted.base_s == pytest.approx(0.01)
    assert fitted.per_prefill_token_s == pytest.approx(50e-6)
    assert fitted.per_kv_token_s == pytest.approx(80e-9)


def test_needs_five_samples() -> None:
    assert isinstance(fit([(float(number), 0.0, 0.01) for number in range(4)]), Missing)


def test_rejects_more_tokens_in_less_time() -> None:
    falling = [(100.0 * number, 50.0 * number**2, 0.1 - 0.01 * number) for number in range(6)]
    assert isinstance(fit(falling), Missing)


def test_a_token_that_never_varied_costs_nothing() -> None:
    fitted = fit([(100.0 * number, 7e4, 0.01 + 50e-6 * 100.0 * number) for number in range(6)])
    assert isinstance(fitted, Fitted)
    assert fitted.per_kv_token_s == 0.0
    assert fitted.per_prefill_token_s == pytest.approx(50e-6)


def test_a_benchmark_recovers_the_engine(engine: Engine) -> None:
    fitted = fit(profiled(engine))
    assert isinstance(fitted, Fitted)
    assert fitted.per_prefill_token_s == pytest.approx(49.5e-6)
    # The sequences of the benchmark hold 1000 tokens each: 79 ns + 30 µs/1000
    assert fitted.per_kv_token_s == pytest.approx(109e-9)


def test_chunks_are_iterations_of_their_own() -> None:
    fitted = Fitted(base_s=0.01, per_prefill_token_s=50e-6, per_kv_token_s=100e-9)
    # 5000 = 2048 + 2048 + 904 tokens: 3·(10 ms + 1 ms) + 250 ms
    seconds = fitted.chunked_s(np.array([5000.0, 2048.0, 0.0]), 2048, np.array([1e4, 1e4, 1e4]))
    assert seconds == pytest.approx([0.283, 0.1134, 0.0])


def test_the_oldest_of_the_fullest_cell_goes() -> None:
    rare = [(2000.0, 2e5, 0.2), (0.0, 2e5, 0.1)]
    usual = [(float(number), 1000.0 + number, 0.02) for number in range(62)]
    after = kept([*rare, *usual], (7.0, 1007.0, 0.03))
    assert len(after) == KEPT
    assert after[:2] == tuple(rare)
    assert usual[0] not in after
    assert after[-1] == (7.0, 1007.0, 0.03)


@given(st.lists(st.tuples(st.floats(0, 4096), st.floats(0, 3e5), st.floats(1e-3, 1.0)), max_size=90))
def test_memory_is_bounded_and_the_newest_sample_is_the_last(samples: list[tuple[float, float, float]]) -> None:
    held: tuple[tuple[float, float, float], ...] = ()
    for sample in samples:
        held = kept(held, sample)
    assert len(held) == min(KEPT, len(samples))
    assert held[-1:] == tuple(samples[-1:])
    assert isinstance(fit(held), Fitted | Missing)
