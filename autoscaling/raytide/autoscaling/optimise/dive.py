"""Depth-first search over a tree of counts: quick to find good ones, and to the end where the tree is small."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace

from raytide.autoscaling.optimise.covering import TIE, Counts, Covering, Found
from raytide.autoscaling.optimise.tree import Column, Tree


def dive(covering: Covering, tree: Tree, known: Found, max_nodes: int) -> Found:
    """The best counts found within so many nodes; complete where the whole tree was seen or cut off."""
    search = _Dive(covering=covering, tree=tree, found=known, counts=tree.settled.copy(), max_nodes=max_nodes)
    search.branch(0, tree.needs, tree.bound, tree.spent)
    return replace(search.found, is_complete=not search.is_over)


@dataclass(slots=True, kw_only=True, eq=False)
class _Dive:
    """One search under way."""

    covering: Covering
    tree: Tree
    found: Found
    counts: Counts
    max_nodes: int
    num_nodes: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the node limit ended the search."""
        return self.num_nodes >= self.max_nodes

    def branch(self, depth: int, needs: tuple[float, ...], bound: float, spent: float) -> None:
        """Finds the best counts of the columns from `depth` on, given those before."""
        if (self.tree.is_priced and max(needs) <= 0) or depth == len(self.tree.columns):
            self._stop(depth)
        elif self.tree.is_priced and spent + self.tree.least_prices[depth] >= self.found.cost:
            return
        elif depth == len(self.tree.columns) - 1:
            self._finish(self.tree.columns[depth], needs, spent)
        else:
            self._each(depth, needs, bound, spent)

    def _each(self, depth: int, needs: tuple[float, ...], bound: float, spent: float) -> None:
        """Tries the counts of one column until even the bound costs too much."""
        column, reach = self.tree.columns[depth], self.tree.reach[depth + 1]
        now, moves, price, rows = column.now, column.moves, column.price, column.rows
        for moved, count in enumerate(column.values):
            self.num_nodes += 1
            rest, tie = bound + moved * moves, TIE * abs(count - now)
            if rest >= self.found.cost - 1e-12 or self.num_nodes >= self.max_nodes:
                return
            left = tuple([need - row * count for need, row in zip(needs, rows, strict=True)]) if count else needs
            if all(map(operator.le, left, reach)):
                self.counts[column.index] = count
                self.branch(depth + 1, left, rest + tie, spent + price * count + tie)

    def _stop(self, depth: int) -> None:
        """Adds nothing more: all rows are met."""
        for column in self.tree.columns[depth:]:
            self.counts[column.index] = 0
        self.found = self.found.better(self.covering, self.counts)

    def _finish(self, column: Column, needs: tuple[float, ...], spent: float) -> None:
        """Sets the last column to its best count in closed form."""
        low, high = _room(column, needs)
        if low > high:
            return
        count = low if column.price > TIE else high if column.price < -TIE else min(max(column.now, low), high)
        if spent + column.price * count + TIE * abs(count - column.now) < self.found.cost - 1e-12:
            self.counts[column.index] = count
            self.found = self.found.better(self.covering, self.counts)


def _room(column: Column, needs: tuple[float, ...]) -> tuple[int, int]:
    """The lowest and the highest count that meets every row; lowest above highest where none does."""
    low, high = 0.0, float(max(column.values))
    for need, row in zip(needs, column.rows, strict=True):
        if row > 0:
            low = max(low, need / row)
        elif row < 0:
            high = min(high, need / row)
        elif need > 0:
            return 1, 0
    # Only now whole: a price of next to nothing allows an infinite number.
    return (math.ceil(low), math.floor(high)) if low <= high else (1, 0)
