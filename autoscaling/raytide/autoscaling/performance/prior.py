"""What the coefficients of an engine look like before it was measured: their proportions, learnt from other engines.

Engines differ in speed more than in proportions: the cost of a sequence, of a KV token and of a prompt token relative
to the base. A prior holds those proportions and how they vary together, so that few points
are enough: they find the speed first, and correct a proportion only as far as they speak about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.coefficients import nonnegative
from raytide.autoscaling.performance.serving_point import ServingPoint, iteration_terms, tpots_s

NOISE: Final = 0.02
"""Relative error of a measured point beside which a prior is weighed; the median error of a fit is 2.1 %."""

_OUTLIER: Final = 0.03
"""A point further off than this pulls only in proportion (Huber), so that no single point bends a fit."""

_ROUNDS: Final = 4
_SHRINKAGE: Final = 0.1
_REFERENCE: Final = np.array([1.0, 16.0, 4.0, 16.0 * 1536.0, 15.0])
"""The terms of 16 requests of 1024 prompt and 1024 output tokens: engines are brought to one speed there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """Proportions of the five coefficients, in the order of `iteration_terms`."""

    mean: NDArray[np.float64]
    """Shape (5,), as multiples of the base."""
    whitening: NDArray[np.float64]
    """Shape (5, 5): what turns a deviation from the mean into five independent ones of variance one."""

    def solve(self, points: Sequence[ServingPoint]) -> NDArray[np.float64]:
        """The coefficients that explain the points and deviate least from the prior: seconds, shape (5,), none < 0.

        Least squares of the relative error, robust to single points; at least one point.
        """
        shares = _shares(points)
        scale = _scale(shares, self)
        return scale * _proportions(shares * scale, self)


SILICON: Final = Prior(
    mean=np.array([1.0, 1.921e-3, 0.1629, 1.537e-6, 3.756e-3]),
    whitening=np.array(
        [
            [2.594, 0.0, 0.0, 0.0, 0.0],
            [-0.1158, 360.2, 0.0, 0.0, 0.0],
            [2.01, 122.2, 12.33, 0.0, 0.0],
            [0.3927, 89.58, 7.874, 5.224e5, 0.0],
            [1.065, 23.02, 7.95, 1.82e5, 677.0],
        ]
    ),
)
"""What `learn` finds in 101 configurations of 12 models on H100, H200, B200, B300 and GB200 (1,795 serving points of
aiconfigurator's `silicon_sample.csv`, Apache-2.0)."""


def learn(groups: Sequence[Sequence[ServingPoint]]) -> Prior:
    """The prior that groups of points from different engines imply; at least two groups."""
    shares = [_shares(points) for points in groups]
    prior = _spread(np.array([_normalised(nonnegative(own, np.ones(len(own)))) for own in shares]))
    for _ in range(_ROUNDS):
        prior = _spread(np.array([_proportions(own * _scale(own, prior), prior) for own in shares]))
    return prior


def _shares(points: Sequence[ServingPoint]) -> NDArray[np.float64]:
    """The terms as multiples of the measured time: coefficients that explain it add up to one in every row."""
    return iteration_terms(points) / tpots_s(points)[:, None]


def _scale(shares: NDArray[np.float64], prior: Prior) -> float:
    """The factor by which the prior's mean explains the points best."""
    explained = shares @ prior.mean
    return float(explained.sum() / (explained @ explained))


def _proportions(shares: NDArray[np.float64], prior: Prior) -> NDArray[np.float64]:
    weights = np.ones(len(shares))
    for _ in range(_ROUNDS):
        rows = np.vstack([shares * weights[:, None], NOISE * prior.whitening])
        found = nonnegative(rows, np.concatenate([weights, NOISE * prior.whitening @ prior.mean]))
        weights = np.sqrt(np.minimum(1.0, _OUTLIER / np.maximum(abs(shares @ found - 1.0), 1e-12)))
    return found


def _normalised(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    return coefficients / (_REFERENCE @ coefficients)


def _spread(proportions: NDArray[np.float64]) -> Prior:
    """Mean and covariance over engines, shape (engines, 5); correlations shrink a little, so that it has an inverse."""
    deviation = proportions.std(axis=0) + 1e-9 * proportions.mean(axis=0)
    correlation = np.corrcoef((proportions / deviation).T)
    shrunk = (1 - _SHRINKAGE) * correlation + _SHRINKAGE * np.eye(len(deviation))
    whitening = np.linalg.inv(np.linalg.cholesky(shrunk)) / deviation
    mean = proportions.mean(axis=0)
    return Prior(mean=mean / mean[0], whitening=whitening * mean[0])
