"""Breadth-first search over a tree of counts, a whole level at once: ten thousand partial counts take a millisecond."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from raytide.autoscaling.optimise.covering import TIE, Counts, Covering, Found
from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.tree import Column, Tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Level:
    """All partial counts that may still lead below the limit; one row each."""

    counts: Counts
    """Shape (partial counts, columns set so far)."""
    needs: Floats
    """Shape (partial counts, rows)."""
    bounds: Floats
    spent: Floats


def sweep(covering: Covering, tree: Tree, known: Found, gap: float, max_states: int) -> Found:
    """Counts that cost less than `known` by more than `gap` of it, if any; complete unless a level grew too large."""
    limit = known.cost * (1 - gap) if known.cost >= 0 else known.cost * (1 + gap)
    level = _Level(
        counts=np.zeros((1, 0), dtype=np.int64),
        needs=np.array([tree.needs]),
        bounds=np.array([tree.bound]),
        spent=np.array([tree.spent]),
    )
    for depth, column in enumerate(tree.columns):
        extended = _extended(level, column, limit, max_states)
        if extended is None:
            return known
        level = _pruned(extended, tree, depth + 1, limit)
    return replace(_best(covering, tree, known, level), is_complete=True)


def _extended(level: _Level, column: Column, limit: float, max_states: int) -> _Level | None:
    """Every partial count with every count of one more column; None where those are too many."""
    bounds = level.bounds[:, None] + np.arange(len(column.values)) * column.moves
    fits = bounds < limit
    if np.count_nonzero(fits) > 8 * max_states:  # rows prune most of them at once
        return None
    states, moved = np.nonzero(fits)
    values = np.array(column.values)[moved]
    ties = TIE * np.abs(values - column.now)
    extended = _Level(
        counts=np.column_stack([level.counts[states], values]),
        needs=level.needs[states] - values[:, None] * np.array(column.rows),
        bounds=bounds[fits] + ties,
        spent=level.spent[states] + values * column.price + ties,
    )
    return extended if np.size(states) <= 8 * max_states else None


def _pruned(level: _Level, tree: Tree, depth: int, limit: float) -> _Level:
    """The partial counts that can still meet every row below the limit."""
    keeps = (level.needs <= np.array(tree.reach[depth])).all(axis=1)
    if tree.is_priced:
        unmet = (level.needs > 0).any(axis=1)
        keeps &= level.spent + unmet * tree.least_prices[depth] < limit
    return _Level(
        counts=level.counts[keeps],
        needs=level.needs[keeps],
        bounds=level.bounds[keeps],
        spent=level.spent[keeps],
    )


def _best(covering: Covering, tree: Tree, known: Found, level: _Level) -> Found:
    if not level.spent.size:
        return known
    counts = tree.settled.copy()
    counts[[column.index for column in tree.columns]] = level.counts[int(level.spent.argmin())]
    return known.better(covering, counts)
