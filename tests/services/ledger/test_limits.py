from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raytide.services.ledger.limits import cost_s, taken, wait_s

NOW_S = 1.7e9
GAPS_S = st.lists(st.floats(0, 20), min_size=1, max_size=200)


def test_a_minutes_worth_may_be_taken_at_once_and_no_more() -> None:
    paid_s, let_in = 0.0, 0
    while not wait_s(paid_s, cost_s(1, 7), NOW_S):
        paid_s, let_in = taken(paid_s, cost_s(1, 7), NOW_S), let_in + 1
    assert let_in == 7
    assert 0 < wait_s(paid_s, cost_s(1, 7), NOW_S) <= 60 / 7 + 1e-4


@given(gaps_s=GAPS_S, per_minute=st.integers(1, 1000))
def test_over_any_span_no_more_passes_than_it_pays_back_and_one_minute(gaps_s: list[float], per_minute: int) -> None:
    now_s, paid_s, let_in = NOW_S, 0.0, 0
    for gap_s in gaps_s:
        now_s += gap_s
        for _ in range(10):
            if not wait_s(paid_s, cost_s(1, per_minute), now_s):
                paid_s, let_in = taken(paid_s, cost_s(1, per_minute), now_s), let_in + 1
    assert let_in <= per_minute * (1 + (now_s - NOW_S) / 60) + 1e-3


@given(owed_s=st.floats(0, 200), amount=st.integers(1, 10_000), per_minute=st.integers(1, 10_000))
def test_whoever_waits_as_long_as_is_said_is_let_in(owed_s: float, amount: int, per_minute: int) -> None:
    paid_s, amount_s = NOW_S + owed_s, cost_s(amount, per_minute)
    wait = wait_s(paid_s, amount_s, NOW_S)
    assert wait_s(paid_s, amount_s, NOW_S + wait) == 0
    if wait > 0.01:
        assert wait_s(paid_s, amount_s, NOW_S + wait - 0.01) > 0


@given(amount=st.integers(1, 10**9), per_minute=st.integers(1, 10**6))
def test_what_exceeds_a_minutes_worth_passes_while_nothing_is_owed(amount: int, per_minute: int) -> None:
    assert wait_s(0.0, cost_s(amount, per_minute), NOW_S) == 0
