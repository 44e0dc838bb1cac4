from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from raytide.services.accounting.attribute import Share, attribute
from raytide.services.accounting.span import IDLE, UNITS, UNKNOWN, ClaimSpan, Kind, NodeSpan, Owner, Rate

RATE = Rate(pool="h100", accelerator="H100", market="spot", units=8 * UNITS, nano_usd_per_hour=333_333_333)
CHAT = Owner(kind=Kind.SERVICE, name="chat", team="search")
JOB = Owner(kind=Kind.JOB, name="train", job="1")


def node(from_ns: int, until_ns: int, name: str = "a", rate: Rate = RATE) -> NodeSpan:
    return NodeSpan(node=name, rate=rate, from_ns=from_ns, until_ns=until_ns)


def claim(from_ns: int, until_ns: int, owner: Owner, num: float, name: str = "c", on: str = "a") -> ClaimSpan:
    units = round(num * UNITS)
    return ClaimSpan(claim=name, node=on, owner=owner, units=units, from_ns=from_ns, until_ns=until_ns)


def held(shares: tuple[Share, ...]) -> dict[Owner, Fraction]:
    """Accelerator-nanoseconds of each owner."""
    sums: defaultdict[Owner, Fraction] = defaultdict(Fraction)
    for share in shares:
        sums[share.owner] += share.unit_ns / UNITS
    return dict(sums)


def test_what_nobody_holds_is_idle() -> None:
    shares = attribute([node(0, 100)], [claim(20, 70, CHAT, 2)], 0, 1000)
    assert held(shares) == {CHAT: 100, IDLE: 700}


def test_a_window_cuts_both_nodes_and_claims() -> None:
    shares = attribute([node(0, 100)], [claim(20, 70, CHAT, 8)], 50, 80)
    assert held(shares) == {CHAT: 160, IDLE: 80}


def test_a_node_that_nobody_looked_at_for_a_while_is_unknown_meanwhile_and_not_idle() -> None:
    shares = attribute([node(0, 10), node(30, 40)], [claim(0, 10, CHAT, 8, "x"), claim(30, 40, JOB, 8, "y")], 0, 100)
    assert held(shares) == {CHAT: 80, UNKNOWN: 160, JOB: 80}


def test_a_window_within_what_nobody_saw_is_all_unknown() -> None:
    assert held(attribute([node(0, 10), node(30, 40)], [], 15, 20)) == {UNKNOWN: 40}


def test_claims_beyond_a_node_share_it_in_proportion() -> None:
    shares = attribute([node(0, 7)], [claim(0, 7, CHAT, 8, "x"), claim(0, 7, JOB, 4, "y")], 0, 7)
    assert held(shares) == {CHAT: Fraction(7 * 16, 3), JOB: Fraction(7 * 8, 3)}


def test_a_claim_that_two_writers_wrote_down_counts_once() -> None:
    shares = attribute([node(0, 9), node(5, 20)], [claim(0, 9, CHAT, 3), claim(5, 20, CHAT, 3)], 0, 20)
    assert held(shares) == {CHAT: 60, IDLE: 100}


def test_a_price_that_changes_changes_what_comes_after_it() -> None:
    dearer = Rate(pool="h100", accelerator="H100", market="spot", units=8 * UNITS, nano_usd_per_hour=666_666_666)
    shares = attribute([node(0, 3600 * 10**9), node(3600 * 10**9, 7200 * 10**9, rate=dearer)], [], 0, 7200 * 10**9)
    assert sum(share.nano_usd or 0 for share in shares) == 999_999_999


def test_a_node_without_a_price_costs_nothing_that_is_known() -> None:
    free = Rate(pool="", accelerator="L4", market="", units=UNITS, nano_usd_per_hour=None)
    assert [share.nano_usd for share in attribute([node(0, 9, rate=free)], [], 0, 9)] == [None]


MOMENTS = st.integers(min_value=0, max_value=10**13)
NODES = st.sampled_from("abc")
RATES = st.builds(
    Rate, pool=st.just("p"), accelerator=st.sampled_from(["H100", "CPU"]), market=st.just("spot"),
    units=st.integers(1, 160_000), nano_usd_per_hour=st.integers(0, 10**11),
)  # fmt: skip


@st.composite
def node_spans(draw: st.DrawFn) -> list[NodeSpan]:
    rate_of = {name: draw(RATES) for name in "abc"}
    spans = []
    for _ in range(draw(st.integers(0, 8))):
        begins, ends = sorted((draw(MOMENTS), draw(MOMENTS)))
        name = draw(NODES)
        spans.append(node(begins, ends, name, rate_of[name]))
    return spans


@st.composite
def claim_spans(draw: st.DrawFn) -> ClaimSpan:
    begins, ends = sorted((draw(MOMENTS), draw(MOMENTS)))
    owner = draw(st.sampled_from([CHAT, JOB]))
    return claim(begins, ends, owner, draw(st.integers(1, 30)) / 2, draw(st.sampled_from("xyz")), draw(NODES))


@given(node_spans(), st.lists(claim_spans(), max_size=12), MOMENTS, MOMENTS)
def test_shares_are_capacity_times_time_and_its_price_without_any_remainder(
    nodes: list[NodeSpan], claims: list[ClaimSpan], one: int, other: int
) -> None:
    from_ns, until_ns = sorted((one, other))
    capacity, price = 0, Fraction(0)
    for name in {span.node for span in nodes}:
        own = [span for span in nodes if span.node == name]
        begins, ends = min(span.from_ns for span in own), max(span.until_ns for span in own)
        lasting_ns = max(0, min(ends, until_ns) - max(begins, from_ns))
        capacity += own[0].rate.units * lasting_ns
        price += Fraction(lasting_ns * (own[0].rate.nano_usd_per_hour or 0), 3600 * 10**9)
    shares = attribute(nodes, claims, from_ns, until_ns)
    assert sum(share.unit_ns for share in shares) == capacity
    assert sum(share.nano_usd or 0 for share in shares) == price
    assert all(share.unit_ns > 0 for share in shares)
