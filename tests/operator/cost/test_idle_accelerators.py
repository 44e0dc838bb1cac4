from __future__ import annotations

from typing import Any

import pytest

from raytide.core.spec.cluster import Pool
from raytide.operator.cost.idle import Idle, idle_report
from raytide.services.accounting.book import Spans
from raytide.services.accounting.span import UNITS, ClaimSpan, Kind, NodeSpan, Owner, Rate

HOUR_NS = 3600 * 10**9
JOB = Owner(kind=Kind.JOB, name="train", job="1")
RATE = Rate(pool="h100", accelerator="H100", market="on-demand", units=8 * UNITS, nano_usd_per_hour=8 * 10**9)


def _pool(**changed: Any) -> Pool:
    declared = {
        "name": "h100", "accelerator": "H100", "gpus_per_node": 8, "cpus_per_node": 64, "memory_per_node": "512GiB",
        "price": "$8/h", "max_nodes": 4, "provisioning_time": "4m",
    }  # fmt: skip
    return Pool.model_validate({**declared, **changed})


def _nodes(num: int, hours: int = 10) -> list[NodeSpan]:
    return [NodeSpan(node=f"n{n}", rate=RATE, from_ns=0, until_ns=hours * HOUR_NS) for n in range(num)]


def _claim(node: int, from_h: int, until_h: int, num: int = 8) -> ClaimSpan:
    at = {"from_ns": from_h * HOUR_NS, "until_ns": until_h * HOUR_NS}
    return ClaimSpan(claim=f"{node}-{from_h}", node=f"n{node}", owner=JOB, units=num * UNITS, **at)


def _report(pool: Pool, nodes: list[NodeSpan], *claims: ClaimSpan) -> tuple[Idle, ...]:
    return idle_report(Spans(nodes=nodes, claims=claims, jobs={}), (pool,), 60.0, 0, 10 * HOUR_NS)


def test_a_minimum_above_what_was_ever_needed_is_lowered_to_that() -> None:
    (found,) = _report(_pool(min_nodes=3), _nodes(3), _claim(0, 0, 10))
    assert found.usd == pytest.approx(2 * 10 * 8)
    assert found.action == "min_nodes: 1, as many as ever held something at once"
    assert found.saves_usd == pytest.approx(160)


def test_a_minimum_that_was_needed_for_a_while_is_named_with_its_wait() -> None:
    (found,) = _report(_pool(min_nodes=1), _nodes(1), _claim(0, 0, 4))
    assert found.usd == pytest.approx(6 * 8)
    assert found.action == "min_nodes: 0, where a start may wait 4m for a node"


def test_nodes_beyond_the_minimum_waited_to_be_given_back() -> None:
    (found,) = _report(_pool(), _nodes(1), _claim(0, 0, 9))
    assert found.usd == pytest.approx(8)
    assert found.action == "spec.kubernetes.idle_timeout below 1m"


def test_accelerators_over_on_a_node_that_held_something_are_told_apart() -> None:
    (found,) = _report(_pool(), _nodes(1), _claim(0, 0, 10, num=2))
    assert found.usd == pytest.approx(60)
    assert found.why == "accelerators over on nodes that held something"


def test_the_causes_add_up_to_what_was_idle() -> None:
    found = _report(_pool(min_nodes=1), _nodes(2), _claim(0, 1, 3), _claim(1, 2, 6, num=4), _claim(0, 8, 9))
    busy_usd = (2 * 8 + 4 * 4 + 1 * 8) * 1.0
    assert sum(one.usd for one in found) == pytest.approx(2 * 10 * 8 - busy_usd)
    assert len(found) == 3


def test_a_pool_that_is_full_has_no_cause() -> None:
    assert _report(_pool(min_nodes=1), _nodes(1), _claim(0, 0, 10)) == ()
