from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.rollout.split import Split


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0.0, 1.0)), max_size=50))
def test_a_canary_gets_its_share_to_within_one_request_and_never_more(turns: list[tuple[int, float]]) -> None:
    split, taken, due = Split(), 0, 0.0
    for num, weight in turns:
        own, split = split.after(num, weight)
        assert 0 <= own <= num
        taken, due = taken + own, due + num * weight
        assert due - 1.0 - 1e-6 <= taken <= due + 1e-6


def test_at_one_percent_it_is_every_hundredth() -> None:
    split, turns = Split(), []
    for _ in range(300):
        own, split = split.after(1, 0.01)
        turns.append(own)
    assert [number for number, own in enumerate(turns, start=1) if own] == [100, 200, 300]
