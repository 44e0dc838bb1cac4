from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.simulate.league import Row, ranked, row_of
from raytide.autoscaling.simulate.result import Reference, Result
from raytide.autoscaling.simulate.score import Score
from raytide.autoscaling.simulate.tune import best_setting, said

SCORE: dict[str, Any] = {
    "requests": 100,
    "ttft_p50_s": 0.1,
    "ttft_p99_s": 1.0,
    "tpot_p50_s": 0.02,
    "tpot_p99_s": 0.05,
    "gpu_hours": 2.0,
    "mean_replicas": 1.0,
    "max_replicas": 1,
    "changes": 0,
    "flaps": 0,
    "recovery_s": 0.0,
    "aborted": 0,
    "shed": 0,
    "attainment_by_class": {},
}
UNKNOWN = Missing(reason="not searched")


def _result(
    policy: str, trace: str, attainment: float, cost_usd: float, oracle_usd: float | Missing = 10.0, seed: int = 0
) -> Result:
    score = Score(attainment=attainment, cost_usd=cost_usd, **SCORE)
    return Result(
        policy=policy,
        trace=trace,
        cold_start_s=120.0,
        seed=seed,
        score=score,
        cold=score,
        reference=Reference(fluid_cost_usd=1.0, cost_usd=oracle_usd, attainment=0.99),
        wall_s=0.1,
    )


def _row(policy: str, *standings: tuple[float, float]) -> Row:
    results = [_result(policy, f"t{n}", attainment, cost) for n, (attainment, cost) in enumerate(standings)]
    return row_of(results, 0.99)


def test_a_miss_on_one_trace_outweighs_any_saving() -> None:
    rows = {row.policy: row for row in (_row("cheap", (0.98, 1.0), (1.0, 1.0)), _row("dear", (0.99, 90), (0.99, 90)))}
    assert [entry.default.policy for entry in ranked(rows)] == ["dear", "cheap"]


def test_the_cost_of_a_row_is_the_geometric_mean_of_its_multiples() -> None:
    row = _row("one", (1.0, 20.0), (1.0, 80.0))
    assert row.relative == pytest.approx(4.0)
    assert row.keeps_all


def test_without_an_oracle_costs_themselves_are_compared() -> None:
    row = row_of([_result("one", "t", 1.0, 20.0, UNKNOWN), _result("one", "u", 1.0, 80.0)], 0.99)
    assert row.relative == pytest.approx(40.0)


def test_seeds_are_averaged_before_an_objective_counts_as_kept() -> None:
    seeds = [_result("one", "t", attainment, 10.0, seed=seed) for seed, attainment in enumerate((0.985, 0.999))]
    assert row_of(seeds, 0.99).num_kept == 1
    assert row_of(seeds[:1], 0.99).num_kept == 0


@given(st.lists(st.floats(1.0, 100.0), min_size=2, max_size=6))
def test_the_interval_lies_within_the_seeds_and_around_their_mean(costs: list[float]) -> None:
    row = row_of([_result("one", "t", 1.0, cost, 1.0, seed) for seed, cost in enumerate(costs)], 0.99)
    assert not isinstance(row.interval, Missing)
    low, high = row.interval
    assert min(costs) - 1e-9 <= low <= row.relative + 1e-9
    assert row.relative - 1e-9 <= high <= max(costs) + 1e-9


def test_one_seed_has_no_interval() -> None:
    assert isinstance(_row("one", (1.0, 1.0)).interval, Missing)


def test_the_tuned_row_decides_the_place_where_there_is_one() -> None:
    default = {"a": _row("a", (1.0, 20.0)), "b": _row("b", (1.0, 30.0))}
    tuned = {"a": _row("a", (1.0, 18.0)), "b": _row("b", (1.0, 12.0))}
    assert [entry.default.policy for entry in ranked(default)] == ["a", "b"]
    assert [entry.default.policy for entry in ranked(default, tuned)] == ["b", "a"]


def test_the_chosen_setting_keeps_most_traces_and_is_then_the_cheapest() -> None:
    tried = {
        0: [_result("one", "t", 0.99, 9.0), _result("one", "u", 0.97, 1.0)],
        1: [_result("one", "t", 0.99, 9.0), _result("one", "u", 0.99, 9.0)],
        2: [_result("one", "t", 0.99, 8.0), _result("one", "u", 0.99, 9.0)],
        3: [_result("one", "t", 0.99, 8.0), _result("one", "u", 0.99, 9.0)],
    }
    assert best_setting(tried, 0.99) == 2


def test_what_is_not_known_is_null_in_plain_data() -> None:
    found = _result("one", "t", 1.0, float("nan"), UNKNOWN).to_json()
    assert found["oracle_cost_usd"] is None
    assert found["cost_over_oracle"] is None
    assert found["cost_usd"] is None


def test_a_setting_is_called_by_what_differs_however_deep() -> None:
    ours = Raytide(settings=Settings(budget_share=1.0), interval_s=10.0)
    assert said(ours, Raytide()) == "settings.budget_share=1, interval_s=10"
    assert said(Raytide(), Raytide()) == "defaults"
