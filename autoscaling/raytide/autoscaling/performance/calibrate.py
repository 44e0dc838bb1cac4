"""Coefficients corrected while an engine runs, from means over the iterations of about a second.

Recursive least squares of the relative error, in units of the prior's coefficients. What is forgotten is replaced by
the prior, so that a direction which the load does not excite returns to it and never drifts. Three guards:

- a sample that the uncertainty does not explain (innovation squared above χ² .975) does not count;
- surprises of one sign that keep coming are a change, not outliers: the uncertainty is reset to the prior's (CUSUM);
- no coefficient becomes negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.coefficients import as_iteration, coefficients_of, nonnegative
from raytide.autoscaling.performance.engine import Iteration

FORGETTING: Final = 0.995
"""Per sample: with one a second, half of what is known is from the last 139 s."""

NOISE: Final = 0.05
"""Relative standard deviation of a sample that the model explains."""

PRIOR_SPREAD: Final = 0.5
"""Relative standard deviation of a coefficient before the first sample."""

_BEFORE: Final = np.eye(5) / PRIOR_SPREAD**2
_RETURNS: Final = (1.0 - FORGETTING) * _BEFORE
"""What a sample puts back of the prior, for what it lets forget."""

GATE: Final = 5.024
"""The 97.5 % quantile of χ² with one degree of freedom."""

_STEP: Final = 3.0
"""No surprise counts for more standard deviations than this, so that a single one raises no alarm."""

_SLACK: Final = 1.0
_ALARM: Final = 8.0
"""Four full steps in a row, less the slack of each, raise the alarm; scattered outliers and normal noise do not."""

_TYPICAL: Final = np.array([1.0, 32.0, 32.0**0.5, 32_000.0, 256.0])
"""The terms of a batch of 32 sequences with 1,000 tokens each, beside 256 prompt tokens."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Means over some iterations of one engine."""

    terms: NDArray[np.float64]
    """1, n, √n, K and p; shape (5,)."""
    seconds: float
    """Of one iteration."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What is known of the coefficients; they are multiples of `unit`, in the order of a sample's terms."""

    unit: NDArray[np.float64]
    """Seconds, shape (5,)."""
    prior: NDArray[np.float64]
    """The mean before the first sample, shape (5,)."""
    information: NDArray[np.float64]
    """Inverse covariance, shape (5, 5)."""
    weighted: NDArray[np.float64]
    """The information times the unconstrained mean, shape (5,)."""
    multiples: NDArray[np.float64]
    """The most likely mean of which no coefficient is negative, shape (5,): solved once a sample, read thrice."""
    slower: float = 0.0
    """CUSUM of samples that took longer than predicted, in standard deviations."""
    faster: float = 0.0
    """CUSUM of samples that took less."""
    num_samples: int = 0
    num_rejected: int = 0
    num_resets: int = 0

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """The most likely ones of which none is negative, in seconds, shape (5,)."""
        return self.unit * self.multiples

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Of the coefficients, in seconds squared, shape (5, 5)."""
        covariance: NDArray[np.float64] = np.linalg.inv(self.information) * np.outer(self.unit, self.unit)
        return covariance

    @property
    def iteration(self) -> Iteration:
        """The estimate by name."""
        return as_iteration(self.coefficients)

    def deviation_s(self, terms: NDArray[np.float64]) -> float:
        """Standard deviation of the predicted iteration time of a batch with these terms."""
        scaled = terms * self.unit
        return math.sqrt(float(scaled @ np.linalg.solve(self.information, scaled)))

    def pessimistic(self, terms: NDArray[np.float64], deviations: float) -> Iteration:
        """The most likely of the iterations that are slower by this many standard deviations at a batch.

        `terms` are those of the batch at which a replica will work: sizing with this iteration keeps a margin where
        little is known, and hardly any where much is.
        """
        towards = self.covariance @ terms
        return as_iteration(np.maximum(self.coefficients + deviations * towards / math.sqrt(terms @ towards), 0.0))


def begin(iteration: Iteration) -> Calibration:
    """What is known before the first sample.

    A coefficient that is zero beforehand may still turn out to be there: its unit is a tenth of the base in a typical
    batch.
    """
    before = coefficients_of(iteration)
    unit = np.where(before > 0, before, 0.1 * iteration.base_s / _TYPICAL)
    prior = before / unit
    weighted = _BEFORE @ prior
    multiples = _most_likely(_BEFORE, weighted)
    return Calibration(unit=unit, prior=prior, information=_BEFORE, weighted=weighted, multiples=multiples)


def sample_of(iterations: Iterations) -> Sample | Missing:
    """The means behind an observation's sums; missing where nothing ran."""
    if not iterations.num or iterations.seconds <= 0:
        return Missing(reason="no iteration ran")
    sums = (iterations.sequences, iterations.root_sequences, iterations.kv_tokens, iterations.prefill_tokens)
    terms = np.array([float(iterations.num), *sums]) / iterations.num
    return Sample(terms=terms, seconds=iterations.seconds / iterations.num)


def update(calibration: Calibration, sample: Sample) -> Calibration:
    """What is known after one more sample."""
    surprise = surprise_of(calibration, sample)
    slower, faster = _alarms(calibration, surprise)
    if max(slower, faster) > _ALARM:
        calibration, slower, faster = _reset(calibration), 0.0, 0.0
        surprise = surprise_of(calibration, sample)
    num_samples = calibration.num_samples + 1
    if surprise**2 > GATE:
        num_rejected = calibration.num_rejected + 1
        return replace(calibration, slower=slower, faster=faster, num_samples=num_samples, num_rejected=num_rejected)
    information, weighted = _learnt(calibration, sample)
    return replace(
        calibration,
        information=information,
        weighted=weighted,
        multiples=_most_likely(information, weighted),
        slower=slower,
        faster=faster,
        num_samples=num_samples,
    )


def _most_likely(information: NDArray[np.float64], weighted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean, with zeros where it would be negative if that is the optimum, as it mostly is; else by its search."""
    mean = np.linalg.solve(information, weighted).astype(np.float64)
    if mean.min() >= 0:
        return mean
    kept = mean > 0
    mean = np.zeros(kept.size)
    mean[kept] = np.linalg.solve(information[kept][:, kept], weighted[kept])
    falls = weighted - information @ mean  # nothing is won by a coefficient above zero
    if mean.min() >= 0 and falls[~kept].max() <= 0:
        return mean
    root = np.linalg.cholesky(information).astype(np.float64)
    return nonnegative(root.T, np.linalg.solve(root, weighted).astype(np.float64))


def surprise_of(calibration: Calibration, sample: Sample) -> float:
    """How much longer the sample took than predicted, in standard deviations of what the calibration allows for."""
    predicted_s = float(calibration.coefficients @ sample.terms)
    allowed_s = math.hypot(NOISE * predicted_s, calibration.deviation_s(sample.terms))
    return (sample.seconds - predicted_s) / allowed_s


def _alarms(calibration: Calibration, surprise: float) -> tuple[float, float]:
    """The CUSUMs of slower and of faster samples, with this surprise."""
    step = min(max(surprise, -_STEP), _STEP)
    return max(0.0, calibration.slower + step - _SLACK), max(0.0, calibration.faster - step - _SLACK)


def _reset(calibration: Calibration) -> Calibration:
    """The estimate as the mean, and the uncertainty of the beginning."""
    weighted = _BEFORE @ (calibration.coefficients / calibration.unit)
    return replace(
        calibration,
        information=_BEFORE,
        weighted=weighted,
        multiples=_most_likely(_BEFORE, weighted),
        num_resets=calibration.num_resets + 1,
    )


def _learnt(calibration: Calibration, sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The information with the sample's, and that times the mean."""
    predicted_s = float(calibration.coefficients @ sample.terms)
    row = sample.terms * calibration.unit / predicted_s / NOISE
    information = FORGETTING * calibration.information + _RETURNS + row[:, None] * row
    weighted = (
        FORGETTING * calibration.weighted + _RETURNS @ calibration.prior + row * sample.seconds / predicted_s / NOISE
    )
    return information, weighted
