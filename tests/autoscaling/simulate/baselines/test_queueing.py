from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.measured import Lengths
from raytide.autoscaling.simulate.baselines.queueing import Queue, Service

SERVICE = Service(alpha_s=13.5e-3, beta_s=49.5e-6, gamma_s=79e-9)
CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)


def test_an_iteration_grows_with_computed_and_with_held_tokens() -> None:
    # (I + O)/(O + 1) = 1200/201 = 5.970; I + O/2 = 1100
    # 13.5 ms + 10·(49.5 µs·5.970 + 79 ns·1100) = 13.5 + 10·(0.29552 + 0.0869) = 17.324 ms
    assert SERVICE.iteration_s(CHAT, 10.0) == pytest.approx(17.324e-3, abs=1e-6)
    # + (49.5 µs + 79 ns)·1000 = 49.579 ms
    assert SERVICE.prefill_s(CHAT, 10.0) == pytest.approx(66.903e-3, abs=1e-6)
    # + 49.5 µs + 79 ns·1100 = 0.1364 ms
    assert SERVICE.decode_s(CHAT, 10.0) == pytest.approx(17.461e-3, abs=1e-6)


def test_the_service_rate_of_a_batch_is_its_size_over_the_time_of_one_request() -> None:
    rates = Queue.of(SERVICE, CHAT, 20).rates_rps
    assert rates[9] == pytest.approx(10.0 / (SERVICE.prefill_s(CHAT, 10.0) + 200.0 * SERVICE.decode_s(CHAT, 10.0)))


@given(st.integers(1, 40), st.floats(0.01, 0.999))
def test_the_tail_in_closed_form_is_the_sum_over_all_states(max_batch: int, load: float) -> None:
    queue = Queue.of(SERVICE, CHAT, max_batch)
    rate = queue.highest_rps * load
    states = np.arange(11 * max_batch + 1)
    logs = [0.0]
    for number in range(1, len(states)):
        logs.append(logs[-1] + np.log(rate / queue.rates_rps[min(number, max_batch) - 1]))
    chances = np.exp(np.array(logs) - max(logs))
    chances /= chances.sum()
    in_service = float(np.minimum(states, max_batch) @ chances)
    in_queue = float(np.maximum(states - max_batch, 0) @ chances)
    latency = queue.at(rate)
    throughput = rate * (1.0 - chances[-1])
    assert latency.throughput_rps == pytest.approx(throughput)
    assert latency.wait_s == pytest.approx(in_queue / throughput, rel=1e-6, abs=1e-12)
    # One request in service takes its prefill and all its tokens.
    whole_s = latency.prefill_s + CHAT.output_tokens * latency.token_s
    assert whole_s == pytest.approx(in_service / throughput, rel=1e-6)


@given(st.floats(0.02, 0.2), st.floats(0.2, 5.0))
def test_the_highest_rate_keeps_both_bounds_and_a_higher_one_does_not(token_s: float, ttft_s: float) -> None:
    queue = Queue.of(SERVICE, CHAT, 64)
    rate = queue.highest_within(ttft_s, token_s)
    assert not isinstance(rate, Missing)
    assert queue.at(rate).ttft_s <= ttft_s
    assert queue.at(rate).token_s <= token_s
    above = queue.at(min(rate * 1.0001, queue.highest_rps))
    assert rate == queue.highest_rps or above.ttft_s > ttft_s or above.token_s > token_s


def test_a_bound_below_an_idle_iteration_is_met_at_no_rate() -> None:
    assert isinstance(Queue.of(SERVICE, CHAT, 64).highest_within(2.0, 0.01), Missing)
