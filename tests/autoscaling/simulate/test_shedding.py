"""Two classes on a budget of half of what all of them need: what is let in is served, and the higher class whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.run import Played, play
from raytide.autoscaling.simulate.score import Score, score
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms, TrafficClass

PAID, FREE = TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0)
BUDGET = 4.0
"""Four replicas at a dollar; without it, eight are kept."""
LAPS = Conditions(num_laps=2)


@dataclass(frozen=True, kw_only=True)
class Lenient(Raytide):
    """Sizes as the policy does, and turns nobody away."""

    def decide(self, observation: Observation, terms: Terms, state: Knowledge, now_s: float) -> Decision:
        return replace(super().decide(observation, terms, state, now_s), served={}, reasons=())


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Ten minutes of 100 requests per second, a third of them paid."""
    rng = np.random.default_rng(11)
    num = 60_000
    return Trace(
        name="made",
        arrival_s=np.sort(rng.uniform(0.0, 599.0, num)),
        prompt_tokens=rng.integers(100, 1400, num, dtype=np.int32),
        output_tokens=rng.integers(20, 180, num, dtype=np.int32),
        class_of=(rng.random(num) > 1 / 3).astype(np.int32),
        span_s=600.0,
    )


@pytest.fixture(scope="module")
def terms(engine: Engine, terms_of: Callable[..., Terms]) -> Terms:
    declared = terms_of(engine, max_replicas=20)
    return replace(declared, min_replicas=1, max_usd_per_hour=BUDGET, classes=(PAID, FREE))


@pytest.fixture(scope="module")
def played(trace: Trace, terms: Terms) -> Played:
    return play(trace, Raytide(), terms, LAPS)


@pytest.fixture(scope="module")
def found(played: Played, terms: Terms) -> Score:
    return score(played, terms)


def test_the_budget_is_half_of_what_is_needed(trace: Trace, terms: Terms) -> None:
    free = score(play(trace, Raytide(), replace(terms, max_usd_per_hour=None), LAPS), terms)
    assert 1.8 * BUDGET < free.mean_replicas < 2.8 * BUDGET
    assert (free.shed, free.attainment > 0.9) == (0, True)


def test_the_budget_is_exceeded_at_no_tick(played: Played) -> None:
    assert played.timeline.holding.max() <= BUDGET


def test_the_higher_class_is_served_as_if_it_were_alone(found: Score) -> None:
    assert found.attainment_by_class["paid"] >= 0.99


def test_what_is_left_goes_to_the_lower_class(found: Score) -> None:
    assert 0.1 < found.attainment_by_class["free"] < 0.5


def test_who_is_let_in_attains(played: Played, found: Score) -> None:
    assert found.shed > found.requests / 3
    assert found.attainment * found.requests >= 0.97 * (found.requests - found.shed)
    assert np.isnan(played.ttft_s[played.shed]).all()


def test_without_shedding_all_are_late_alike(trace: Trace, terms: Terms) -> None:
    late = score(play(trace, Lenient(), terms, LAPS), terms)
    assert late.shed == 0
    assert max(late.attainment_by_class.values()) < 0.1


def test_without_a_binding_budget_classes_change_nothing(trace: Trace, terms: Terms) -> None:
    ample = replace(terms, max_usd_per_hour=None)
    one, other = (play(trace, Raytide(), each, LAPS) for each in (ample, replace(ample, classes=())))
    assert not one.shed.any()
    assert np.array_equal(one.ttft_s, other.ttft_s)
    assert np.array_equal(one.timeline.target, other.timeline.target)


@dataclass(frozen=True, kw_only=True)
class Watching(Raytide):
    """Decides as the policy does, and keeps what it saw."""

    seen: list[Observation] = field(default_factory=list)

    def decide(self, observation: Observation, terms: Terms, state: Knowledge, now_s: float) -> Decision:
        self.seen.append(observation)
        return super().decide(observation, terms, state, now_s)

    @property
    def demands(self) -> list[Demand]:
        return [one.demand for one in self.seen if not isinstance(one.demand, Missing)]


def test_a_trace_that_names_no_classes_is_seen_as_such_and_nobody_is_turned_away(trace: Trace, terms: Terms) -> None:
    watching = Watching()
    assert not play(replace(trace, class_of=None), watching, terms, LAPS).shed.any()
    assert all(isinstance(demand.by_class, Missing) for demand in watching.demands)


def test_arrivals_are_told_by_class_with_those_that_were_turned_away(trace: Trace, terms: Terms) -> None:
    watching = Watching()
    played = play(trace, watching, terms, LAPS)
    arrived, shed = np.zeros(2), np.zeros(2)
    for demand in watching.demands:
        assert not isinstance(demand.by_class, Missing)
        assert sum(one.num_arrivals for one in demand.by_class) == demand.num_arrivals
        assert sum(one.prompt_tokens for one in demand.by_class) == demand.arrived_prompt_tokens.sum()
        arrived += [one.num_arrivals for one in demand.by_class]
        shed += [one.num_shed for one in demand.by_class]
    assert trace.class_of is not None
    class_of = np.tile(trace.class_of, 2)
    seen = played.arrival_s < int(watching.seen[-1].at_s)
    assert arrived.tolist() == np.bincount(class_of[seen]).tolist()
    assert shed.tolist() == np.bincount(class_of[seen & played.shed], minlength=2).tolist()
