from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.autoscaling.live.decided import Decision, Need, State
from raytide.autoscaling.live.reports import Observation, RequestSample, Traffic, VariantView
from raytide.autoscaling.live.sizing import Bound, Limits, decide, resume
from raytide.autoscaling.missing import Missing

NOW_S = 10_000.0
RATES = st.floats(0, 1e4)
POSITIVE = st.floats(1e-3, 1e5)
COUNTS = st.integers(0, 50)
MISSING = st.builds(Missing, reason=st.just("unknown"))

POINTS = st.builds(
    CapacityPoint, concurrency=st.integers(1, 256), tpot_s=st.floats(1e-4, 10), output_tokens_per_s=POSITIVE
)
CAPACITIES = st.builds(
    Capacity, prefill_tokens_per_s=POSITIVE, points=st.lists(POINTS, min_size=1, max_size=4).map(tuple)
)
SAMPLES = st.builds(
    RequestSample,
    prompt_tokens=st.integers(0, 8000),
    output_tokens=st.integers(0, 8000),
    ttft_s=st.floats(0, 100),
    tpot_s=st.floats(0, 10),
)
TRAFFIC = st.builds(
    Traffic,
    arrivals_per_s=RATES,
    prompt_tokens=st.floats(0, 1e5),
    output_tokens=st.floats(0, 1e5),
    running=COUNTS,
    mean_running=st.floats(0, 1000),
    waiting=st.integers(0, 10_000),
    errors=COUNTS,
    # Few samples are no verdict, so they come in quantity.
    samples=st.lists(SAMPLES, max_size=3).map(lambda samples: tuple(samples) * 10),
)
VIEWS = st.builds(
    VariantView,
    name=st.just("v"),
    num_ready=COUNTS,
    num_starting=st.just(0) | COUNTS,
    target=COUNTS,
    usd_per_hour=st.just(0.0) | st.floats(1e-3, 100) | MISSING,
    capacity=CAPACITIES | MISSING,
    traffic=TRAFFIC | MISSING,
)
SEEING = st.builds(replace, VIEWS, capacity=CAPACITIES, traffic=TRAFFIC)
BOUNDS = st.builds(Bound, quantile=st.sampled_from([0.5, 0.9, 0.95, 0.99]), seconds=st.floats(1e-3, 10))
LIMITS = st.builds(
    Limits,
    ttft=BOUNDS,
    tpot=BOUNDS,
    min_replicas=st.integers(1, 5),
    max_replicas=st.integers(5, 40),
    max_usd_per_hour=st.none() | st.floats(0.01, 1000),
    utilisation=st.floats(0.05, 1),
    window_s=st.floats(1, 60),
    scale_down_after_s=st.floats(0, 600),
)
NEEDS = st.builds(Need, at_s=st.floats(NOW_S - 1000, NOW_S), replicas=COUNTS)
STATES = st.lists(NEEDS, max_size=6).map(lambda needs: State(needs={"v": tuple(sorted(needs, key=lambda n: n.at_s))}))


def _decide(view: VariantView, limits: Limits, state: State, now_s: float = NOW_S) -> Decision:
    return decide(Observation(at_s=now_s, variants=(view,)), limits, state, now_s)


def _most(view: VariantView, limits: Limits) -> int:
    """What maximum and budget allow, or the minimum where that is more."""
    price = view.usd_per_hour
    affordable = limits.max_replicas
    if limits.max_usd_per_hour is not None and isinstance(price, float) and price > 0:
        affordable = int(limits.max_usd_per_hour / price + 1e-9)
    return max(limits.min_replicas, min(limits.max_replicas, affordable))


@given(VIEWS, LIMITS, STATES)
def test_a_target_is_always_within_its_bounds_and_has_a_reason(view: VariantView, limits: Limits, state: State) -> None:
    decided = _decide(view, limits, state).variants[0]
    assert limits.min_replicas <= decided.target <= _most(view, limits)
    assert decided.reasons


@given(VIEWS, LIMITS, STATES)
def test_the_same_inputs_give_the_same_decision(view: VariantView, limits: Limits, state: State) -> None:
    first = _decide(view, limits, state)
    assert first == _decide(view, limits, state)
    assert _decide(view, limits, first.state, NOW_S + 1) == _decide(view, limits, first.state, NOW_S + 1)


@given(SEEING, LIMITS, STATES, RATES, RATES)
def test_more_arrivals_never_mean_fewer_replicas(
    view: VariantView, limits: Limits, state: State, one: float, other: float
) -> None:
    assert isinstance(view.traffic, Traffic)
    calm, busy = (
        _decide(replace(view, traffic=replace(view.traffic, arrivals_per_s=rate)), limits, state).variants[0].target
        for rate in sorted((one, other))
    )
    assert calm <= busy


@given(SEEING, LIMITS, STATES)
def test_no_variant_shrinks_below_a_need_of_the_window(view: VariantView, limits: Limits, state: State) -> None:
    target = _decide(view, limits, state).variants[0].target
    for need in state.needs["v"]:
        if NOW_S - need.at_s < limits.scale_down_after_s:
            assert target >= min(need.replicas, view.target, _most(view, limits))


@given(
    LIMITS,
    CAPACITIES,
    st.lists(st.tuples(st.floats(0.1, 60), TRAFFIC | MISSING, st.booleans()), min_size=2, max_size=25),
)
def test_what_went_up_stays_for_the_window(
    limits: Limits, capacity: Capacity, ticks: Sequence[tuple[float, Traffic | Missing, bool]]
) -> None:
    view = VariantView(
        name="v",
        num_ready=limits.min_replicas,
        num_starting=0,
        target=limits.min_replicas,
        usd_per_hour=Missing(reason="unknown"),
        capacity=capacity,
        traffic=Missing(reason="unknown"),
    )
    now_s, raised_at_s = NOW_S, float("-inf")
    state = resume(Observation(at_s=now_s, variants=(view,)))
    for waited_s, traffic, starting in ticks:
        now_s += waited_s
        num_starting = int(starting and view.target > 1)
        seen = replace(view, traffic=traffic, num_starting=num_starting, num_ready=view.target - num_starting)
        decision = _decide(seen, limits, state, now_s)
        state, target = decision.state, decision.variants[0].target
        if target < view.target:
            assert now_s - raised_at_s >= limits.scale_down_after_s
        raised_at_s = now_s if target > view.target else raised_at_s
        view = replace(view, target=target)


@given(SEEING, LIMITS, st.lists(st.floats(0.1, 100), max_size=40))
def test_the_state_is_bounded_by_the_window(view: VariantView, limits: Limits, waits_s: list[float]) -> None:
    state, now_s = State(), NOW_S
    for waited_s in waits_s:
        now_s += waited_s
        state = _decide(view, limits, state, now_s).state
    kept = state.needs.get("v", ())
    assert all(now_s - need.at_s < limits.scale_down_after_s or need.at_s == now_s for need in kept)


def test_fifty_variants_are_decided_in_ten_milliseconds(view: VariantView, limits: Limits) -> None:
    sample = RequestSample(prompt_tokens=100, output_tokens=80, ttft_s=0.1, tpot_s=0.01)
    assert isinstance(view.traffic, Traffic)
    busy = replace(view, traffic=replace(view.traffic, samples=(sample,) * 100))
    views = tuple(replace(busy, name=f"v{number}") for number in range(50))
    needs = tuple(Need(at_s=NOW_S - ago_s, replicas=2) for ago_s in range(120, 0, -2))
    state = State(needs={view.name: needs for view in views})
    observation = Observation(at_s=NOW_S, variants=views)

    def seconds() -> float:
        started_s = time.process_time()  # a busy machine is no failure
        decide(observation, limits, state, NOW_S)
        return time.process_time() - started_s

    assert statistics.median(seconds() for _ in range(11)) < 0.01
