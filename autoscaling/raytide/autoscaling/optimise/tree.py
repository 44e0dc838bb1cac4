"""The counts that a relaxation leaves open, with what bounds every branch over them.

The relaxation prices each count by its reduced cost, so a branch is bounded by adding numbers. A count that would cost
more to move than the best known counts can save is settled beforehand: of 50 columns, about ten stay open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytide.autoscaling.optimise.covering import SLACK, TIE, Counts, Covering
from raytide.autoscaling.optimise.program import Floats, Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One open count, as plain numbers: a dive visits it thousands of times."""

    index: int
    values: range
    """From the end that its reduced cost prefers."""
    moves: float
    """What each step away from there costs at least."""
    price: float
    now: int
    rows: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reduced:
    """What the multipliers of a relaxation say of every column."""

    costs: Floats
    """Reduced costs."""
    bound: float
    """No counts cost less."""

    @classmethod
    def of(cls, covering: Covering, relaxation: Solution) -> Reduced:
        """The Lagrangian bound, which holds for any multipliers: rounding in the solver cannot break it."""
        multipliers = np.maximum(relaxation.duals, 0.0)
        costs = covering.costs - multipliers @ covering.rows
        bound = float(multipliers @ covering.needs + np.minimum(costs * covering.most, 0.0).sum())
        return cls(costs=costs, bound=bound)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """The open columns, the dearest to move first, and the state before any of them is set."""

    columns: tuple[Column, ...]
    settled: Counts
    """Counts of the other columns; zero where open."""
    needs: tuple[float, ...]
    """What each row still lacks."""
    bound: float
    spent: float
    reach: tuple[tuple[float, ...], ...]
    """Per depth and row: the most that the columns from there on can add; one depth more than columns."""
    least_prices: tuple[float, ...]
    """Per depth: the lowest price of the columns from there on; zero after the last."""
    is_priced: bool
    """Whether every replica costs something, so that none is added once all rows are met."""


def tree_of(covering: Covering, reduced: Reduced, limit: float) -> Tree:
    """The tree of counts that may cost less than `limit`."""
    is_open = (np.abs(reduced.costs) <= limit - reduced.bound + SLACK) & (covering.most > 0)
    order = np.flatnonzero(is_open)
    order = order[(-np.abs(reduced.costs[order])).argsort(kind="stable")]
    settled = np.where(is_open | (reduced.costs >= 0), 0, covering.most)
    ties = TIE * float(np.abs(settled - covering.now)[~is_open].sum())
    spread = np.maximum(covering.rows[:, order] * covering.most[order], 0.0)
    prices = covering.costs[order]
    return Tree(
        columns=_columns(covering, reduced, order),
        settled=settled,
        needs=tuple((covering.needs - covering.rows @ settled).tolist()),
        bound=reduced.bound + ties,
        spent=float(covering.costs @ settled) + ties,
        reach=(*map(tuple, spread[:, ::-1].cumsum(axis=1)[:, ::-1].T.tolist()), (0.0,) * covering.least.size),
        least_prices=(*np.minimum.accumulate(prices[::-1])[::-1].tolist(), 0.0),
        is_priced=bool(prices.min(initial=np.inf) > TIE),
    )


def _columns(covering: Covering, reduced: Reduced, order: Counts) -> tuple[Column, ...]:
    """The columns in this order; lists, because numpy takes longer to hand out a number than to find it."""
    facts = (order, covering.most[order], reduced.costs[order], covering.costs[order], covering.now[order])
    columns = zip(*(fact.tolist() for fact in facts), covering.rows[:, order].T.tolist(), strict=True)
    return tuple(
        Column(
            index=index,
            values=range(most, -1, -1) if reduced_cost < 0 else range(most + 1),
            moves=abs(reduced_cost),
            price=price,
            now=now,
            rows=tuple(row),
        )
        for index, most, reduced_cost, price, now, row in columns
    )
