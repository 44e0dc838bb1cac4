"""Replicas through their lives, and what is paid for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.fleet import SPARE_SLOTS, Fleet, requests_of
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

FleetOf = Callable[..., Fleet]


@pytest.fixture
def fleet_of(engine: Engine, terms_of: Callable[..., Terms], trace_of: Callable[..., Trace]) -> Callable[..., Fleet]:
    def make(*requests: tuple[float, int, int], max_replicas: int = 3) -> Fleet:
        terms = terms_of(engine, max_replicas=max_replicas)
        return Fleet(requests_of(trace_of(requests or [(1e6, 1, 1)], 1e7), 1), terms, kernel.LEAST_LOADED, 0)

    return make


def test_a_replica_is_ready_after_its_start_and_paid_from_its_order(fleet_of: FleetOf) -> None:
    fleet = fleet_of()
    fleet.advance(5.0)
    fleet.order(0, 5.0, 65.0)
    fleet.advance(64.9)
    assert (fleet.num(0, kernel.STARTING), fleet.num(0, kernel.READY)) == (1, 0)
    assert fleet.starting_for_s(0, 64.0) == (59.0,)
    fleet.advance(65.0)
    assert (fleet.num(0, kernel.STARTING), fleet.num(0, kernel.READY)) == (0, 1)
    assert fleet.became_ready_after_s(0, 60.0, 65.0) == (60.0,)
    assert fleet.became_ready_after_s(0, 65.0, 70.0) == ()
    fleet.close(100.0)
    (life,) = fleet.lives
    assert (life.ordered_s, life.ready_s, life.gone_s) == (5.0, 65.0, 100.0)


def test_what_is_starting_is_cancelled_before_anything_ready_the_youngest_first(fleet_of: FleetOf) -> None:
    fleet = fleet_of()
    fleet.order(0, 0.0, 0.0)
    fleet.order(0, 1.0, 61.0)
    fleet.order(0, 2.0, 62.0)
    fleet.advance(10.0)
    fleet.stop(0, 1, 10.0, 600.0)
    assert [(life.ordered_s, life.ready_s, life.gone_s) for life in fleet.lives] == [(2.0, np.inf, 10.0)]
    fleet.stop(0, 2, 10.0, 600.0)
    assert [(life.ordered_s, life.ready_s, life.gone_s) for life in fleet.lives[1:]] == [
        (1.0, np.inf, 10.0),
        (0.0, 0.0, 10.0),
    ]


def test_a_draining_replica_takes_no_new_work_and_ends_with_its_last_token(fleet_of: FleetOf) -> None:
    fleet = fleet_of((0.0, 100, 500), (1.0, 100, 1))
    fleet.order(0, 0.0, 0.0)
    fleet.advance(0.5)
    fleet.drain(0, 1, 0.5, 600.0)
    fleet.order(0, 0.5, 2.0)
    fleet.advance(100.0)
    fleet.settle(100.0)
    first, second = fleet.world.requests
    (life,) = fleet.lives
    assert life.gone_s == first["finish_s"] > 5.0
    assert second["first_token_s"] > 2.0  # only the new replica could take it
    assert fleet.num_aborted == 0
    assert fleet.num(0, kernel.READY) == 1


def test_the_ready_replica_with_the_least_work_is_drained(fleet_of: FleetOf) -> None:
    fleet = fleet_of((0.0, 100, 500))
    fleet.order(0, 0.0, 0.0)
    fleet.order(0, 0.0, 0.0)
    fleet.advance(1.0)
    assert fleet.drain(0, 1, 1.0, 600.0) == 1
    assert [life.gone_s for life in fleet.lives] == [1.0]
    assert fleet.num(0, kernel.READY) == 1


def test_work_that_outlives_its_deadline_is_aborted(fleet_of: FleetOf) -> None:
    fleet = fleet_of((0.0, 100, 500), (0.1, 100, 500))
    fleet.order(0, 0.0, 0.0)
    fleet.advance(0.5)
    assert fleet.next_deadline_s() == np.inf
    fleet.drain(0, 5, 0.5, 2.0)
    assert fleet.next_deadline_s() == 2.5
    fleet.advance(2.5)
    fleet.settle(2.5)
    assert fleet.num_aborted == 2
    assert [life.gone_s for life in fleet.lives] == [2.5]
    assert np.isnan(fleet.world.requests["finish_s"]).all()
    assert fleet.next_deadline_s() == np.inf


def test_a_freed_slot_starts_with_an_empty_engine(fleet_of: FleetOf) -> None:
    fleet = fleet_of((0.0, 100, 500), (50.0, 100, 1))
    fleet.order(0, 0.0, 0.0)
    fleet.advance(0.5)
    fleet.drain(0, 1, 0.5, 1.0)
    fleet.advance(2.0)
    fleet.settle(2.0)
    fleet.order(0, 2.0, 3.0)
    fleet.advance(100.0)
    assert fleet.world.requests["finish_s"][1] == pytest.approx(50.0 + 0.01 + 100 * 5e-5)


def test_no_more_replicas_are_ordered_than_there_are_slots(fleet_of: FleetOf) -> None:
    fleet = fleet_of(max_replicas=1)
    ordered = [fleet.order(0, 0.0, 60.0) for _ in range(3 + SPARE_SLOTS + 2)]
    assert ordered.count(True) == 3 + SPARE_SLOTS
    assert ordered[-1] is False


def test_a_slow_replica_takes_longer_from_its_next_iteration_on(fleet_of: FleetOf) -> None:
    sound, slow = fleet_of((0.0, 100, 101)), fleet_of((0.0, 100, 101))
    for fleet in (sound, slow):
        fleet.order(0, 0.0, 0.0)
        fleet.advance(0.5)
    slow.slow(2.0)
    for fleet in (sound, slow):
        fleet.advance(100.0)
    end_s = sound.world.requests["finish_s"][0]
    assert slow.world.requests["finish_s"][0] == pytest.approx(0.5 + 2 * (end_s - 0.5), abs=0.011)
    spent_s = [fleet.world.sums[0, kernel.ITERATION_S] for fleet in (sound, slow)]
    assert spent_s == pytest.approx([end_s, slow.world.requests["finish_s"][0]])


def test_a_variant_without_an_engine_cannot_be_simulated(
    engine: Engine, terms_of: Callable[..., Terms], trace_of: Callable[..., Trace]
) -> None:
    terms = terms_of(engine)
    unknown = replace(terms.variants[0], engine=Missing(reason="never measured"))
    with pytest.raises(ValueError, match="never measured"):
        Fleet(requests_of(trace_of([(0, 1, 1)], 1.0), 1), replace(terms, variants=(unknown,)), kernel.LEAST_LOADED, 0)


def test_laps_follow_one_another_after_the_span(trace_of: Callable[..., Trace]) -> None:
    requests = requests_of(trace_of([(1.0, 10, 5), (2.0, 20, 6)], 60.0, cached=[4, 0]), 2)
    assert requests["arrival_s"].tolist() == [1.0, 2.0, 61.0, 62.0]
    assert requests["prompt_tokens"].tolist() == [10, 20, 10, 20]
    assert requests["cached_tokens"].tolist() == [4, 0, 4, 0]
