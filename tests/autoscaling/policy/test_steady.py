from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from raytide.autoscaling.decision import Reason, Rule
from raytide.autoscaling.policy.knowledge import Wish
from raytide.autoscaling.policy.size import Size
from raytide.autoscaling.policy.steady import steady

HOLD_S, TICK_S = 60.0, 5.0
DEMAND = (Reason(rule=Rule.DEMAND, says="as told"),)


def _size(wanted: int, kept: int | None = None) -> Size:
    return Size(wanted=wanted, kept=wanted if kept is None else kept, reasons=DEMAND)


def _play(sizes: list[Size], running: int) -> list[tuple[int, Rule]]:
    wishes: tuple[Wish, ...] = ()
    played = []
    for tick, sized in enumerate(sizes):
        running, reasons, wishes = steady(sized, running, wishes, hold_s=HOLD_S, now_s=tick * TICK_S)
        played.append((running, reasons[-1].rule))
    return played


def test_going_up_is_never_delayed() -> None:
    assert _play([_size(2), _size(9)], running=2) == [(2, Rule.DEMAND), (9, Rule.DEMAND)]


def test_going_down_waits_until_fewer_were_worth_having_for_a_whole_hold() -> None:
    played = _play([_size(6)] + [_size(2)] * 14, running=6)
    assert [target for target, _ in played] == [6] * 12 + [2] * 3
    assert played[5][1] is Rule.STABILISED


def test_it_goes_down_as_far_as_the_largest_wish_within_the_hold() -> None:
    played = _play([_size(6), _size(4)] + [_size(2)] * 14, running=6)
    assert [target for target, _ in played][11:15] == [6, 4, 2, 2]


def test_a_replica_that_is_worth_keeping_is_kept() -> None:
    assert {target for target, _ in _play([_size(2, kept=5)] * 40, running=5)} == {5}


def test_what_runs_at_the_beginning_is_left_until_a_whole_hold_was_watched() -> None:
    played = [target for target, _ in _play([_size(1)] * 14, running=7)]
    assert played == [7] * 12 + [1] * 2


def test_after_a_pause_of_a_whole_hold_the_next_look_may_let_go() -> None:
    _, _, wishes = steady(_size(5), 5, (), hold_s=HOLD_S, now_s=0.0)
    target, _, _ = steady(_size(2), 5, wishes, hold_s=HOLD_S, now_s=HOLD_S + 1)
    assert target == 2


@given(
    sizes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60), running=st.integers(0, 9)
)
@example(sizes=[(1, 0)] * 5 + [(8, 0)] + [(1, 0)] * 12, running=7)
def test_nothing_that_was_ordered_is_let_go_within_the_hold(sizes: list[tuple[int, int]], running: int) -> None:
    targets = [target for target, _ in _play([_size(wanted, wanted + more) for wanted, more in sizes], running)]
    ticks = int(HOLD_S / TICK_S)
    for tick, (before, ordered) in enumerate(zip([running, *targets], targets, strict=False)):
        if ordered > before:
            assert min(targets[tick : tick + ticks]) >= ordered


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=60), running=st.integers(0, 9))
def test_the_wishes_that_are_remembered_do_not_grow(sizes: list[int], running: int) -> None:
    wishes: tuple[Wish, ...] = ()
    for tick, wanted in enumerate(sizes):
        _, _, wishes = steady(_size(wanted), running, wishes, hold_s=HOLD_S, now_s=tick * TICK_S)
    assert len(wishes) <= HOLD_S / TICK_S + 1
