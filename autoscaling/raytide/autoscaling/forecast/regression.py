"""A linear forecast that learns which of several levels tells most, and how far they return to the mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE: Final = 0.03
"""Strength of the prior, as a share of the mean square of the shortest level."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regression:
    """Weighted least squares with forgetting, pulled toward a prior."""

    moments: Floats
    """Sum of feature products; shape (features, features). The first feature is one."""
    targets: Floats
    """Sum of features times target; shape (features,)."""
    prior: Floats
    """The coefficients before anything is known; shape (features,)."""
    half_life_s: float

    @classmethod
    def toward(cls, prior: Floats, half_life_s: float) -> Regression:
        """Nothing seen yet."""
        num = len(prior)
        return cls(moments=np.zeros((num, num)), targets=np.zeros(num), prior=prior, half_life_s=half_life_s)

    def after(self, elapsed_s: float, features: Floats, targets: Floats, weights: Floats) -> Regression:
        """With targets that the same features preceded."""
        kept, seen = 0.5 ** (elapsed_s / self.half_life_s), float(weights.sum())
        return replace(
            self,
            moments=self.moments * kept + seen * (features[:, None] * features),
            targets=self.targets * kept + float(weights @ targets) * features,
        )

    def predict(self, features: Floats) -> float:
        """The target to expect."""
        return float(self._coefficients() @ features)

    def _coefficients(self) -> Floats:
        seen = self.moments[0, 0]
        if seen <= 0:
            return self.prior
        strength = np.full(len(self.prior), RIDGE * max(self.moments[1, 1], 1e-6 * seen))
        strength[0] *= 1e-6  # the mean is learnt freely
        pulled = self.moments + np.diag(strength)
        coefficients: Floats = np.linalg.solve(pulled, self.targets + strength * self.prior)
        return coefficients
