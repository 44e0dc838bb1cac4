"""The relaxation of a covering in closed form, where one row alone decides it, as the work does but at a bound.

What costs least per unit of the row comes first, and the last column in part: no solver is asked. The optimum with one
row is the optimum with all of them where it happens to keep the others.
"""

from __future__ import annotations

import numpy as np

from raytide.autoscaling.optimise.covering import TIE, Covering
from raytide.autoscaling.optimise.program import Floats, Solution


def filled(covering: Covering) -> Solution | None:
    """The optimum where fractions are allowed; None where another row than the first binds, or a column is free."""
    row, need = covering.rows[0], float(covering.needs[0])
    if covering.costs.min() <= TIE:
        return None
    order = np.flatnonzero((row > 0) & (covering.most > 0))
    usd_per_unit = covering.costs[order] / row[order]
    cheapest_first = usd_per_unit.argsort(kind="stable")
    order = order[cheapest_first]
    adds = row[order] * covering.most[order]
    last = int(adds.cumsum().searchsorted(need))
    if need <= 0 or last == len(order):
        return None
    x = np.zeros(covering.costs.size)
    x[order[:last]] = covering.most[order[:last]]
    x[order[last]] = (need - float(adds[:last].sum())) / row[order[last]]
    return _decided(covering, x, float(usd_per_unit[cheapest_first[last]]))


def _decided(covering: Covering, x: Floats, usd_per_unit: float) -> Solution | None:
    """The filled columns with the price of the first row's last unit, if they keep the other rows."""
    if not (covering.rows[1:] @ x >= covering.needs[1:]).all():
        return None
    cost = float(covering.costs @ x)
    return Solution(x=x, duals=np.array([usd_per_unit] + [0.0] * (len(covering.rows) - 1)), cost=cost, bound=cost)
