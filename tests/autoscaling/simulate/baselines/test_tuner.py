from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths
from raytide.autoscaling.simulate.baselines.queueing import Queue, Service
from raytide.autoscaling.simulate.baselines.tuner import Measured, Tuner, tuner_of

CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)


def measured(service: Service, rate_rps: float) -> Measured:
    latency = Queue.of(service, CHAT, 256).at(rate_rps)
    ttft_s = latency.wait_s + latency.prefill_s
    return Measured(rate_rps=rate_rps, lengths=CHAT, ttft_s=ttft_s, token_s=latency.token_s)


def test_begins_from_the_engine(engine: Engine) -> None:
    assert tuner_of(engine).service == Service(alpha_s=13.5e-3, beta_s=49.5e-6, gamma_s=79e-9)


def test_follows_an_engine_that_is_slower_than_declared(engine: Engine) -> None:
    tuner = tuner_of(engine)
    slower = Service(alpha_s=14.4e-3, beta_s=52e-6, gamma_s=83e-9)
    for rate_rps in [2.0, 4.0, 6.0, 3.0, 5.0] * 12:
        tuner = tuner.update(measured(slower, rate_rps), 256)
    for rate_rps in (2.5, 5.5):
        expected, seen = measured(tuner.service, rate_rps), measured(slower, rate_rps)
        assert expected.token_s == pytest.approx(seen.token_s, rel=0.01)
        assert expected.ttft_s == pytest.approx(seen.ttft_s, rel=0.01)


def test_a_lasting_change_beyond_the_gate_is_an_outlier_each_time(engine: Engine) -> None:
    # As in the product: a rejected update leaves the covariance as it was, so the gate never widens.
    tuner = tuner_of(engine)
    much_slower = Service(alpha_s=20e-3, beta_s=70e-6, gamma_s=110e-9)
    for _ in range(10):
        tuner = tuner.update(measured(much_slower, 4.0), 256)
    assert tuner.service == tuner_of(engine).service


def test_an_outlier_is_rejected(engine: Engine) -> None:
    tuner = tuner_of(engine)
    usual = measured(tuner.service, 4.0)
    assert tuner.update(replace(usual, ttft_s=50.0 * usual.ttft_s, token_s=0.2 * usual.token_s), 256) is tuner
    assert tuner.update(replace(usual, token_s=1.05 * usual.token_s), 256) is not tuner


def test_a_rate_beyond_what_the_model_serves_teaches_nothing(engine: Engine) -> None:
    tuner = tuner_of(engine)
    assert tuner.update(Measured(rate_rps=500.0, lengths=CHAT, ttft_s=9.0, token_s=0.1), 256) is tuner


def test_the_estimate_stays_within_a_tenth_and_ten_times_of_where_it_began(engine: Engine) -> None:
    began = tuner_of(engine)
    loose = Tuner(estimate=began.estimate, covariance=1e6 * began.covariance, began=began.began)
    after = loose.update(Measured(rate_rps=1.0, lengths=CHAT, ttft_s=5.0, token_s=1.0), 256)
    assert after is not loose
    assert np.all(after.estimate <= 10.0 * began.began)
    assert np.all(after.estimate >= 0.1 * began.began)
