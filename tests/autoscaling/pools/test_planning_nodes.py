from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raytide.autoscaling.pools.plan import Holder, PoolPlan, pool_plan
from raytide.autoscaling.pools.wanted import Bundle, PoolUse, Wanted
from raytide.core.spec.cluster import Pool

PoolOf = Callable[..., Pool]
H100, SPOT = {"ray.io/accelerator-type": "H100"}, {"ray.io/market-type": "spot"}


def wanted(replicas: int, gpus: int = 1, labels: dict[str, str] = H100, **said: Any) -> Wanted:
    known: dict[str, Any] = {"service": "chat", "variant": f"h100x{gpus}", "bundles": (Bundle(gpus=gpus, cpus=1.0),)}
    return Wanted(replicas=replicas, labels=labels, **{**known, **said})


def planned(pools: list[Pool], wanted: Sequence[Wanted], **taken: int) -> tuple[PoolPlan, ...]:
    return pool_plan(pools, PoolUse(variants=tuple(wanted), taken=taken))


def nodes(plans: tuple[PoolPlan, ...]) -> dict[str, int]:
    return {plan.pool: plan.nodes for plan in plans}


def test_a_pool_keeps_the_nodes_that_decided_replicas_fill_and_says_whose(pool_of: PoolOf) -> None:
    code = wanted(1, gpus=8, service="code")
    (plan,) = planned([pool_of()], [wanted(5, gpus=2), code])
    assert plan.nodes == 3
    assert plan == PoolPlan(
        pool="h100",
        needed=3,
        least=0,
        most=4,
        holders=(
            Holder(service="chat", variant="h100x2", replicas=5),
            Holder(service="code", variant="h100x8", replicas=1),
        ),
    )


def test_nothing_wanted_leaves_the_declared_floor(pool_of: PoolOf) -> None:
    assert nodes(planned([pool_of(min_nodes=2)], [])) == {"h100": 2}


def test_more_than_the_declared_ceiling_is_needed_and_not_kept(pool_of: PoolOf) -> None:
    (plan,) = planned([pool_of()], [wanted(9, gpus=8)])
    assert (plan.nodes, plan.needed) == (4, 9)


@pytest.mark.parametrize(
    ("bundle", "num", "expected"),
    [
        (Bundle(gpus=4), 3, 2),
        (Bundle(gpus=5), 3, 3),  # two of five are more than eight
        (Bundle(gpus=3), 5, 3),  # two to a node, although fifteen would fill two
        (Bundle(gpus=1, cpus=32.0), 5, 3),  # CPUs run out first
        (Bundle(gpus=1, memory_bytes=2**39), 4, 2),
        (Bundle(), 3, 0),
    ],
)
def test_a_node_holds_what_its_accelerators_cpus_and_memory_hold(
    pool_of: PoolOf, bundle: Bundle, num: int, expected: int
) -> None:
    assert nodes(planned([pool_of()], [wanted(num, bundles=(bundle,))])) == {"h100": expected}


def test_a_node_is_filled_exactly_although_a_hundred_times_a_float_is_more(pool_of: PoolOf) -> None:
    assert 100 * 0.55 > 55
    cpu = pool_of("cpu", accelerator="CPU", gpus_per_node=0, cpus_per_node=55)
    assert nodes(planned([cpu], [wanted(100, bundles=(Bundle(cpus=0.55),), labels={})])) == {"cpu": 1}


def test_a_replica_that_spans_nodes_fills_them_one_accelerator_at_a_time(pool_of: PoolOf) -> None:
    spanning = wanted(1, bundles=(Bundle(gpus=1, cpus=8.0), Bundle(num=15, gpus=1)))
    assert nodes(planned([pool_of()], [spanning])) == {"h100": 2}
    assert nodes(planned([pool_of()], [spanning, wanted(1, gpus=8)])) == {"h100": 3}


def test_a_replica_that_suits_two_pools_counts_where_it_has_a_node_and_before_that_nowhere(pool_of: PoolOf) -> None:
    pools = [pool_of(), pool_of("h100-spot", market="spot", max_nodes=2)]
    assert nodes(planned(pools, [wanted(2, gpus=8)])) == {"h100": 0, "h100-spot": 0}
    standing = wanted(2, gpus=8, standing={"h100-spot": 1})
    assert nodes(planned(pools, [standing])) == {"h100": 0, "h100-spot": 1}


def test_what_the_other_pools_cannot_hold_is_in_the_last_for_certain(pool_of: PoolOf) -> None:
    pools = [pool_of(), pool_of("h100-spot", market="spot", max_nodes=2)]
    assert nodes(planned(pools, [wanted(5, gpus=8)])) == {"h100": 3, "h100-spot": 1}


def test_a_market_and_labels_of_ones_own_choose_the_pool(pool_of: PoolOf) -> None:
    zoned = pool_of("zoned", market="spot", pods={"labels": {"team": "blue"}})
    pools = [pool_of(), pool_of("h100-spot", market="spot"), zoned]
    blue = wanted(1, gpus=8, labels={"team": "blue", **H100})
    assert nodes(planned(pools, [blue])) == {"h100": 0, "h100-spot": 0, "zoned": 1}
    on_spot = wanted(6, gpus=8, labels={**H100, **SPOT})
    assert nodes(planned(pools, [on_spot])) == {"h100": 0, "h100-spot": 2, "zoned": 2}


def test_nodes_that_a_job_has_filled_are_kept_beside_those_of_replicas_and_for_none_by_themselves(
    pool_of: PoolOf,
) -> None:
    pool = pool_of(max_nodes=10)
    (plan,) = planned([pool], [wanted(3, gpus=8)], h100=4)
    assert (plan.needed, plan.taken, plan.nodes) == (3, 4, 7)
    assert nodes(planned([pool], [], h100=4)) == {"h100": 0}
    assert nodes(planned([pool_of(max_nodes=5)], [wanted(3, gpus=8)], h100=4)) == {"h100": 5}


def test_a_node_with_accelerators_is_kept_for_what_needs_them_alone(pool_of: PoolOf) -> None:
    cpu = pool_of("cpu", accelerator="CPU", gpus_per_node=0, cpus_per_node=8)
    small = wanted(4, bundles=(Bundle(cpus=4.0),), labels={}, standing={"cpu": 3, "h100": 1})
    assert nodes(planned([cpu, pool_of()], [small])) == {"cpu": 2, "h100": 0}


def test_what_no_pool_offers_is_in_none(pool_of: PoolOf) -> None:
    elsewhere = wanted(3, labels={"ray.io/accelerator-type": "B200"})
    assert nodes(planned([pool_of()], [elsewhere, wanted(1, gpus=16)])) == {"h100": 0}


POOLS = st.lists(
    st.fixed_dictionaries(
        {
            "accelerator": st.sampled_from(["H100", "L4"]),
            "market": st.sampled_from(["on-demand", "spot"]),
            "gpus_per_node": st.sampled_from([1, 4, 8]),
            "cpus_per_node": st.sampled_from([8, 16]),
            "min_nodes": st.integers(0, 1),
            "max_nodes": st.integers(1, 9),
        }
    ),
    min_size=1,
    max_size=3,
)
BUNDLES = st.one_of(
    st.builds(Bundle, gpus=st.integers(0, 8), cpus=st.sampled_from([0.3, 1.0, 3.0, 6.0])).map(lambda one: (one,)),
    st.builds(lambda num: (Bundle(gpus=1, cpus=1.0), Bundle(num=num, gpus=1)), st.integers(1, 7)),
)
SETS = st.lists(
    st.builds(
        wanted,
        st.integers(0, 12),
        bundles=BUNDLES,
        labels=st.sampled_from([{}, H100, SPOT, {**H100, **SPOT}]),
    ),
    max_size=4,
)
OFTEN = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(eq=False)
class Room:
    """What is free on a node."""

    gpus: float
    cpus: float
    is_taken: bool = False


class Ray:
    """Places bundles one by one on any node that has room, as it may: nothing here minds how well they are packed."""

    def __init__(self, pools: list[Pool], random: Random) -> None:
        self.pools, self.random = pools, random
        self.nodes: dict[str, list[Room]] = {pool.name: [] for pool in pools}

    def fill(self, pool: Pool, num: int) -> None:
        """A job takes the accelerators of so many nodes, and may leave CPUs."""
        left = self.random.choice([0.0, float(pool.cpus_per_node)])
        self.nodes[pool.name] += [Room(gpus=0.0, cpus=left, is_taken=True) for _ in range(num)]

    def taken(self) -> dict[str, int]:
        """Nodes that a job has filled, and no replica is on."""
        return {pool: sum(room.is_taken for room in rooms) for pool, rooms in self.nodes.items()}

    def place(self, one: Wanted, bundle: Bundle) -> str | None:
        """The pool of the node that it is on; None where it has to wait."""
        for pool in self.random.sample(self.pools, len(self.pools)):
            labels = {"ray.io/accelerator-type": pool.accelerator, "ray.io/market-type": pool.market}
            if one.labels.items() <= labels.items() and self._fits(bundle, pool):
                return pool.name
        return None

    def _fits(self, bundle: Bundle, pool: Pool) -> bool:
        there, empty = self.nodes[pool.name], Room(float(pool.gpus_per_node), float(pool.cpus_per_node))
        may_grow = [empty] * (len(there) < pool.max_nodes)
        for room in self.random.sample([*there, *may_grow], len(there) + len(may_grow)):
            if room.gpus >= bundle.gpus and room.cpus >= bundle.cpus - 1e-9:
                if room is empty:
                    there.append(room)
                room.gpus -= bundle.gpus
                room.cpus -= bundle.cpus
                room.is_taken = False
                return True
        return False


@OFTEN
@given(drawn=POOLS, wishes=SETS, seed=st.integers(0, 2**32))
def test_no_floor_is_above_what_the_pool_comes_to_wherever_ray_puts_the_rest(
    pool_of: PoolOf, drawn: list[dict[str, Any]], wishes: list[Wanted], seed: int
) -> None:
    pools = [pool_of(f"p{index}", **said) for index, said in enumerate(drawn)]
    random = Random(seed)
    ray, seen = Ray(pools, random), []
    for pool in pools:
        ray.fill(pool, random.randint(0, pool.max_nodes))
    later: list[tuple[Wanted, Bundle]] = []
    for one in wishes:
        spans = len(one.bundles) > 1
        now = 0 if spans else random.randint(0, one.replicas)
        placed = [ray.place(one, one.bundles[0]) for _ in range(now)]
        later += [(one, bundle) for bundle in one.bundles for _ in range(bundle.num * (one.replicas - now))]
        later += [(one, one.bundles[0])] * placed.count(None)
        seen.append(replace(one, standing=Counter(pool for pool in placed if pool)))
    plans = planned(pools, seen, **ray.taken())
    random.shuffle(later)
    for one, bundle in later:
        ray.place(one, bundle)
    for pool, plan in zip(pools, plans, strict=True):
        assert pool.min_nodes <= plan.nodes <= pool.max_nodes
        assert plan.nodes <= max(pool.min_nodes, len(ray.nodes[pool.name]))


@OFTEN
@given(drawn=POOLS, wishes=SETS, more=st.integers(1, 5), which=st.integers(0, 3), taken=st.integers(0, 2))
def test_with_a_replica_more_no_pool_keeps_less(
    pool_of: PoolOf, drawn: list[dict[str, Any]], wishes: list[Wanted], more: int, which: int, taken: int
) -> None:
    pools = [pool_of(f"p{index}", **said) for index, said in enumerate(drawn)]
    grown = [
        replace(one, replicas=one.replicas + more * (index == which % max(1, len(wishes))))
        for index, one in enumerate(wishes)
    ]
    before, after = nodes(planned(pools, wishes, p0=taken)), nodes(planned(pools, grown, p0=taken))
    assert all(after[pool] >= before[pool] for pool in before)


@OFTEN
@given(gpus=st.lists(st.sampled_from([1, 2, 4, 8]), max_size=20))
def test_of_sizes_that_divide_the_node_it_keeps_exactly_what_they_fill(pool_of: PoolOf, gpus: list[int]) -> None:
    (plan,) = planned([pool_of(max_nodes=20)], [wanted(gpus.count(size), gpus=size) for size in sorted(set(gpus))])
    assert plan.nodes == -(-sum(gpus) // 8)
