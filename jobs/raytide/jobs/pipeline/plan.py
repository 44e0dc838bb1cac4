"""What may run, what waits, and what never will: a pure function of the steps and of how those ended that did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

from raytide.core.spec.pipeline import When


class State(StrEnum):
    """Of a step; the first three are ends."""

    PASSED = "passed"
    REFUSED = "refused"
    """Its gate said no."""
    FAILED = "failed"
    READY = "ready"
    """Nothing keeps it from running."""
    WAITING = "waiting"
    BLOCKED = "blocked"
    """It cannot run, because of how a step ended that it waits for."""
    SKIPPED = "skipped"
    """Its condition is not met, as it should be: no gate said no, for instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step as far as its order goes."""

    name: str
    needs: tuple[str, ...] = ()
    """Every step that it waits for."""
    when: When = "passed"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a step is, and why."""

    state: State
    why: str = ""


def in_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes, each after those that it needs.

    Raises:
        CycleError: They wait for each other.
    """
    by_name = {node.name: node for node in nodes}
    return tuple(
        by_name[name] for name in TopologicalSorter({n.name: n.needs for n in by_name.values()}).static_order()
    )


def standings(nodes: Iterable[Node], ends: Mapping[str, State]) -> dict[str, Standing]:
    """Where each step is; `ends` are those that ended, and how."""
    found: dict[str, Standing] = {}
    for node in in_order(nodes):
        needs = {name: found[name].state for name in node.needs}
        found[node.name] = Standing(ends[node.name]) if node.name in ends else _standing(node, needs)
    return found


def _standing(node: Node, needs: Mapping[str, State]) -> Standing:
    if bad := list(_in_the_way(node, needs)):
        return Standing(State.BLOCKED, ", ".join(bad))
    if skipped := [name for name, state in needs.items() if state is State.SKIPPED]:
        return Standing(State.SKIPPED, f"{', '.join(skipped)} is skipped")
    if awaited := [name for name, state in needs.items() if state in (State.READY, State.WAITING)]:
        return Standing(State.WAITING, f"for {', '.join(awaited)}")
    if node.when == "refused" and State.REFUSED not in needs.values():
        return Standing(State.SKIPPED, "no gate said no")
    return Standing(State.READY)


def _in_the_way(node: Node, needs: Mapping[str, State]) -> Iterator[str]:
    for name, state in needs.items():
        if state in (State.FAILED, State.BLOCKED):
            yield f"{name} {'failed' if state is State.FAILED else 'is blocked'}"
        elif state is State.REFUSED and node.when == "passed":
            yield f"the gate of {name} said no"
