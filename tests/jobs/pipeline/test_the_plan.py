from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.spec.pipeline import When
from raytide.jobs.pipeline.plan import Node, State, in_order, standings

WHENS: tuple[When, ...] = ("passed", "refused", "ended")
ENDS = (State.PASSED, State.REFUSED, State.FAILED)


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Steps without circles, in any order."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 8))):
        needs = draw(st.sets(st.sampled_from([node.name for node in nodes]))) if nodes else set()
        when = draw(st.sampled_from(WHENS))
        nodes.append(Node(name=f"s{number}", needs=tuple(sorted(needs)), when=when))
    return draw(st.permutations(nodes))


def states(nodes: Sequence[Node], ends: dict[str, State]) -> dict[str, State]:
    return {name: standing.state for name, standing in standings(nodes, ends).items()}


def run_through(nodes: Sequence[Node], draw: st.DataObject) -> tuple[dict[str, State], list[str]]:
    """How all ended, and in which order they ran, where each run ends in any way."""
    ends: dict[str, State] = {}
    ran: list[str] = []
    while ready := [name for name, state in states(nodes, ends).items() if state is State.READY]:
        name = draw.draw(st.sampled_from(ready))
        ran.append(name)
        ends[name] = draw.draw(st.sampled_from(ENDS))
    return ends, ran


@given(graphs())
def test_every_step_comes_after_those_that_it_needs(nodes: list[Node]) -> None:
    order = [node.name for node in in_order(nodes)]
    assert sorted(order) == sorted(node.name for node in nodes)
    assert all(order.index(need) < order.index(node.name) for node in nodes for need in node.needs)


@given(graphs(), st.data())
def test_it_ends_and_nothing_runs_twice_nor_before_what_it_needs(nodes: list[Node], data: st.DataObject) -> None:
    ends, ran = run_through(nodes, data)
    assert len(ran) == len(set(ran)) <= len(nodes)
    by_name = {node.name: node for node in nodes}
    assert all(need in ran[:at] for at, name in enumerate(ran) for need in by_name[name].needs)
    left = {state for name, state in states(nodes, ends).items() if name not in ends}
    assert left <= {State.BLOCKED, State.SKIPPED}


@given(graphs(), st.data())
def test_nothing_runs_behind_a_failure_nor_behind_a_gate_that_said_no(nodes: list[Node], data: st.DataObject) -> None:
    ends, ran = run_through(nodes, data)
    for node in nodes:
        needs = [ends.get(need) for need in node.needs]
        if State.FAILED in needs or (State.REFUSED in needs and node.when == "passed"):
            assert node.name not in ran


@given(graphs(), st.data())
def test_a_step_for_a_refusal_runs_exactly_where_a_gate_said_no(nodes: list[Node], data: st.DataObject) -> None:
    ends, ran = run_through(nodes, data)
    for node in (node for node in nodes if node.when == "refused"):
        needs = [ends.get(need) for need in node.needs]
        wanted = State.REFUSED in needs and not {None, State.FAILED} & set(needs)
        assert (node.name in ran) == wanted


@pytest.mark.parametrize(
    ("ended", "when", "state", "why"),
    [
        ({}, "passed", State.WAITING, "for evaluate"),
        ({"evaluate": State.REFUSED}, "passed", State.BLOCKED, "the gate of evaluate said no"),
        ({"evaluate": State.FAILED}, "ended", State.BLOCKED, "evaluate failed"),
        ({"evaluate": State.PASSED}, "refused", State.SKIPPED, "no gate said no"),
        ({"evaluate": State.REFUSED}, "ended", State.READY, ""),
    ],
)
def test_a_step_that_does_not_run_says_why(ended: dict[str, State], when: When, state: State, why: str) -> None:
    nodes = [Node(name="evaluate"), Node(name="promote", needs=("evaluate",), when=when)]
    found = standings(nodes, ended)["promote"]
    assert (found.state, found.why) == (state, why)


def test_what_waits_behind_a_blocked_step_is_blocked_and_behind_a_skipped_one_skipped() -> None:
    nodes = [
        Node(name="a"),
        Node(name="b", needs=("a",)),
        Node(name="c", needs=("b",)),
        Node(name="d", when="refused"),
        Node(name="e", needs=("d",)),
    ]
    found = states(nodes, {"a": State.FAILED})
    assert (found["c"], found["e"]) == (State.BLOCKED, State.SKIPPED)


def test_steps_that_wait_for_each_other_are_no_order() -> None:
    with pytest.raises(CycleError):
        in_order([Node(name="a", needs=("b",)), Node(name="b", needs=("a",))])
