"""Dynamo's predictors of the next interval: the last value, an autoregression, and a Kalman filter with a trend.

Source: ai-dynamo/dynamo, components/src/dynamo/planner/core/load/predictors.py. Values before the first that is not
zero are skipped; below 5 values the autoregression predicts the last one.

    constant    x̂ = x_t
    arima       x̂ of AR(p) on the d-th differences, p ≤ 3, d ≤ 1, of least AIC; on log(1 + x) where p = 0 is chosen
    kalman      level and trend, x' = x + v, with variances 1.0 of the level, 0.1 of the trend, 10 of a value

Kinder than the product, which fixes the order of its ARIMA at its first fit: here each prediction chooses it again over
the last 64 values. Without moving-average terms, whose place a longer autoregression takes; Prophet is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

KEPT: Final = 64
LEAST: Final = 5
MOST_LAGS: Final = 3
MOST_LOG: Final = 700.0
"""Of a prediction; the exponential of more is no number."""
Q_LEVEL: Final = 1.0
Q_TREND: Final = 0.1
R_VALUE: Final = 10.0
FIRST_VARIANCE: Final = 1000.0


class Kind(StrEnum):
    """How the next value is predicted."""

    CONSTANT = "constant"
    ARIMA = "arima"
    KALMAN = "kalman"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A Kalman filter's level and trend, with their covariance."""

    level: float
    trend: float = 0.0
    level_variance: float = FIRST_VARIANCE
    covariance: float = 0.0
    trend_variance: float = FIRST_VARIANCE

    def ahead(self) -> Trend:
        """One interval later."""
        return Trend(
            level=self.level + self.trend,
            trend=self.trend,
            level_variance=self.level_variance + 2.0 * self.covariance + self.trend_variance + Q_LEVEL,
            covariance=self.covariance + self.trend_variance,
            trend_variance=self.trend_variance + Q_TREND,
        )

    def corrected(self, value: float) -> Trend:
        """After a value was seen."""
        spread = self.level_variance + R_VALUE
        gain, trend_gain = self.level_variance / spread, self.covariance / spread
        missed = value - self.level
        return Trend(
            level=self.level + gain * missed,
            trend=self.trend + trend_gain * missed,
            level_variance=(1.0 - gain) * self.level_variance,
            covariance=(1.0 - gain) * self.covariance,
            trend_variance=self.trend_variance - trend_gain * self.covariance,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The values of one quantity, oldest first, and how the next one is predicted."""

    kind: Kind
    values: tuple[float, ...] = ()
    trend: Trend | None = None

    def add(self, value: float) -> Series:
        """The series with one more value; nothing where it is a zero before the first traffic."""
        if not self.values and value == 0.0:
            return self
        trend = Trend(level=value) if self.trend is None else self.trend.ahead().corrected(value)
        return replace(self, values=(*self.values, value)[-KEPT:], trend=trend)

    def next(self) -> float:
        """The predicted value; 0 of an empty series, and never below 0."""
        if not self.values or self.trend is None:
            return 0.0
        if self.kind is Kind.KALMAN:
            return max(0.0, self.trend.ahead().level)
        if self.kind is Kind.CONSTANT or len(self.values) < LEAST or len(set(self.values)) == 1:
            return self.values[-1]
        return autoregressed(np.array(self.values))


def autoregressed(values: NDArray[np.float64]) -> float:
    """The next value by the autoregression of least AIC, on a log scale where that one has no lags."""
    raw, lags = _best(values)
    if lags:
        return max(0.0, raw)
    return max(0.0, math.expm1(min(_best(np.log1p(values))[0], MOST_LOG)))


def _best(values: NDArray[np.float64]) -> tuple[float, int]:
    fits = []
    for differences in (0, 1):
        series = np.diff(values, differences)
        for lags in range(min(MOST_LAGS, (len(series) - 2) // 2) + 1):
            aic, following = _fit(series, lags)
            fits.append((aic, following + (values[-1] if differences else 0.0), lags))
    _, following, lags = min(fits)
    return float(following), lags


def _fit(series: NDArray[np.float64], lags: int) -> tuple[float, float]:
    """AIC per value, and the value that follows."""
    seen = series[lags:]
    columns = [np.ones(len(seen)), *(series[lags - lag : len(series) - lag] for lag in range(1, lags + 1))]
    weights, *_ = np.linalg.lstsq(np.stack(columns, axis=1), seen, rcond=None)
    missed = seen - np.stack(columns, axis=1) @ weights
    variance = max(1e-12, float(missed @ missed) / len(seen))
    # Per value, because a difference or a lag leaves one value fewer to explain.
    aic = math.log(variance) + 2.0 * (lags + 1) / len(seen)
    return aic, float(weights[0] + weights[1:] @ series[::-1][:lags])
