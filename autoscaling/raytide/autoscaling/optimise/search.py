"""The cheapest whole counts: one relaxation, then a dive, then a sweep, and an integer program where both gave up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from raytide.autoscaling.optimise.covering import Counts, Covering, Effort, Found
from raytide.autoscaling.optimise.dive import dive
from raytide.autoscaling.optimise.filling import filled
from raytide.autoscaling.optimise.program import Program, Rows, relaxed, whole
from raytide.autoscaling.optimise.sweep import sweep
from raytide.autoscaling.optimise.tree import Reduced, tree_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covered:
    """The best counts found, and a proof of how good they are."""

    counts: Counts
    bound: float
    """No counts cost less; equals the cost where optimality was proved."""


def cheapest(covering: Covering, effort: Effort) -> Covered | None:
    """The best counts, proved to within the gap of `effort` where its limits allow; None where none were found."""
    covering = replace(covering, most=_useful(covering))
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


def _useful(covering: Covering) -> Counts:
    """The upper bounds, zero for each column whose every replica a better column can always stand in for."""
    rows, costs, idle = covering.rows, covering.costs, covering.now == 0
    as_good = (rows[:, :, None] >= rows[:, None, :]).all(axis=0) & (costs[:, None] <= costs[None, :])
    first = np.tri(costs.size, k=-1, dtype=np.bool_).T
    stands_in = as_good & (~as_good.T | first) & ((costs[:, None] < costs[None, :]) | idle[None, :])
    enough = covering.most @ stands_in >= covering.max_total
    return np.where(enough, 0, covering.most)


def _trimmed(covering: Covering, counts: Counts) -> Counts:
    """The counts less every replica that no row needs, dearest first; as they are where a row is not met."""
    counts = np.minimum(counts, covering.most)
    over = covering.rows @ counts - covering.needs
    if over.min() < 0:
        return counts
    falling = (covering.rows > 0).any(axis=1)  # the other rows only gain by every replica that goes
    rows, spare = covering.rows[falling], over[falling]
    there = np.flatnonzero((counts > 0) & (covering.costs > 0) & (rows <= spare[:, None]).all(axis=0))
    there = there[np.argsort(-covering.costs[there], kind="stable")]
    left = spare.tolist()
    for column, count, row in zip(there.tolist(), counts[there].tolist(), rows[:, there].T.tolist(), strict=True):
        gone = int(min([count, *[over / each for over, each in zip(left, row, strict=True) if each > 0]]))
        if gone:
            counts[column] = count - gone
            left = [over - gone * each for over, each in zip(left, row, strict=True)]
    return counts
