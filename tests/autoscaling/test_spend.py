from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.spend import Spend


def test_spend_is_replicas_times_time_times_price() -> None:
    assert Spend().after(2, 1800.0, 3.0) == Spend(replica_seconds=3600.0, usd=3.0)


def test_without_a_price_only_time_is_counted() -> None:
    assert Spend().after(2, 10.0, Missing(reason="no pool")) == Spend(replica_seconds=20.0, usd=0.0)


def test_a_clock_that_is_set_back_gives_no_money_back() -> None:
    spent = Spend(replica_seconds=5.0, usd=1.0)
    assert spent.after(2, -60.0, 3.0) == spent


@given(st.integers(0, 100), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 100))
def test_spend_adds_up(num_replicas: int, first_s: float, then_s: float, price: float) -> None:
    apart = Spend().after(num_replicas, first_s, price).after(num_replicas, then_s, price)
    at_once = Spend().after(num_replicas, first_s + then_s, price)
    assert apart.usd == pytest.approx(at_once.usd)
    assert apart.replica_seconds == pytest.approx(at_once.replica_seconds)
    assert min(apart.usd, apart.replica_seconds) >= 0
