from __future__ import annotations

import json

import pytest

from raytide.autoscaling.capacity import Capacity, busy_s_per_request


def test_the_fastest_point_that_keeps_the_bound_counts(capacity: Capacity) -> None:
    point = capacity.within(0.05)
    assert point is not None
    assert point.concurrency == 4


def test_a_bound_is_kept_at_its_own_value(capacity: Capacity) -> None:
    point = capacity.within(0.01)
    assert point is not None
    assert point.concurrency == 1


def test_no_point_keeps_an_impossible_bound(capacity: Capacity) -> None:
    assert capacity.within(0.009) is None


def test_a_request_keeps_a_replica_busy_for_its_prefill_and_its_share_of_the_batch(capacity: Capacity) -> None:
    busy_s = busy_s_per_request(capacity.points[1], capacity.prefill_tokens_per_s, 100, 80)
    assert busy_s == pytest.approx(100 / 1000 + 80 / 200)


def test_capacity_survives_json(capacity: Capacity) -> None:
    assert Capacity.from_json(json.loads(json.dumps(capacity.to_json()))) == capacity
