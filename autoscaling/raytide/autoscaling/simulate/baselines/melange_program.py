"""Mélange's program for variants that compete, solved by HiGHS through scipy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


def solve(loads: Mapping[str, tuple[float, ...]], usd_per_hour: Mapping[str, float]) -> dict[str, int]:
    """Replicas of each variant: the cheapest that hold every cell.

    Variables are the share of each cell on each variant, cell by cell, and then the replicas of each variant.
    """
    names, load = list(loads), np.array(list(loads.values())).T  # shape (cells, variants)
    num_cells, num_variants = load.shape
    num_shares = num_cells * num_variants
    price = np.concatenate([np.zeros(num_shares), [usd_per_hour[name] for name in names]])
    whole = np.zeros((num_cells, num_shares + num_variants))
    held = np.zeros((num_variants, num_shares + num_variants))
    for cell in range(num_cells):
        for variant in range(num_variants):
            whole[cell, cell * num_variants + variant] = 1.0
            held[variant, cell * num_variants + variant] = load[cell, variant]
    held[:, num_shares:] = -np.eye(num_variants)
    solved = milp(
        price,
        constraints=[LinearConstraint(whole, 1.0, 1.0), LinearConstraint(held, -np.inf, 0.0)],
        integrality=np.concatenate([np.zeros(num_shares), np.ones(num_variants)]),
        bounds=Bounds(0.0, np.concatenate([np.ones(num_shares), np.full(num_variants, np.inf)])),
    )
    assert solved.x is not None, "every variant can hold every cell, so a mix exists"
    return {name: round(number) for name, number in zip(names, solved.x[num_shares:], strict=True)}
