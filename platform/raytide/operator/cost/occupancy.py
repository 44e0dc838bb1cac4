"""How many nodes of a pool were there and how many of them held something, over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from raytide.services.accounting.span import ClaimSpan, NodeSpan

_Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Occupied:
    """A time through which nothing changed."""

    lasting_ns: int
    num_nodes: int
    num_busy: int


def occupancy(
    nodes: Sequence[NodeSpan], claims: Sequence[ClaimSpan], from_ns: int, until_ns: int
) -> tuple[Occupied, ...]:
    """Of these nodes, while they were seen between the two moments."""
    there, held = _intervals(nodes, from_ns, until_ns), _intervals(claims, from_ns, until_ns)
    changes: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for node, seen in there.items():
        for begins, ends in seen:
            _add(changes, begins, ends, (1, 0))
        for begins, ends in _both(seen, held.get(node, ())):
            _add(changes, begins, ends, (0, 1))
    moments = sorted(changes)
    counts = accumulate((changes[moment] for moment in moments), lambda a, b: (a[0] + b[0], a[1] + b[1]))
    return tuple(
        Occupied(ends - begins, *count) for (begins, ends), count in zip(pairwise(moments), counts, strict=False)
    )


def _add(changes: defaultdict[int, tuple[int, int]], begins: int, ends: int, by: tuple[int, int]) -> None:
    for moment, sign in ((begins, 1), (ends, -1)):
        nodes, busy = changes[moment]
        changes[moment] = (nodes + sign * by[0], busy + sign * by[1])


def _intervals(spans: Iterable[NodeSpan | ClaimSpan], from_ns: int, until_ns: int) -> dict[str, tuple[_Interval, ...]]:
    """Of each node, without overlaps and in order."""
    by_node: defaultdict[str, list[_Interval]] = defaultdict(list)
    for span in spans:
        begins, ends = max(from_ns, span.from_ns), min(until_ns, span.until_ns)
        if begins < ends:
            by_node[span.node].append((begins, ends))
    return {node: tuple(_merged(sorted(intervals))) for node, intervals in by_node.items()}


def _merged(intervals: Iterable[_Interval]) -> Iterator[_Interval]:
    begins, ends = 0, 0
    for start, stop in intervals:
        if start > ends:
            if begins < ends:
                yield begins, ends
            begins, ends = start, stop
        ends = max(ends, stop)
    if begins < ends:
        yield begins, ends


def _both(some: Sequence[_Interval], others: Sequence[_Interval]) -> Iterator[_Interval]:
    """Where both are, of intervals in order."""
    one = other = 0
    while one < len(some) and other < len(others):
        begins, ends = max(some[one][0], others[other][0]), min(some[one][1], others[other][1])
        if begins < ends:
            yield begins, ends
        if some[one][1] < others[other][1]:
            one += 1
        else:
            other += 1
