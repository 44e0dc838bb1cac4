"""How far the closed form is off on measured engines that its prior has not seen.

The prior of each configuration is learnt from the configurations of all other models, so that neither the points left
out nor another machine with the same model has told it anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.performance.fit import Folds, errors_of, one_point, one_shape, steady_points, top_concurrency
from raytide.autoscaling.performance.prior import Prior, learn
from raytide.autoscaling.performance.silicon import Configuration

LEAST_POINTS: Final = 10
"""A configuration with fewer is not judged."""

FOLDS: Final[dict[str, Folds]] = {
    "one point": one_point,
    "one shape": one_shape,
    "top concurrency": top_concurrency,
}
"""What is left out, by name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fidelity:
    """Relative TPOT errors over all points that were left out of their fit."""

    left_out: str
    errors: NDArray[np.float64]
    """Shape (points left out,), none negative."""
    num_configurations: int

    @property
    def mean(self) -> float:
        """Mean absolute relative error."""
        return float(self.errors.mean())

    def quantile(self, q: float) -> float:
        """Quantile of the absolute relative error."""
        return float(np.quantile(self.errors, q))


def judged(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """The configurations with enough points at which no request waited for a place in the batch; with those only."""
    steady = (Configuration(key=one.key, points=tuple(steady_points(one.points))) for one in configurations)
    return tuple(one for one in steady if len(one.points) >= LEAST_POINTS)


def fidelity(configurations: Sequence[Configuration]) -> tuple[Fidelity, ...]:
    """The errors with each kind of points left out; configurations of at least three models."""
    priors = _priors(configurations)
    return tuple(
        Fidelity(
            left_out=name,
            errors=np.concatenate([errors_of(one.points, priors[one.model], folds) for one in configurations]),
            num_configurations=len(configurations),
        )
        for name, folds in FOLDS.items()
    )


def _priors(configurations: Sequence[Configuration]) -> dict[str, Prior]:
    """By model: what all other models imply."""
    models = dict.fromkeys(one.model for one in configurations)
    return {model: learn([one.points for one in configurations if one.model != model]) for model in models}
