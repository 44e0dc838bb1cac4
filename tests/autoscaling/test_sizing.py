from __future__ import annotations

from dataclasses import replace

import pytest

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.live.decided import Need, State, VariantDecision
from raytide.autoscaling.live.reports import Observation, RequestSample, Traffic, VariantView
from raytide.autoscaling.live.sizing import MIN_SAMPLES, Limits, decide, resume
from raytide.autoscaling.missing import Missing

NOW_S = 1000.0
SLOW = RequestSample(prompt_tokens=100, output_tokens=80, ttft_s=0.9, tpot_s=0.01)
FAST = replace(SLOW, ttft_s=0.1)


def _decided(view: VariantView, limits: Limits, *needs: tuple[float, int]) -> VariantDecision:
    """The decision for one variant after needs of `(seconds ago, replicas)`."""
    state = State(needs={view.name: tuple(Need(at_s=NOW_S - ago_s, replicas=n) for ago_s, n in needs)})
    return decide(Observation(at_s=NOW_S, variants=(view,)), limits, state, NOW_S).variants[0]


def _with(view: VariantView, *, target: int | None = None, **traffic: object) -> VariantView:
    """The view with another traffic and, where given, that many replicas, all ready."""
    replicas = view.target if target is None else target
    assert isinstance(view.traffic, Traffic)
    changed = replace(view.traffic, **traffic)  # type: ignore[arg-type]
    return replace(view, target=replicas, num_ready=replicas, traffic=changed)


@pytest.mark.parametrize(
    ("arrivals_per_s", "target"),
    [(0.25, 1), (1.0, 1), (1.01, 2), (3.0, 3), (3.1, 4), (9.9, 10)],  # 0.5 s busy each, half of a replica usable
)
def test_demand_over_measured_capacity_sizes_the_variant(
    view: VariantView, limits: Limits, arrivals_per_s: float, target: int
) -> None:
    decided = _decided(_with(view, arrivals_per_s=arrivals_per_s), limits)
    assert (decided.target, decided.binding.rule) == (target, Rule.DEMAND)


def test_a_decision_carries_the_numbers_that_it_rests_on(view: VariantView, limits: Limits) -> None:
    reason = _decided(_with(view, arrivals_per_s=3.0, mean_running=2.0, waiting=4), limits).reasons[0]
    assert reason.facts == pytest.approx({
        "arrivals_per_s": 3.0, "prompt_tokens": 100.0, "output_tokens": 80.0, "waiting": 4, "busy_s_per_request": 0.5,
        "replicas_busy": 1.5, "replicas_filled": 0.5, "replicas_for_backlog": 0.1, "utilisation": 0.5,
        "capacity_output_tokens_per_s": 200.0, "capacity_concurrency": 4, "need": 4,
    })  # fmt: skip
    assert reason.says == (
        "3.0 requests/s keep 1.50 replicas busy and fill 0.50, 4 waiting need 0.10; at 50% utilisation that needs 4"
    )


def test_a_backlog_is_to_be_served_within_a_window(view: VariantView, limits: Limits) -> None:
    # 40 waiting × 0.5 s over 20 s is one replica more, two at half utilisation.
    assert _decided(_with(view, arrivals_per_s=1.0, waiting=40), limits).target == 3


@pytest.mark.parametrize(("mean_running", "target"), [(0.0, 1), (2.0, 1), (2.1, 2), (8.0, 4)])
def test_full_batches_count_although_no_request_has_finished_yet(
    view: VariantView, limits: Limits, mean_running: float, target: int
) -> None:
    young = _with(view, arrivals_per_s=3.0, prompt_tokens=0.0, output_tokens=0.0, mean_running=mean_running)
    assert _decided(young, limits).target == target  # four sequences fill a replica, half of it is usable


def test_an_impossible_tpot_is_sized_at_one_sequence_and_said(view: VariantView, limits: Limits) -> None:
    strict = replace(limits, tpot=replace(limits.tpot, seconds=0.001))
    decided = _decided(_with(view, arrivals_per_s=1.0), strict)  # (0.1 + 80 / 100) / 0.5 = 1.8
    assert decided.target == 2
    assert decided.binding.says.endswith("a single sequence takes 10 ms per token, above the objective")


def test_a_quiet_service_needs_none_and_keeps_its_minimum(view: VariantView, limits: Limits) -> None:
    decided = _decided(_with(view, arrivals_per_s=0.0), limits)
    assert (decided.target, decided.binding.rule) == (1, Rule.MIN_REPLICAS)
    assert decided.binding.says == "0 wanted, min-replicas allows no fewer than 1"


def test_the_maximum_binds(view: VariantView, limits: Limits) -> None:
    decided = _decided(_with(view, arrivals_per_s=30.0), limits)
    assert (decided.target, decided.binding.rule) == (10, Rule.MAX_REPLICAS)


def test_a_budget_binds_before_a_larger_maximum(view: VariantView, limits: Limits) -> None:
    decided = _decided(_with(view, arrivals_per_s=30.0), replace(limits, max_usd_per_hour=9.0))
    assert (decided.target, decided.binding.rule, decided.usd_per_hour) == (4, Rule.BUDGET, 8.0)


def test_a_budget_is_spent_to_its_last_cent(view: VariantView, limits: Limits) -> None:
    # 0.3 / 0.1 is 2.9999999999999996 in binary.
    cheap = replace(_with(view, arrivals_per_s=30.0), usd_per_hour=0.1)
    assert _decided(cheap, replace(limits, max_usd_per_hour=0.3)).target == 3


def test_the_minimum_is_kept_against_a_budget(view: VariantView, limits: Limits) -> None:
    poor = replace(limits, min_replicas=2, max_usd_per_hour=1.0)
    decided = _decided(_with(view, arrivals_per_s=3.0), poor)
    assert (decided.target, decided.binding.rule) == (2, Rule.MIN_REPLICAS)
    assert [reason.rule for reason in decided.reasons] == [Rule.DEMAND, Rule.BUDGET, Rule.MIN_REPLICAS]


def test_without_a_price_a_budget_cannot_bind_and_the_cost_is_unknown(view: VariantView, limits: Limits) -> None:
    unpriced = replace(_with(view, arrivals_per_s=3.0), usd_per_hour=Missing(reason="no pool"))
    decided = _decided(unpriced, replace(limits, max_usd_per_hour=0.01))
    assert (decided.target, decided.usd_per_hour) == (3, None)


def test_a_need_of_the_window_is_kept(view: VariantView, limits: Limits) -> None:
    decided = _decided(_with(view, target=3), limits, (119.0, 3))
    assert (decided.target, decided.binding.rule) == (3, Rule.STABILISED)
    assert decided.binding.says == "1 would do, 3 were needed within the last 120 s"


def test_a_need_that_left_the_window_is_forgotten(view: VariantView, limits: Limits) -> None:
    decided = _decided(_with(view, target=3), limits, (120.0, 3))
    assert (decided.target, decided.binding.rule) == (1, Rule.DEMAND)


def test_a_variant_shrinks_to_the_largest_need_of_the_window(view: VariantView, limits: Limits) -> None:
    assert _decided(_with(view, target=5), limits, (60.0, 2), (30.0, 3)).target == 3


def test_a_need_beyond_the_present_size_does_not_come_back_later(view: VariantView, limits: Limits) -> None:
    assert _decided(_with(view, target=2), limits, (60.0, 9)).target == 2


def test_an_order_counts_as_needed_while_a_replica_starts(view: VariantView, limits: Limits) -> None:
    ordered = replace(_with(view), target=3, num_ready=1, num_starting=2)
    decision = decide(Observation(at_s=NOW_S, variants=(ordered,)), limits, State(), NOW_S)
    assert (decision.variants[0].target, decision.variants[0].binding.rule) == (3, Rule.STABILISED)
    assert decision.state.needs["v"] == (Need(at_s=NOW_S, replicas=3),)


@pytest.mark.parametrize("lacking", ["traffic", "capacity"])
def test_what_is_missing_holds_the_present_size(view: VariantView, limits: Limits, lacking: str) -> None:
    blind = replace(_with(view, target=3), **{lacking: Missing(reason="nothing came")})  # type: ignore[arg-type]
    decided = _decided(blind, limits, (300.0, 3))
    assert (decided.target, decided.binding.rule) == (3, Rule.HELD)
    assert decided.binding.says == "held at 3: nothing came"


def test_a_held_variant_forgets_nothing_and_still_keeps_its_bounds(view: VariantView, limits: Limits) -> None:
    blind = replace(_with(view, target=12), traffic=Missing(reason="nothing came"))
    state = State(needs={"v": (Need(at_s=NOW_S - 300, replicas=3),)})
    decision = decide(Observation(at_s=NOW_S, variants=(blind,)), limits, state, NOW_S)
    assert decision.state == state
    assert (decision.variants[0].target, decision.variants[0].binding.rule) == (10, Rule.MAX_REPLICAS)


def test_a_policy_that_starts_beside_running_replicas_keeps_them_for_a_window(
    view: VariantView, limits: Limits
) -> None:
    running = _with(view, target=4)
    state = resume(Observation(at_s=NOW_S, variants=(running,)))
    assert state.needs == {"v": (Need(at_s=NOW_S, replicas=4),)}
    soon, later = (
        decide(Observation(at_s=at_s, variants=(running,)), limits, state, at_s).variants[0].target
        for at_s in (NOW_S + 119, NOW_S + 120)
    )
    assert (soon, later) == (4, 1)


def test_a_missed_objective_asks_for_one_replica_more(view: VariantView, limits: Limits) -> None:
    late = _with(view, target=3, arrivals_per_s=3.0, samples=(SLOW,) * MIN_SAMPLES)
    decided = _decided(late, limits)
    assert (decided.target, decided.binding.rule) == (4, Rule.OBJECTIVE)
    assert decided.binding.says == "TTFT p95 was 900 ms, 500 ms wanted: one more"


def test_both_missed_objectives_are_said(view: VariantView, limits: Limits) -> None:
    slow = replace(SLOW, tpot_s=0.06)
    decided = _decided(_with(view, samples=(slow,) * MIN_SAMPLES), limits)
    assert decided.binding.says == ("TTFT p95 was 900 ms, 500 ms wanted and TPOT p95 was 60 ms, 50 ms wanted: one more")


def test_one_slow_request_of_twenty_keeps_a_95th_percentile(view: VariantView, limits: Limits) -> None:
    samples = (SLOW, *(FAST,) * (MIN_SAMPLES - 1))
    assert _decided(_with(view, samples=samples), limits).binding.rule is Rule.DEMAND


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"samples": (SLOW,) * (MIN_SAMPLES - 1)}, "too few requests for a verdict"),
        ({"arrivals_per_s": 1.0}, "at most half busy: more of the same would not help"),
        ({"arrivals_per_s": 1.0, "target": 2}, "exactly half busy"),
        ({"arrivals_per_s": 4.0}, "demand already asks for more"),
    ],
)
def test_the_objective_rule_stays_out(view: VariantView, limits: Limits, changed: dict[str, object], why: str) -> None:
    late = _with(view, **{"target": 3, "arrivals_per_s": 3.0, "samples": (SLOW,) * MIN_SAMPLES, **changed})  # type: ignore[arg-type]
    assert all(reason.rule is not Rule.OBJECTIVE for reason in _decided(late, limits).reasons), why


@pytest.mark.parametrize("unsettled", [{"num_starting": 1}, {"num_ready": 2}])
def test_the_objective_rule_waits_until_what_was_ordered_is_ready(
    view: VariantView, limits: Limits, unsettled: dict[str, int]
) -> None:
    late = replace(
        _with(view, target=3, arrivals_per_s=3.0, samples=(SLOW,) * MIN_SAMPLES),
        **unsettled,  # type: ignore[arg-type]
    )
    assert _decided(late, limits).target == 3


def test_variants_are_decided_apart(view: VariantView, limits: Limits) -> None:
    other = replace(_with(view, arrivals_per_s=5.0), name="w")
    decision = decide(Observation(at_s=NOW_S, variants=(view, other)), limits, State(), NOW_S)
    assert [(variant.variant, variant.target) for variant in decision.variants] == [("v", 1), ("w", 5)]
    assert [variant.variant for variant in decision.changes] == ["w"]
    assert set(decision.state.needs) == {"v", "w"}


def test_limits_survive_json(limits: Limits) -> None:
    assert Limits.from_json(limits.to_json()) == limits
