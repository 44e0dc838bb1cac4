from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import exp, inf
from statistics import NormalDist, fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.baselines.melange import Melange, cheapest_mix
from raytide.autoscaling.simulate.baselines.sizes import thirds
from raytide.autoscaling.terms import Variant

# A request of 1000 and 200 tokens fills 0.072 of a second; a TPOT of 100 ms allows a load of 0.9: 12.5 requests/s.
ENGINE = Engine(
    iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=1e-7, per_prefill_token_s=5e-5),
    kv_capacity_tokens=1_000_000,
    chunk_tokens=100_000,
    max_num_seqs=10_000,
)
SLOWER = replace(ENGINE, iteration=replace(ENGINE.iteration, per_kv_token_s=2e-7, per_prefill_token_s=1e-4))


def _variant(name: str, engine: Engine | Missing, usd_per_hour: float) -> Variant:
    return Variant(name=name, engine=engine, usd_per_hour=usd_per_hour, cold_start_s=60.0)


def test_one_variant_gets_as_many_replicas_as_the_load_fills(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    melange = loop(Melange(), variants=(_variant("v", ENGINE, 10.0),))
    decided = melange.see(seen(demand=demand(arrivals=400, span_s=10.0))).variants[0]
    assert decided.target == 4  # 40/12.5 = 3.2
    assert decided.binding.facts["load_on_v"] == pytest.approx(3.2)


def test_planning_with_less_of_the_rate_takes_more(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    melange = loop(Melange(utilisation=0.4), variants=(_variant("v", ENGINE, 10.0),))
    assert melange.target(seen(demand=demand(arrivals=400, span_s=10.0))) == 8  # 3.2/0.4


def test_the_rate_is_the_greater_of_the_window_and_the_present(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    melange = loop(Melange(), variants=(_variant("v", ENGINE, 10.0),))
    assert melange.target(seen(at_s=0.0, demand=demand(arrivals=100, span_s=10.0))) == 1
    assert melange.target(seen(at_s=10.0, demand=demand(arrivals=400, span_s=10.0))) == 4  # 40 requests/s now
    assert melange.target(seen(at_s=20.0, demand=demand(arrivals=100, span_s=10.0))) == 2  # 20 requests/s: 1.6


def test_the_cheaper_variant_per_load_is_chosen(
    seen: Callable[..., Any], view: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    # Half as fast: 3.2 replicas of "v" or 6.4 of "w". 4·10 against 7·4; and 3·10 + 1·4 holds 3.5.
    melange = loop(Melange(), variants=(_variant("v", ENGINE, 10.0), _variant("w", SLOWER, 4.0)))
    observation = seen(
        variants=(view(name="v", ready=4), view(name="w", ready=0)), demand=demand(arrivals=400, span_s=10.0)
    )
    decision = melange.see(observation)
    assert {variant.variant: variant.target for variant in decision.variants} == {"v": 0, "w": 7}
    assert decision.variants[0].reasons[0].rule == Rule.PRICE
    dearer = loop(Melange(), variants=(_variant("v", ENGINE, 10.0), _variant("w", SLOWER, 5.1)))
    assert {one.variant: one.target for one in dearer.see(observation).variants} == {"v": 3, "w": 1}  # 35.1 < 35.7 < 40


def test_an_idle_window_takes_the_minimum(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(Melange(), variants=(_variant("v", ENGINE, 10.0),)).target(seen(ready=5)) == 1


@pytest.mark.parametrize(
    ("engine", "finished", "says"),
    [
        (ENGINE, 9, "too few requests"),
        (Missing(reason="unknown"), 400, "no variant"),
        (replace(ENGINE, iteration=replace(ENGINE.iteration, base_s=0.2)), 400, "no variant"),
    ],
)
def test_the_fleet_is_held_where_the_sizes_or_the_engines_are_unknown(
    seen: Callable[..., Any],
    demand: Callable[..., Any],
    loop: Callable[..., Any],
    engine: Engine | Missing,
    finished: int,
    says: str,
) -> None:
    melange = loop(Melange(), variants=(_variant("v", engine, 10.0),))
    decided = melange.see(seen(ready=5, demand=demand(arrivals=400, span_s=10.0, finished=finished))).variants[0]
    assert (decided.target, decided.binding.rule) == (5, Rule.HELD)
    assert says in decided.binding.says


def test_thirds_of_equal_requests_are_all_the_mean() -> None:
    assert thirds(500.0, 250_000.0) == pytest.approx((500.0, 500.0, 500.0), rel=1e-4)


def test_thirds_of_a_lognormal_are_the_means_between_its_quantiles() -> None:
    # μ = 6 and σ = 1: the mean is exp(6.5) and that of squares exp(14).
    values = [exp(6.0 + NormalDist().inv_cdf((rank + 0.5) / 30_000)) for rank in range(30_000)]
    lower, middle, upper = (fmean(values[third * 10_000 : (third + 1) * 10_000]) for third in range(3))
    assert thirds(exp(6.5), exp(14.0)) == pytest.approx((lower, middle, upper), rel=1e-3)


CELLS = st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.01, 3.0)), min_size=1, max_size=3)


@settings(max_examples=40)  # each solves a program, 4 ms
@given(CELLS, st.floats(1.0, 10.0), st.floats(1.0, 10.0))
def test_no_other_mix_that_holds_the_load_is_cheaper(
    cells: list[tuple[float, float]], one_usd: float, other_usd: float
) -> None:
    loads = {"one": tuple(cell[0] for cell in cells), "other": tuple(cell[1] for cell in cells)}
    mix = cheapest_mix(loads, {"one": one_usd, "other": other_usd})
    cost = mix["one"] * one_usd + mix["other"] * other_usd
    most = range(11)
    best = min(
        (one * one_usd + other * other_usd for one, other in product(most, most) if _holds(cells, one, other)),
        default=inf,
    )
    assert _holds(cells, mix["one"], mix["other"])
    assert cost == pytest.approx(best, rel=1e-6)


def _holds(cells: list[tuple[float, float]], one: int, other: int) -> bool:
    """Whether replicas of two variants hold the cells: those that the first is best at go there until it is full."""
    room = one + 1e-6
    left = 0.0
    for first, second in sorted(cells, key=lambda cell: cell[0] / cell[1]):
        share = min(1.0, room / first)
        room -= share * first
        left += (1.0 - share) * second
    return left <= other + 1e-6
