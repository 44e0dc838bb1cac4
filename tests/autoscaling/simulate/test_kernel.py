"""The compiled loop against a scheduler that takes one step after the other, written from vLLM's rules alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.fleet import Fleet, classes_of, requests_of
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms, TrafficClass, Variant

NEVER = float("inf")
NARROW = Engine(
    iteration=Iteration(base_s=0.005, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=1e-5),
    kv_capacity_tokens=60,
    chunk_tokens=32,
    max_num_seqs=4,
)


@dataclass(eq=False)
class Request:
    arrival_s: float
    prompt: int
    output: int
    cached: int
    produced: int = 0
    left: int = 0
    first_token_s: float = NEVER
    finish_s: float = NEVER

    @property
    def context(self) -> int:
        return self.prompt + self.produced

    @property
    def in_cache(self) -> int:
        return self.context - 1 if self.left == 0 and self.produced else self.context


GIVES_WAY = [
    Request(arrival_s=0.0, prompt=prompt, output=output, cached=0)
    for prompt, output in [*[(1, 1)] * 8, (1, 3), (24, 3), (1, 1), (32, 1), (1, 1)]
]
"""A prompt that is computed in part is what makes room."""


@dataclass
class Replica:
    """Running sequences in order of admission; the last one's prompt may be computed in part (`left` > 0)."""

    engine: Engine
    waiting: deque[Request] = field(default_factory=deque)
    running: list[Request] = field(default_factory=list)
    fresh: list[Request] = field(default_factory=list)
    end_s: float = NEVER

    @property
    def decoding(self) -> list[Request]:
        return [one for one in self.running if one.left == 0 and one not in self.fresh]

    @property
    def held(self) -> int:
        return sum(one.in_cache if one not in self.fresh else one.context for one in self.running)

    @property
    def outstanding(self) -> int:
        return len(self.waiting) + len(self.running)

    @property
    def tokens(self) -> int:
        waiting = sum(max(one.context - one.cached, 1) for one in self.waiting)
        return self.held + waiting + sum(one.left for one in self.running)

    def begin(self, now_s: float) -> None:
        engine = self.engine
        while len(self.running) > 1 and self.held + len(self.decoding) > engine.kv_capacity_tokens:
            victim = self.running.pop()
            victim.cached = victim.left = 0
            self.waiting.appendleft(victim)
        decoding = self.decoding
        budget = full = engine.chunk_tokens - len(decoding)
        for one in self.running:
            if one.left and budget > 0:
                budget -= self.prefill(one, budget)
        while budget > 0 and self.waiting and not any(one.left for one in self.running):
            one = self.waiting[0]
            is_fitting = self.held + one.context + len(decoding) <= engine.kv_capacity_tokens or not self.running
            if len(self.running) >= engine.max_num_seqs or not is_fitting:
                break
            self.running.append(self.waiting.popleft())
            one.left = max(one.context - one.cached, 1)
            budget -= self.prefill(one, budget)
        prefill = max(full, 0) - max(budget, 0)
        cached = sum(one.in_cache for one in decoding)
        self.end_s = NEVER
        if decoding or prefill:
            self.end_s = now_s + engine.iteration.seconds(len(decoding), cached, prefill)

    def prefill(self, one: Request, budget: int) -> int:
        taken = min(one.left, budget)
        one.left -= taken
        if one.left == 0:
            self.fresh.append(one)
        return taken

    def end(self) -> None:
        for one in [*self.decoding, *self.fresh]:
            one.produced += 1
            one.first_token_s = min(one.first_token_s, self.end_s)
            if one.produced == one.output:
                one.finish_s = self.end_s
                self.running.remove(one)
        self.fresh.clear()

    def run(self, until_s: float) -> None:
        while self.end_s <= until_s:
            now_s = self.end_s
            self.end()
            self.begin(now_s)

    def take(self, one: Request) -> None:
        self.waiting.append(one)
        if self.end_s == NEVER:
            self.begin(one.arrival_s)


def replayed(requests: Sequence[Request], engines: Sequence[Engine], router: int) -> None:
    """Serve the requests on one replica of each engine."""
    replicas = [Replica(engine) for engine in engines]
    fastest_s = min(engine.iteration.base_s for engine in engines)
    for turn, one in enumerate(requests, start=1):
        for replica in replicas:
            replica.run(one.arrival_s)
        if router == kernel.ROUND_ROBIN:
            replicas[turn % len(replicas)].take(one)
            continue
        loads = [replica.tokens if router == kernel.LEAST_TOKENS else replica.outstanding for replica in replicas]
        weighed = [load / (fastest_s / r.engine.iteration.base_s) for load, r in zip(loads, replicas, strict=True)]
        replicas[int(np.argmin(weighed))].take(one)
    for replica in replicas:
        replica.run(1e12)


def served(requests: Sequence[Request], engines: Sequence[Engine], router: int, cuts_s: Sequence[float]) -> Fleet:
    """The same by the compiled loop, which is interrupted at some moments."""
    trace = Trace(
        name="made",
        arrival_s=np.array([one.arrival_s for one in requests]),
        prompt_tokens=np.array([one.prompt for one in requests]),
        output_tokens=np.array([one.output for one in requests]),
        cached_tokens=np.array([one.cached for one in requests]),
        span_s=1e9,
    )
    fleet = Fleet(requests_of(trace, 1), terms_of(engines), router, 1)
    for index in range(len(engines)):
        fleet.order(index, 0.0, 0.0)
    for cut_s in [*sorted(cuts_s), 1e7]:
        fleet.advance(cut_s)
    return fleet


def terms_of(engines: Sequence[Engine]) -> Terms:
    variants = tuple(
        Variant(name=f"v{i}", engine=engine, usd_per_hour=1.0, cold_start_s=0.0) for i, engine in enumerate(engines)
    )
    objective = Objective(ttft_s=1.0, tpot_s=0.05, attainment=0.99)
    return Terms(objective=objective, variants=variants, min_replicas=0, max_replicas=len(engines))


@st.composite
def engines(draw: st.DrawFn) -> Engine:
    iteration = Iteration(
        base_s=draw(st.sampled_from([0.005, 0.01, 0.02])),
        per_sequence_s=draw(st.sampled_from([0.0, 1e-4])),
        per_kv_token_s=draw(st.sampled_from([0.0, 1e-6])),
        per_prefill_token_s=draw(st.sampled_from([1e-5, 1e-3])),
        per_root_sequence_s=draw(st.sampled_from([0.0, 1e-3])),
    )
    return Engine(
        iteration=iteration,
        kv_capacity_tokens=draw(st.one_of(st.integers(60, 130), st.integers(60, 400))),
        chunk_tokens=draw(st.one_of(st.integers(4, 12), st.integers(4, 80))),
        max_num_seqs=draw(st.integers(1, 6)),
    )


@st.composite
def workloads(draw: st.DrawFn) -> list[Request]:
    gaps = st.floats(0.0, draw(st.sampled_from([0.02, 0.2, 1.0])), allow_subnormal=False)
    arrival_s, made = 0.0, []
    for _ in range(draw(st.integers(1, 25))):
        arrival_s += draw(gaps)
        prompt = draw(st.integers(1, 50))
        made.append(Request(arrival_s, prompt, draw(st.integers(1, 40)), draw(st.integers(0, prompt - 1))))
    return made


moments = st.lists(st.floats(0.0, 20.0), max_size=6)


def compare(requests: list[Request], fleet: Fleet) -> None:
    found = fleet.world.requests
    np.testing.assert_allclose(found["first_token_s"], [one.first_token_s for one in requests], rtol=1e-9)
    np.testing.assert_allclose(found["finish_s"], [one.finish_s for one in requests], rtol=1e-9)


@settings(max_examples=150)
@given(workloads(), engines(), moments)
def test_one_replica_schedules_like_the_step_by_step_reference(
    requests: list[Request], engine: Engine, cuts_s: list[float]
) -> None:
    fleet = served(requests, [engine], kernel.LEAST_LOADED, cuts_s)
    replayed(requests, [engine], kernel.LEAST_LOADED)
    compare(requests, fleet)


@settings(max_examples=60)
@given(
    workloads(),
    st.lists(engines(), min_size=2, max_size=3),
    st.sampled_from([kernel.LEAST_LOADED, kernel.LEAST_TOKENS, kernel.ROUND_ROBIN]),
    moments,
)
def test_routers_choose_like_the_reference_among_unequal_replicas(
    requests: list[Request], several: list[Engine], router: int, cuts_s: list[float]
) -> None:
    fleet = served(requests, several, router, cuts_s)
    replayed(requests, several, router)
    compare(requests, fleet)


@example(GIVES_WAY, NARROW, [])
@settings(max_examples=60)
@given(workloads(), engines(), moments)
def test_every_request_finishes_once_and_every_ledger_returns_to_zero(
    requests: list[Request], engine: Engine, cuts_s: list[float]
) -> None:
    fleet = served(requests, [engine, engine], kernel.RANDOM_TWO, cuts_s)
    world = fleet.world
    assert world.sums[:, kernel.FINISHED].sum() == len(requests)
    assert world.sums[:, kernel.OUTPUT].sum() == sum(one.output for one in requests)
    assert world.ttft.sum() == len(requests)
    for ledger in ("running", "held_tokens", "decode_tokens", "num_fresh", "partial_left", "waiting", "waiting_tokens"):
        assert not world.replicas[ledger].any(), ledger
    assert (world.replicas["partial"] == kernel.NONE).all()
    assert world.gateway[kernel.QUEUE_LENGTH] == 0


def test_a_full_cache_makes_the_youngest_sequence_start_over() -> None:
    iteration = Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=0.0)
    engine = Engine(iteration=iteration, kv_capacity_tokens=30, chunk_tokens=64, max_num_seqs=4)
    requests = [Request(0.0, 10, 12, 0), Request(0.001, 10, 12, 0)]
    found = served(requests, [engine], kernel.LEAST_LOADED, []).world.requests
    assert found["finish_s"][0] == pytest.approx(0.12)
    # The second has 5 tokens of 12 when both need a 31st place; it is computed again when the first is done.
    assert found["finish_s"][1] > found["finish_s"][0] + 0.05
    assert found["first_token_s"][1] == pytest.approx(0.02)


def test_the_same_seed_routes_the_same_way_and_another_does_not() -> None:
    engine = Engine(
        iteration=Iteration(base_s=0.01, per_sequence_s=1e-4, per_kv_token_s=1e-7, per_prefill_token_s=5e-5),
        kv_capacity_tokens=10_000,
    )
    requests = requests_of(
        Trace(
            name="made",
            arrival_s=np.linspace(0.0, 2.0, 200),
            prompt_tokens=np.full(200, 100),
            output_tokens=np.arange(1, 201),
            span_s=2.0,
        ),
        1,
    )

    def finishes(seed: int) -> np.ndarray:
        fleet = Fleet(requests.copy(), terms_of([engine] * 4), kernel.RANDOM_TWO, seed)
        for index in range(4):
            fleet.order(index, 0.0, 0.0)
        fleet.advance(1e4)
        return fleet.world.requests["finish_s"]

    assert (finishes(1) == finishes(1)).all()
    assert (finishes(1) != finishes(2)).any()


def test_requests_that_came_while_no_replica_was_ready_begin_when_one_is() -> None:
    engine = Engine(
        iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=0.0),
        kv_capacity_tokens=10_000,
    )
    for ready_s in (5.0, 7.0):
        trace = Trace(
            name="made",
            arrival_s=np.array([1.0, 2.0]),
            prompt_tokens=np.array([5, 5]),
            output_tokens=np.array([1, 1]),
            span_s=10.0,
        )
        fleet = Fleet(requests_of(trace, 1), terms_of([engine]), kernel.LEAST_LOADED, 0)
        fleet.advance(5.0)
        fleet.order(0, 5.0, ready_s)
        fleet.advance(10.0)
        assert fleet.world.requests["first_token_s"] == pytest.approx([ready_s + 0.01, ready_s + 0.02])


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_of_every_run_of_requests_a_class_gets_its_share_to_within_one(shares: list[float]) -> None:
    engine = Engine(
        iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=0.0),
        kv_capacity_tokens=10_000,
    )
    num = 40 * len(shares)
    one = np.ones(num, dtype=np.int32)
    trace = Trace(
        name="made", arrival_s=np.linspace(0.5, num - 0.5, num), prompt_tokens=one, output_tokens=one, span_s=num + 1.0
    )
    named = replace(trace, class_of=np.arange(num) % 2)
    terms = replace(
        terms_of([engine]), classes=(TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0))
    )
    fleet = Fleet(requests_of(named, 1), terms, kernel.LEAST_LOADED, 0, classes_of(named, terms, 1))
    fleet.order(0, 0.0, 0.0)
    due = 0.0
    for step, share in enumerate(shares, start=1):
        fleet.admit({"free": share})
        fleet.advance(40.0 * step)
        due += 20 * share
        shed = fleet.world.shed[: 40 * step]
        assert not shed[::2].any()
        assert abs(np.count_nonzero(~shed[1::2]) - due) <= 1 + 1e-6
    fleet.advance(num + 1.0)
    assert (np.isnan(fleet.world.requests["first_token_s"]) == fleet.world.shed).all()
