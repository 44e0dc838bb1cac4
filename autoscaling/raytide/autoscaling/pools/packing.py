"""How many nodes bundles cannot do without, whichever way Ray packs them.

It is a bound and no packing. First-fit may need a node more once a bundle is taken away (an anomaly of every first-fit
order, Murgolo 1988), and what Ray will do depends on what else runs. The bound never rises when a bundle goes, is never
above what any packing needs, and is exact where sizes divide each other and the node, as 1, 2, 4 and 8 GPUs do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from raytide.autoscaling.pools.wanted import Bundle
from raytide.core.spec.cluster import Pool

_UNITS: Final = 10_000
"""Ray counts in ten-thousandths (ray 2.60, `FixedPoint`), so that 100 replicas of 0.55 CPUs fill a node of 55."""
_NOTHING: Final = 10**9
"""Bundles that reserve nothing fill no node."""

Sizes = tuple[int, int, int]
Load = tuple[Bundle, int]
"""So many of a bundle."""


def most_in_node(bundle: Bundle, pool: Pool) -> int:
    """How many of them an empty node of the pool holds; 0 where none fits."""
    pairs = zip(_sizes_of(bundle), _sizes_in(pool), strict=True)
    return min((has // size for size, has in pairs if size), default=_NOTHING)


def fewest_nodes(loads: Sequence[Load], pool: Pool) -> int:
    """Nodes of the pool that no packing of these bundles can do without; each of them fits an empty one."""
    return max(_by_kind(loads, pool), _by_sum(loads, pool), _by_half(loads, pool))


def _by_kind(loads: Sequence[Load], pool: Pool) -> int:
    """Those of one kind alone, as if the others took no room."""
    each = ((num, most_in_node(bundle, pool)) for bundle, num in loads)
    return max((_whole(num, most) for num, most in each if most < _NOTHING), default=0)


def _by_sum(loads: Sequence[Load], pool: Pool) -> int:
    """All of them, as if they could be cut to fill every node."""
    has, sizes = _sizes_in(pool), [(_sizes_of(bundle), num) for bundle, num in loads]
    return max(_whole(sum(size[each] * num for size, num in sizes), has[each]) for each in range(len(has)))


def _by_half(loads: Sequence[Load], pool: Pool) -> int:
    """Those that take more than half of a node: no two of them share one."""
    has, sizes = _sizes_in(pool), [(_sizes_of(bundle), num) for bundle, num in loads]
    return max(sum(num for size, num in sizes if 2 * size[each] > has[each]) for each in range(len(has)))


def _whole(amount: int, part: int) -> int:
    return -(-amount // part) if amount else 0


def _sizes_of(bundle: Bundle) -> Sizes:
    return bundle.gpus * _UNITS, round(bundle.cpus * _UNITS), bundle.memory_bytes


def _sizes_in(pool: Pool) -> Sizes:
    return pool.gpus_per_node * _UNITS, pool.cpus_per_node * _UNITS, pool.memory_per_node
