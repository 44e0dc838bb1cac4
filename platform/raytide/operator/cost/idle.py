"""What idle accelerators cost, and the line of the cluster file or of a service that would have saved it.

At the prices that are declared now. A node that holds nothing is there because of its pool's minimum, or because it
waits to be given back; one that holds something may have accelerators over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from raytide.core.spec.cluster import Pool
from raytide.core.units import format_duration
from raytide.operator.cost.occupancy import Occupied, occupancy
from raytide.services.accounting.attribute import attribute
from raytide.services.accounting.book import Spans
from raytide.services.accounting.span import IDLE

_NS_PER_HOUR = 3600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """One cause in one pool."""

    pool: str
    why: str
    usd: float
    """What it cost."""
    action: str
    saves_usd: float
    """At most, of the same."""


def idle_report(
    spans: Spans, pools: Sequence[Pool], idle_timeout_s: float, from_ns: int, until_ns: int
) -> tuple[Idle, ...]:
    """Every cause that cost something, the dearest first."""
    found = [one for pool in pools for one in _of_pool(spans, pool, idle_timeout_s, from_ns, until_ns) if one.usd > 0]
    return tuple(sorted(found, key=lambda one: -one.usd))


def _of_pool(spans: Spans, pool: Pool, idle_timeout_s: float, from_ns: int, until_ns: int) -> Iterator[Idle]:
    nodes = [span for span in spans.nodes if span.rate.pool == pool.name]
    if not nodes:
        return
    times = occupancy(nodes, spans.claims, from_ns, until_ns)
    peak = max((time.num_busy for time in times), default=0)
    floor, needless = _floor(times, pool, 0), _floor(times, pool, peak)
    empty = _usd(pool, sum(time.lasting_ns * (time.num_nodes - time.num_busy) for time in times))
    yield _of_minimum(pool, peak, floor, needless)
    yield Idle(
        pool=pool.name,
        why="nodes that held nothing until they were given back",
        usd=empty - floor,
        action=f"spec.kubernetes.idle_timeout below {format_duration(idle_timeout_s)}",
        saves_usd=empty - floor,
    )
    idle = sum(
        one.unit_ns / one.rate.units for one in attribute(nodes, spans.claims, from_ns, until_ns) if one.owner == IDLE
    )
    unused = _usd(pool, float(idle)) - empty
    yield Idle(
        pool=pool.name,
        why="accelerators over on nodes that held something" if pool.gpus_per_node else "CPUs over on busy nodes",
        usd=unused if unused > 1e-9 else 0.0,
        action="smaller nodes, or replicas and jobs that fill them",
        saves_usd=unused,
    )


def _of_minimum(pool: Pool, peak: int, floor_usd: float, needless_usd: float) -> Idle:
    why = f"nodes that held nothing and are there because of min_nodes: {pool.min_nodes}"
    if needless_usd > 0:
        action, saves_usd = f"min_nodes: {peak}, as many as ever held something at once", needless_usd
    else:
        start = format_duration(pool.provisioning_time)
        action, saves_usd = f"min_nodes: 0, where a start may wait {start} for a node", floor_usd
    return Idle(pool=pool.name, why=why, usd=floor_usd, action=action, saves_usd=saves_usd)


def _floor(times: Sequence[Occupied], pool: Pool, other_minimum: int) -> float:
    """What a lower minimum saves: nodes that hold nothing, up to the declared one."""
    kept = (
        time.lasting_ns * max(0, min(time.num_nodes, pool.min_nodes) - max(time.num_busy, other_minimum))
        for time in times
    )
    return _usd(pool, sum(kept))


def _usd(pool: Pool, node_ns: float) -> float:
    return node_ns * pool.price / _NS_PER_HOUR
