"""A distribution that forgets: weights on a fixed grid, of which half is gone after a half-life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decayed:
    """Weights of values; constant in size whatever it has seen."""

    grid: Floats
    """Upper edges of the cells, rising; the last cell also holds everything above. Shape (cells,)."""
    weights: Floats
    half_life_s: float

    @classmethod
    def on(cls, grid: Floats, half_life_s: float) -> Decayed:
        """Nothing seen yet."""
        return cls(grid=grid, weights=np.zeros(len(grid)), half_life_s=half_life_s)

    @property
    def total(self) -> float:
        """The weight of everything that is not forgotten."""
        return float(self.weights.sum())

    def after(self, elapsed_s: float, values: Floats, weights: Floats) -> Decayed:
        """Older by `elapsed_s`, and with these values."""
        cells = np.minimum(self.grid.searchsorted(values), len(self.grid) - 1)
        added = np.bincount(cells, weights=weights, minlength=len(self.grid))
        kept = 0.5 ** (elapsed_s / self.half_life_s)
        return Decayed(grid=self.grid, weights=self.weights * kept + added, half_life_s=self.half_life_s)

    def quantile(self, q: float) -> float | None:
        """The upper edge of the cell in which a share `q` is reached; None where nothing was seen."""
        reached = self.weights.cumsum()
        if reached[-1] <= 0:
            return None
        cell = min(int(reached.searchsorted(q * reached[-1])), len(self.grid) - 1)
        return float(self.grid[cell])

    def quantiles(self, shares: Floats) -> Floats | None:
        """The same for several shares at once."""
        reached = self.weights.cumsum()
        if reached[-1] <= 0:
            return None
        cells = np.minimum(reached.searchsorted(shares * reached[-1]), len(self.grid) - 1)
        found: Floats = self.grid[cells]
        return found

    def share_above(self, values: Floats) -> Floats:
        """The share of the weight in the cell of each value and above it; zero where nothing was seen."""
        below = np.zeros(len(self.grid) + 1)
        self.weights.cumsum(out=below[1:])
        if below[-1] <= 0:
            return np.zeros(len(values))
        shares: Floats = 1.0 - below[self.grid.searchsorted(values)] / below[-1]
        return shares
