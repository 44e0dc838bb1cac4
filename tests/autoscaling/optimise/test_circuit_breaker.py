from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.optimise.breaker import NUM_FAILURES, REST_S, TRANSITIONS, Breaker, State

STEPS = st.lists(st.tuples(st.floats(0, 2 * REST_S), st.integers(0, 2), st.integers(0, 3)), max_size=40)
OPEN = Breaker().seen(num_started=0, num_failed=NUM_FAILURES, now_s=0.0)


@given(steps=STEPS)
def test_any_walk_keeps_to_the_table(steps: list[tuple[float, int, int]]) -> None:
    breaker, now_s = Breaker(), 0.0
    for wait_s, num_started, num_failed in steps:
        now_s += wait_s
        before = breaker.at(now_s)
        breaker = before.seen(num_started=num_started, num_failed=num_failed, now_s=now_s)
        failed_in_a_row = num_failed if num_started else num_failed + before.num_failures
        reachable = {to for (_, _), to in TRANSITIONS.items()} if num_started or num_failed else {before.state}
        assert breaker.state in reachable
        assert (breaker.state is State.CLOSED) <= (failed_in_a_row < NUM_FAILURES)
        assert num_failed or not num_started or breaker.state is State.CLOSED
        assert breaker.state is not State.OPEN or now_s - breaker.opened_at_s < REST_S


def test_one_failure_is_chance_and_the_second_in_a_row_opens() -> None:
    once = Breaker().seen(num_started=0, num_failed=1, now_s=0.0)
    assert once.state is State.CLOSED
    assert once.seen(num_started=0, num_failed=1, now_s=30.0).state is State.OPEN
    recovered = once.seen(num_started=1, num_failed=0, now_s=30.0)
    assert recovered.seen(num_started=0, num_failed=1, now_s=60.0).state is State.CLOSED


@pytest.mark.parametrize(("waited_s", "num_starting", "allowed"), [(REST_S - 1, 0, 0), (REST_S, 0, 1), (REST_S, 1, 0)])
def test_after_a_rest_one_replica_probes(waited_s: float, num_starting: int, allowed: int) -> None:
    assert OPEN.at(waited_s).max_new(num_starting) == allowed


def test_a_probe_that_starts_closes_and_one_that_fails_opens_for_another_rest() -> None:
    closed = OPEN.seen(num_started=1, num_failed=0, now_s=REST_S)
    assert closed.max_new(0) is None
    again = OPEN.seen(num_started=0, num_failed=1, now_s=REST_S)
    assert again.at(2 * REST_S - 1).max_new(0) == 0
    assert again.at(2 * REST_S).max_new(0) == 1
