"""The iteration time of an engine from measured serving points, and how far such a fit is off elsewhere.

A fit is judged on points that it has not seen: one point, all points of one prompt and output length, or the highest
concurrency of all. Repeats of a point are left out with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.coefficients import as_iteration
from raytide.autoscaling.performance.engine import Iteration
from raytide.autoscaling.performance.prior import SILICON, Prior
from raytide.autoscaling.performance.serving_point import ServingPoint, iteration_terms, tpots_s
from raytide.core.errors import RaytideError

MIN_TRAINING_POINTS = 5
"""Fewer points than coefficients are no test of a form; the fit itself accepts any number."""

Points = Sequence[ServingPoint]
Folds = Callable[[Points], Iterator[tuple[Points, Points]]]


class NothingToFit(RaytideError):
    """Serving points of which none says how long an iteration takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """An iteration and its error on points left out one at a time, as fractions."""

    iteration: Iteration
    num_points: int
    num_overflowing: int
    """Points that were dropped because requests waited for a place in the batch."""
    loo_mape: float
    """Mean; NaN with fewer than two points."""
    loo_p95: float
    """95th percentile; NaN with fewer than two points."""


def fit(points: Points, prior: Prior = SILICON) -> Fit:
    """The iteration that explains the points, with its leave-one-out error.

    Raises:
        NothingToFit: no point is left once those that overflow are dropped.
    """
    kept = steady_points(points)
    if not kept:
        raise NothingToFit(
            f"None of {len(points)} serving points was measured with every request in the batch; "
            "measure at a lower concurrency."
        )
    errors = errors_of(kept, prior, one_point)
    return Fit(
        iteration=as_iteration(prior.solve(kept)),
        num_points=len(kept),
        num_overflowing=len(points) - len(kept),
        loo_mape=float(errors.mean()) if len(errors) else float("nan"),
        loo_p95=float(np.quantile(errors, 0.95)) if len(errors) else float("nan"),
    )


def steady_points(points: Points) -> Points:
    """The points at which every request had a place in the batch."""
    return [point for point in points if not point.overflows]


def errors_of(points: Points, prior: Prior, folds: Folds) -> NDArray[np.float64]:
    """Relative errors of TPOT at all points that the folds leave out, shape (points left out,), none negative."""
    errors = [_errors(prior.solve(training), left_out) for training, left_out in folds(points)]
    return np.concatenate(errors) if errors else np.empty(0)


def one_point(points: Points) -> Iterator[tuple[Points, Points]]:
    """Leave out each operating point in turn."""
    return _without(points, lambda point: (point.shape, point.concurrency), at_least=1)


def one_shape(points: Points) -> Iterator[tuple[Points, Points]]:
    """Leave out all points of one prompt and output length in turn."""
    return _without(points, lambda point: point.shape, at_least=MIN_TRAINING_POINTS)


def top_concurrency(points: Points) -> Iterator[tuple[Points, Points]]:
    """Leave out the points of the highest concurrency."""
    top = max(point.concurrency for point in points)
    for training, left_out in _without(points, lambda point: point.concurrency, at_least=MIN_TRAINING_POINTS):
        if left_out[0].concurrency == top:
            yield training, left_out


def _without(
    points: Points, key: Callable[[ServingPoint], object], *, at_least: int
) -> Iterator[tuple[Points, Points]]:
    for value in dict.fromkeys(map(key, points)):
        training = [point for point in points if key(point) != value]
        if len(training) >= at_least:
            yield training, [point for point in points if key(point) == value]


def _errors(coefficients: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = abs(iteration_terms(points) @ coefficients / tpots_s(points) - 1.0)
    return errors
