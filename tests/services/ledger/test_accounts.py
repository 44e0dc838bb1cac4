"""What a key may do: the properties that no order of requests breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from raytide.services.ledger.account import (
    DAY_S,
    Account,
    Ask,
    Budget,
    Denial,
    Denied,
    Limits,
    Period,
    Reservation,
    admitted,
    settled,
)

NOON_S = 20_000.5 * DAY_S
KEY = Account(key_id="key-1", name="a", budget=Budget(nano_usd=1000, period=Period.DAY))


def ask(worst: int = 0, *, tokens: int = 0, defaults: Limits | None = None) -> Ask:
    return Ask(
        request_id="r",
        service="chat",
        secret_hash="h",
        tokens=tokens,
        worst_nano_usd=worst,
        defaults=defaults or Limits(),
    )


def let_in(account: Account, asked: Ask, now_s: float = NOON_S) -> tuple[Account, Reservation]:
    after = admitted(account, asked, now_s)
    assert not isinstance(after, Denied), after
    return after


def denied(account: Account, asked: Ask, now_s: float = NOON_S) -> Denied:
    after = admitted(account, asked, now_s)
    assert isinstance(after, Denied)
    return after


class Spending(RuleBasedStateMachine):
    """Requests of one key that come, end, cost anything and cross midnight."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.account = KEY
        self.now_s = NOON_S
        self.open: list[Reservation] = []
        self.charged_today = 0

    @rule(target=held, worst=st.integers(0, 400))
    def come(self, worst: int) -> Reservation | None:
        after = admitted(self.account, ask(worst), self.now_s)
        if isinstance(after, Denied):
            assert self.account.reserved_nano_usd + self.charged_today + worst > 1000
            return None
        self.account, reservation = after
        self.open.append(reservation)
        return reservation

    @rule(reservation=consumes(held), cost=st.integers(0, 600))
    def end(self, reservation: Reservation | None, cost: int) -> None:
        if reservation is None:
            return
        self.account, charged = settled(self.account, reservation, cost, 0, self.now_s)
        assert charged == min(cost, reservation.nano_usd)
        self.open.remove(reservation)
        self.charged_today += charged

    @rule()
    def midnight(self) -> None:
        self.now_s += DAY_S
        self.charged_today = 0

    @invariant()
    def nothing_leaks(self) -> None:
        assert self.account.reserved_nano_usd == sum(each.nano_usd for each in self.open)

    @invariant()
    def never_over_budget(self) -> None:
        assert 0 <= self.charged_today + self.account.reserved_nano_usd <= 1000


TestSpending = Spending.TestCase


def test_a_request_that_may_cost_more_than_is_left_is_denied_and_told_what_is_left() -> None:
    account, _ = let_in(KEY, ask(400))
    assert denied(account, ask(601)) == Denied(denial=Denial.BUDGET, retry_after_s=1.0, left_nano_usd=600)
    let_in(account, ask(600))


def test_a_budget_per_day_begins_anew_at_midnight_and_a_total_one_never() -> None:
    spent = replace(KEY, day=20_000, spent_nano_usd=900)
    assert denied(spent, ask(200)).retry_after_s == DAY_S / 2
    let_in(spent, ask(200), NOON_S + DAY_S / 2)
    total = replace(spent, budget=Budget(nano_usd=1000, period=Period.TOTAL))
    assert denied(total, ask(200), NOON_S + DAY_S).retry_after_s is None


def test_what_no_day_can_pay_is_not_told_to_come_back() -> None:
    assert denied(replace(KEY, spent_nano_usd=1, day=20_000), ask(1001)).retry_after_s is None


def test_a_revoked_key_is_denied_whatever_it_has() -> None:
    assert denied(replace(KEY, is_revoked=True), ask()).denial is Denial.REVOKED_KEY


def test_the_keys_own_limit_goes_before_the_services_default() -> None:
    own = replace(KEY, limits=Limits(requests_per_minute=2))
    for _ in range(2):
        own, _held = let_in(own, ask(defaults=Limits(requests_per_minute=1)))
    assert denied(own, ask()).denial is Denial.REQUESTS
    bare, _ = let_in(KEY, ask(defaults=Limits(requests_per_minute=1)))
    assert denied(bare, ask(defaults=Limits(requests_per_minute=1))).retry_after_s == pytest.approx(60)
    let_in(bare, ask())


def test_tokens_that_were_not_used_are_given_back_and_more_are_owed() -> None:
    limited = replace(KEY, limits=Limits(tokens_per_minute=600))
    account, held = let_in(limited, ask(tokens=600))
    assert denied(account, ask(tokens=10)).denial is Denial.TOKENS
    less, _ = settled(account, held, 0, 590, NOON_S)
    let_in(less, ask(tokens=10))
    more, _ = settled(account, held, 0, 1200, NOON_S)
    assert denied(more, ask(tokens=10)).retry_after_s == pytest.approx(61)
