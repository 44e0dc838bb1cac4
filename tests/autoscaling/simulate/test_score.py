"""Scores of runs made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.fleet import Life
from raytide.autoscaling.simulate.run import Played, Timeline
from raytide.autoscaling.simulate.score import flaps, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms, TrafficClass

NAN = float("nan")


@pytest.fixture(scope="module")
def terms(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    return terms_of(engine, engine)


def played(
    arrival_s: ArrayLike = (0.0,),
    ttft_s: ArrayLike = (0.1,),
    tpot_s: ArrayLike = (0.01,),
    *,
    num_laps: int = 1,
    lives: tuple[Life, ...] = (),
    targets: Sequence[tuple[float, int]] = ((10.0, 1),),
    shed: Sequence[bool] = (),
    class_of: Sequence[int] | None = None,
    span_s: float = 100.0,
) -> Played:
    first_lap_s = np.array(arrival_s, dtype=float)
    num = len(first_lap_s)
    trace = Trace(
        name="made",
        arrival_s=first_lap_s,
        prompt_tokens=np.ones(num, int),
        output_tokens=np.ones(num, int),
        class_of=None if class_of is None else np.array(class_of),
        span_s=span_s,
    )
    at_s, target = (np.array(column) for column in zip(*targets, strict=True))
    counts = np.column_stack([target, 0 * target])
    return Played(
        trace=trace,
        num_laps=num_laps,
        arrival_s=(first_lap_s[None, :] + span_s * np.arange(num_laps)[:, None]).ravel(),
        ttft_s=np.array(ttft_s),
        tpot_s=np.array(tpot_s),
        shed=np.array(shed or np.zeros_like(ttft_s), dtype=bool),
        lives=lives,
        timeline=Timeline(at_s=at_s, target=counts, ready=counts, holding=counts),
        decisions=(),
        num_aborted=0,
    )


def life(ordered_s: float, gone_s: float, variant: int = 0) -> Life:
    return Life(variant=variant, ordered_s=ordered_s, ready_s=ordered_s, gone_s=gone_s)


def test_a_request_attains_with_both_bounds_kept_and_never_when_unfinished(terms: Terms) -> None:
    found = score(played([0, 1, 2, 3, 4], [1.0, 1.1, 0.1, 0.1, NAN], [0.05, 0.01, 0.06, NAN, NAN]), terms)
    assert found.attainment == pytest.approx(0.2)
    assert found.requests == 5


def test_who_was_turned_away_is_counted_and_does_not_attain(terms: Terms) -> None:
    declared = tuple(TrafficClass(name=name, priority=0) for name in ("paid", "free", "idle"))
    run = played(
        [0, 1, 2, 3],
        [0.1, NAN, 0.1, NAN],
        [0.01, NAN, 0.01, NAN],
        shed=[False, True, False, True],
        class_of=[0, 1, 1, 1],
    )
    found = score(run, replace(terms, classes=declared))
    assert (found.shed, found.attainment) == (2, 0.5)
    assert found.attainment_by_class == {"paid": 1.0, "free": pytest.approx(1 / 3)}


def test_a_quantile_that_some_never_reached_is_infinite_and_null_in_json(terms: Terms) -> None:
    found = score(played([0, 1, 2, 3], [0.1, 0.2, 0.3, NAN], [0.01, 0.01, NAN, NAN]), terms)
    assert (found.ttft_p50_s, found.ttft_p99_s) == (0.2, float("inf"))
    assert found.to_json()["ttft_p99_s"] is None
    json.dumps(found.to_json(), allow_nan=False)


def test_each_lap_has_its_own_requests_costs_and_changes(terms: Terms) -> None:
    run = played(
        [0.0, 50.0],
        [0.1, 9.0, 0.2, 0.3],
        [0.01, 0.01, 0.01, 0.01],
        num_laps=2,
        lives=(life(0.0, 200.0), life(50.0, 150.0, variant=1), life(180.0, 300.0)),
        targets=[(10.0, 1), (60.0, 2), (90.0, 2), (110.0, 1), (150.0, 3)],
    )
    first, last = score(run, terms, 0), score(run, terms)
    assert (first.attainment, last.attainment) == (0.5, 1.0)
    # Variants cost 1 and 2 USD an hour.
    assert first.cost_usd == pytest.approx((100 + 2 * 50) / 3600)
    assert last.cost_usd == pytest.approx((100 + 20 + 2 * 50) / 3600)
    assert (first.mean_replicas, last.mean_replicas) == (1.5, 1.7)
    assert (first.changes, last.changes) == (1, 2)
    assert (first.max_replicas, last.max_replicas) == (2, 3)


def test_several_gpus_a_replica_count_each(terms: Terms) -> None:
    pair = replace(terms, variants=tuple(replace(variant, num_gpus=2) for variant in terms.variants))
    assert score(played(lives=(life(0.0, 36.0),)), pair).gpu_hours == pytest.approx(0.02)


def test_a_short_life_is_paid_for_its_shortest_billing(terms: Terms) -> None:
    billed = replace(terms, variants=tuple(replace(variant, min_billing_s=60.0) for variant in terms.variants))
    assert score(played(lives=(life(10.0, 20.0),)), billed).cost_usd == pytest.approx(60 / 3600)
    assert score(played(lives=(life(10.0, 95.0),)), billed).cost_usd == pytest.approx(85 / 3600)


def test_an_unknown_price_is_an_unknown_cost(terms: Terms) -> None:
    unknown = replace(terms.variants[0], usd_per_hour=Missing(reason="no list price"))
    found = score(played(lives=(life(0.0, 50.0),)), replace(terms, variants=(unknown, terms.variants[1])))
    assert found.to_json()["cost_usd"] is None


@pytest.mark.parametrize(
    ("changes", "num"),
    [
        ([], 0),
        ([(0, 1), (100, 1), (200, 2)], 0),
        ([(0, 1), (600, -1)], 1),
        ([(0, 1), (601, -1)], 0),
        ([(0, 1), (100, -1), (200, 1), (1000, -1)], 2),
    ],
)
def test_a_reversal_within_ten_minutes_is_a_flap(changes: list[tuple[float, int]], num: int) -> None:
    assert flaps(changes) == num


def test_a_move_between_variants_is_no_change_of_the_fleet(terms: Terms) -> None:
    run = played(targets=[(10.0, 1), (20.0, 1)])
    moved = np.array([[1, 0], [0, 1]])
    run = replace(run, timeline=replace(run.timeline, target=moved))
    assert score(run, terms).changes == 0


@pytest.mark.parametrize(
    ("missed_s", "recovery_s"),
    [((), 0.0), ((5.0,), 10.0), ((5.0, 15.0, 45.0), 20.0), ((45.0, 55.0, 65.0), 30.0)],
)
def test_recovery_is_the_longest_run_of_bad_ten_second_bins(
    terms: Terms, missed_s: tuple[float, ...], recovery_s: float
) -> None:
    arrival_s = np.arange(0.0, 100.0, 2.5)
    ttft_s = np.where(np.isin(arrival_s, missed_s), 5.0, 0.1)
    assert score(played(arrival_s, ttft_s, 0.0 * arrival_s), terms).recovery_s == recovery_s


def test_a_bin_with_95_percent_is_recovered(terms: Terms) -> None:
    arrival_s = np.linspace(0.0, 9.9, 20)
    ttft_s = np.r_[5.0, np.full(19, 0.1)]
    found: Any = score(played(arrival_s, ttft_s, 0.0 * arrival_s), terms)
    assert found.recovery_s == 0.0
