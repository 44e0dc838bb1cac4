"""WVA's calibration: an extended Kalman filter on (α, β, γ) from the mean TTFT and the mean time per token.

Source: llm-d/llm-d-workload-variant-autoscaler, internal/engines/analyzers/queueingmodel/tuner, and the defaults of its
forerunner llm-inferno (5 % change of the state per step, 5 % error at 1.96 deviations, state within 0.1 to 10 times its
beginning). The observation h(x) is the queueing model's (wait + prefill, time per token); an update is rejected where

    yᵀ·S⁻¹·y ≥ 7.378    with y the innovation and S = H·P·Hᵀ + R its covariance

with the covariance as it was, so a lasting change beyond the gate is never learnt. Simplified: the derivative H is a
difference of 0.1 %, and R scales with the means just seen, not with those that a configuration expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths
from raytide.autoscaling.simulate.baselines.queueing import Queue, Service

MAX_NIS: Final = 7.378
CHANGE: Final = 0.05
ERROR: Final = 0.05
DEVIATIONS: Final = 1.96
LEAST: Final = 0.1
MOST: Final = 10.0
STEP: Final = 1e-3
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One replica's traffic and means over one interval."""

    rate_rps: float
    lengths: Lengths
    ttft_s: float
    token_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuner:
    """The estimate of (α, β, γ), its covariance, and what it began from."""

    estimate: Vector
    covariance: Vector
    began: Vector

    @property
    def service(self) -> Service:
        """The estimate by name."""
        alpha, beta, gamma = self.estimate.tolist()
        return Service(alpha_s=alpha, beta_s=beta, gamma_s=gamma)

    def update(self, measured: Measured, max_batch: int) -> Tuner:
        """The estimate after these means; this one where they are an outlier, or beyond what the model can serve."""
        expected = _expected(self.estimate, measured, max_batch)
        if expected is None:
            return self
        seen = np.array([measured.ttft_s, measured.token_s])
        innovation = seen - expected
        slopes = _slopes(self.estimate, expected, measured, max_batch)
        predicted = self.covariance + _change(self.began)
        noise = np.diag((ERROR / DEVIATIONS * seen) ** 2)
        spread = np.linalg.inv(slopes @ predicted @ slopes.T + noise)
        if float(innovation @ spread @ innovation) >= MAX_NIS:
            return self
        gain = predicted @ slopes.T @ spread
        return self._accepted(self.estimate + gain @ innovation, predicted - gain @ slopes @ predicted)

    def _accepted(self, estimate: Vector, covariance: Vector) -> Tuner:
        within = np.clip(estimate, LEAST * self.began, MOST * self.began)
        return Tuner(estimate=within, covariance=covariance, began=self.began)


def tuner_of(engine: Engine) -> Tuner:
    """A filter that begins from the engine as declared or measured."""
    iteration = engine.iteration
    began = np.maximum([iteration.base_s, iteration.per_prefill_token_s, iteration.per_kv_token_s], 1e-12)
    return Tuner(estimate=began, covariance=_change(began), began=began)


def _change(state: Vector) -> Vector:
    return np.diag((CHANGE * state) ** 2)


def _expected(state: Vector, measured: Measured, max_batch: int) -> Vector | None:
    alpha, beta, gamma = state.tolist()
    service = Service(alpha_s=alpha, beta_s=beta, gamma_s=gamma)
    queue = Queue.of(service, measured.lengths, max_batch)
    if measured.rate_rps > queue.highest_rps:
        return None
    latency = queue.at(measured.rate_rps)
    return np.array([latency.wait_s + latency.prefill_s, latency.token_s])


def _slopes(state: Vector, expected: Vector, measured: Measured, max_batch: int) -> Vector:
    columns = []
    for place in range(len(state)):
        moved = state.copy()
        # Downwards: the model then only gets faster, and the rate stays one that it can serve.
        moved[place] *= 1.0 - STEP
        nearby = _expected(moved, measured, max_batch)
        assert nearby is not None
        columns.append((expected - nearby) / (STEP * state[place]))
    return np.stack(columns, axis=1)
