"""The cheapest whole counts: one relaxation, then a dive, then a sweep, and an integer program where both gave up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.optimise.covering import Counts, Covering, Effort, Found
from raytide.autoscaling.optimise.dive import dive
from raytide.autoscaling.optimise.filling import filled
from raytide.autoscaling.optimise.program import Floats, Program, Rows, relaxed, whole
from raytide.autoscaling.optimise.sweep import sweep
from raytide.autoscaling.optimise.tree import Reduced, tree_of

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covered:
    """The best counts found, and a proof of how good they are."""

    counts: Counts
    bound: float
    """No counts cost less; equals the cost where optimality was proved."""


def cheapest(covering: Covering, effort: Effort) -> Covered | None:
    """The best counts, proved to within the gap of `effort` where its limits allow; None where none were found."""
    relaxation = filled(covering) or relaxed(_program(covering))
    if relaxation is None:
        return None
    reduced = Reduced.of(covering, relaxation)
    found = Found(counts=None, cost=np.inf).better(covering, _trimmed(covering, covering.now))
    found = found.better(covering, _trimmed(covering, np.ceil(relaxation.x - 1e-7).astype(np.int64)))
    if _gap(found.cost, reduced.bound) < effort.gap:
        return _covered(found, reduced.bound)
    found = dive(covering, tree_of(covering, reduced, found.cost), found, effort.max_nodes)
    if found.is_complete or _gap(found.cost, reduced.bound) <= effort.gap:
        return _covered(found, found.cost if found.is_complete else reduced.bound)
    found = sweep(covering, tree_of(covering, reduced, found.cost), found, effort.gap, effort.max_states)
    if found.is_complete:
        return _covered(found, found.cost - effort.gap * abs(found.cost))
    solution = whole(_program(covering), np.ones(covering.costs.size, dtype=np.bool_), effort.max_nodes, effort.gap)
    if solution is None:
        return _covered(found, reduced.bound)
    return _covered(found.better(covering, np.rint(solution.x).astype(np.int64)), solution.bound)


def _program(covering: Covering) -> Program:
    rows = Rows.of_dense(covering.rows, covering.needs)
    return Program(costs=covering.costs, rows=rows, most=covering.most.astype(np.float64))


def _gap(cost: float, bound: float) -> float:
    return (cost - bound) / abs(bound) if bound else cost


def _covered(found: Found, bound: float) -> Covered | None:
    return None if found.counts is None else Covered(counts=found.counts, bound=min(bound, found.cost))


def stand_ins(costs: Floats, rows: Floats, now: Counts) -> Flags:
    """Whether every replica of one column can as well be of another; shape (columns that stand in, columns)."""
    as_good = costs[:, None] <= costs
    for row in rows:
        as_good &= row[:, None] >= row
    cheaper_or_idle = (costs[:, None] < costs) | (now == 0)
    found: Flags = as_good & (~as_good.T | _earlier(costs.size)) & cheaper_or_idle
    return found


@lru_cache(maxsize=16)
def _earlier(num: int) -> Flags:
    """Of two columns that are as good as each other the first stands in."""
    return np.tri(num, k=-1, dtype=np.bool_).T


def useful(most: Counts, stand_ins: Flags, max_total: int) -> Counts:
    """The upper bounds, zero for each column whose every replica others can always stand in for."""
    return np.where(most @ stand_ins >= max_total, 0, most)


def _trimmed(covering: Covering, counts: Counts) -> Counts:
    """The counts less every replica that no row needs, dearest first; as they are where a row is not met."""
    counts = np.minimum(counts, covering.most)
    over = covering.rows @ counts - covering.needs
    if over.min() < 0:
        return counts
    falling = (covering.rows > 0).any(axis=1)  # the other rows only gain by every replica that goes
    left = over[falling].tolist()
    there = np.flatnonzero((counts > 0) & (covering.costs > 0))
    there = there[(-covering.costs[there]).argsort(kind="stable")]
    rows = covering.rows[falling][:, there].T.tolist()
    for column, count, row in zip(there.tolist(), counts[there].tolist(), rows, strict=True):
        gone = int(min([count, *[over / each for over, each in zip(left, row, strict=True) if each > 0]]))
        if gone:
            counts[column] = count - gone
            left = [over - gone * each for over, each in zip(left, row, strict=True)]
    return counts
