"""The emulated engine's batch against the simulator's kernel: the same requests, the same times."""

from __future__ import annotations

import itertools
from collections.abc import Sequence as Several

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.fleet import Fleet, requests_of
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms, Variant
from raytide.services.engines.emulated.batch import Batch, Sequence

ENGINE = Engine(
    iteration=Iteration(
        base_s=0.02, per_sequence_s=0.001, per_root_sequence_s=0.002, per_kv_token_s=1e-6, per_prefill_token_s=1e-4
    ),
    kv_capacity_tokens=600,
    chunk_tokens=128,
    max_num_seqs=4,
)
Request = tuple[float, int, int]
"""`(arrival_s, prompt tokens, output tokens)`."""


def _played(requests: Several[Request], engine: Engine = ENGINE) -> list[tuple[float, float]]:
    """First token and end of each request, by stepping the batch; arrivals join when an iteration ends."""
    batch, now_s = Batch(engine), 0.0
    coming = [(at_s, Sequence(prompt_tokens=prompt, output_tokens=output)) for at_s, prompt, output in requests]
    first_s: dict[Sequence, float] = {}
    end_s: dict[Sequence, float] = {}
    left = list(coming)
    while left or batch.num_sequences or batch.waiting:
        while left and left[0][0] <= now_s:
            batch.add(left.pop(0)[1])
        iteration = batch.begin()
        if iteration is None:
            now_s = left[0][0]
            continue
        now_s += iteration.seconds
        for sequence in batch.end():
            first_s.setdefault(sequence, now_s)
            if sequence.is_finished:
                end_s[sequence] = now_s
    return [(first_s[sequence], end_s[sequence]) for _, sequence in coming]


def test_a_request_alone_takes_its_prefill_and_its_steps() -> None:
    ((first_s, end_s),) = _played([(1.0, 100, 3)])
    step = ENGINE.iteration
    assert first_s == pytest.approx(1.0 + step.seconds(0, 0, 100))
    assert end_s == pytest.approx(first_s + step.seconds(1, 100, 0) + step.seconds(1, 101, 0))


def test_a_full_batch_keeps_the_next_one_waiting() -> None:
    times = _played([(0.0, 4, 10)] * 5)
    assert all(first_s < min(end_s for _, end_s in times) for first_s, _ in times[:4])
    assert times[4][0] > min(end_s for _, end_s in times[:4])


def test_a_client_that_goes_leaves_its_place_and_its_memory() -> None:
    batch = Batch(ENGINE)
    sequences = [Sequence(prompt_tokens=40, output_tokens=20) for _ in range(6)]
    for sequence in sequences:
        batch.add(sequence)
    batch.begin()
    batch.end()
    batch.begin()
    for sequence in sequences:
        batch.remove(sequence)
    assert (batch.num_sequences, batch.held_tokens, batch.waiting_prompt_tokens) == (0, 0, 0)
    batch.end()
    assert batch.begin() is None


def _arriving(asked: list[Request]) -> list[Request]:
    """One after the other: the kernel begins with the first of two that come at the same instant."""
    times_s = itertools.accumulate(gap_s for gap_s, _, _ in asked)
    return [(at_s, prompt, output) for at_s, (_, prompt, output) in zip(times_s, asked, strict=True)]


_REQUESTS = st.lists(
    st.tuples(st.floats(0.001, 0.6), st.integers(1, 200), st.integers(1, 60)), min_size=1, max_size=12
).map(_arriving)


@settings(max_examples=60)
@given(_REQUESTS)
def test_it_keeps_the_times_of_the_simulators_kernel(requests: list[Request]) -> None:
    for ours, simulated in zip(_played(requests), _simulated(requests), strict=True):
        assert ours == pytest.approx(simulated, abs=1e-6)


@given(_REQUESTS)
def test_nothing_is_left_over_and_no_memory_is_overdrawn(requests: list[Request]) -> None:
    batch = Batch(ENGINE)
    for _, prompt, output in requests:
        batch.add(Sequence(prompt_tokens=prompt, output_tokens=output))
    while batch.begin() is not None:
        assert len(batch.running) <= ENGINE.max_num_seqs
        assert batch.held_tokens <= ENGINE.kv_capacity_tokens
        batch.end()
    assert (batch.num_sequences, batch.held_tokens, len(batch.waiting)) == (0, 0, 0)


def _simulated(requests: Several[Request]) -> list[tuple[float, float]]:
    arrival_s, prompts, outputs = (np.array(column) for column in zip(*requests, strict=True))
    trace = Trace(name="made", arrival_s=arrival_s, prompt_tokens=prompts, output_tokens=outputs, span_s=1e4)
    variant = Variant(name="v", engine=ENGINE, usd_per_hour=1.0, cold_start_s=0.0)
    objective = Objective(ttft_s=1.0, tpot_s=1.0, attainment=0.99)
    terms = Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=1)
    fleet = Fleet(requests_of(trace, 1), terms, kernel.LEAST_LOADED, 0)
    fleet.order(0, 0.0, 0.0)
    fleet.advance(1e4)
    done = fleet.world.requests
    return [
        (float(first_s), float(end_s)) for first_s, end_s in zip(done["first_token_s"], done["finish_s"], strict=True)
    ]
