from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.case import Case, constant, smallest_static, warm_up
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.feasible import InfeasibleObjective, infeasible, require_feasible, unloaded
from raytide.autoscaling.simulate.policies import cotuned, settings_of
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms

Made = Callable[..., Trace]


def test_a_request_alone_takes_what_the_simulator_says(
    engine: Engine, terms_of: Callable[..., Terms], trace_of: Made
) -> None:
    trace = trace_of([(0.0, 300, 40), (20.0, 5000, 1), (40.0, 2048, 9)], 60.0)
    case = Case(trace=trace, terms=terms_of(engine), conditions=Conditions(num_laps=1, initial_replicas=1))
    played = play(trace, constant(1, trace), case.terms, case.conditions)
    ttft_s, tpot_s = unloaded(trace, engine)
    assert played.ttft_s == pytest.approx(ttft_s)
    assert played.tpot_s == pytest.approx(tpot_s, rel=2e-3)


@given(st.floats(0.001, 0.03), st.floats(0.01, 0.5))
def test_the_bound_that_is_named_can_be_kept(engine: Engine, trace_of: Made, tpot_s: float, ttft_s: float) -> None:
    trace = trace_of([(float(at), 200 * (at + 1), at + 1) for at in range(20)], 20.0)
    objective = Objective(ttft_s=ttft_s, tpot_s=tpot_s, attainment=0.9)
    for _ in range(2):  # first TPOT, then TTFT
        found = infeasible(trace, engine, objective)
        if found is not None:
            assert found.nearest > found.bound
            objective = replace(objective, **{f"{found.limit}_s": found.nearest})
    assert infeasible(trace, engine, objective) is None


def test_one_fast_variant_is_enough(engine: Engine, terms_of: Callable[..., Terms], trace_of: Made) -> None:
    trace = trace_of([(0.0, 100, 10), (1.0, 100, 10)], 2.0)
    slow = replace(engine, iteration=replace(engine.iteration, base_s=0.2))
    require_feasible(trace, terms_of(slow, engine))
    with pytest.raises(InfeasibleObjective, match=r"v0: .* takes 201 ms of tpot .* bound is 50 ms"):
        require_feasible(trace, terms_of(slow))


def test_the_smallest_static_fleet_grows_with_the_load(
    engine: Engine, terms_of: Callable[..., Terms], trace_of: Made
) -> None:
    def fleet(requests_per_s: int) -> int:
        trace = trace_of([(n / requests_per_s, 1500, 20) for n in range(40 * requests_per_s)], 40.0)
        case = Case(trace=trace, terms=terms_of(engine), conditions=Conditions())
        warm_up(case)
        return smallest_static(case)

    fleets = [fleet(rate) for rate in (2, 20, 40)]
    assert fleets == sorted(fleets)
    assert fleets[0] == 1 < fleets[-1]


def test_a_cotuned_engine_has_a_chunk_that_keeps_tpot(
    engine: Engine, terms_of: Callable[..., Terms], trace_of: Made
) -> None:
    large = replace(engine, chunk_tokens=8192)
    trace = trace_of([(float(at), 3000, 50) for at in range(60)], 60.0)
    (tuned,) = cotuned(terms_of(large), trace).variants
    assert isinstance(tuned.engine, Engine)
    step = tuned.engine.iteration
    assert step.base_s + step.per_prefill_token_s * tuned.engine.chunk_tokens < 0.06
    assert tuned.engine.chunk_tokens < 8192


def test_policies_in_hindsight_have_no_settings() -> None:
    assert settings_of("static-peak") == settings_of("oracle") == ()
    assert len(settings_of("static")) == 12
