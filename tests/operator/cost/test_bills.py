from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from raytide.operator.cost.bill import BY, lines
from raytide.operator.cost.rounding import apportioned
from raytide.services.accounting.attribute import Share
from raytide.services.accounting.span import IDLE, UNITS, UNKNOWN, Kind, Owner, Rate

RATE = Rate(pool="h100", accelerator="H100", market="spot", units=8 * UNITS, nano_usd_per_hour=8 * 10**9)
UNPRICED = Rate(pool="", accelerator="L4", market="", units=UNITS, nano_usd_per_hour=None)
HOUR_NS = 3600 * 10**9
STABLE = Owner(kind=Kind.SERVICE, name="chat", team="search", variant="v", revision="a")
CANARY = Owner(kind=Kind.SERVICE, name="chat", team="search", variant="v", revision="b", canary=True)
JOB = Owner(kind=Kind.JOB, name="train", job="raysubmit_1")


def share(owner: Owner, hours: int, rate: Rate = RATE) -> Share:
    return Share(owner=owner, rate=rate, unit_ns=Fraction(hours * UNITS * HOUR_NS))


SHARES = (share(STABLE, 5), share(CANARY, 1), share(JOB, 2), share(IDLE, 10), share(UNKNOWN, 3))


def _usd(by: str, shares: tuple[Share, ...] = SHARES) -> dict[str, Fraction]:
    return {line.name: line.nano_usd / 10**9 for line in lines(shares, BY[by], {})}


def test_teams_have_what_their_services_and_jobs_held_and_nobody_has_a_line_of_its_own() -> None:
    assert _usd("team") == {"search": 6, "(none)": 2, "idle": 10, "unknown": 3}


def test_every_way_but_those_of_rollouts_and_jobs_adds_up_to_the_same() -> None:
    assert {by: sum(_usd(by).values()) for by in BY} == {
        "team": 21, "owner": 21, "service": 21, "variant": 21, "revision": 21, "pool": 21, "rollout": 1, "job": 2,
    }  # fmt: skip


def test_a_job_that_failed_is_said_to_have() -> None:
    (line,) = lines(SHARES, BY["job"], {"raysubmit_1": "FAILED"})
    assert (line.name, line.status, line.nano_usd) == ("raysubmit_1 train", "FAILED", Fraction(2 * 10**9))


def test_the_dearest_is_first_and_what_nobody_held_last() -> None:
    assert list(_usd("team")) == ["search", "(none)", "idle", "unknown"]


def test_hours_without_a_price_are_no_money_and_are_told_apart() -> None:
    (line,) = lines((share(STABLE, 5), share(STABLE, 7, UNPRICED)), BY["team"], {})
    assert (line.nano_usd, line.unpriced_hours) == (Fraction(5 * 10**9), Fraction(7))
    assert line.hours == {"H100": 5, "L4": 7}


@given(st.lists(st.fractions(min_value=0, max_value=10**6), max_size=20))
def test_rounded_lines_add_up_to_the_rounded_sum(values: list[Fraction]) -> None:
    whole = apportioned(values)
    assert sum(whole) == round(sum(values, Fraction(0)))
    assert all(abs(each - value) < 1 for each, value in zip(whole, values, strict=True))
