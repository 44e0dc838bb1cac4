from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.follow import AGE, BRAIN, TARGET, follow


@dataclass(frozen=True)
class Id:
    name: str


@dataclass(frozen=True)
class Point:
    timestamp: float
    value: float


@dataclass(frozen=True)
class Context:
    """The part of Ray's AutoscalingContext that is read; `test_the_contract_of_ray` runs the real one."""

    target_num_replicas: int = 2
    current_time: float = 100.0
    raw_metrics: Mapping[str, Mapping[str, list[Point]]] = field(default_factory=dict)


FOLLOWER = Id("vllm-cpu")


def _brain(target: float = 5.0, *, age_s: float = 1.0, at_s: float = 99.0) -> Context:
    metrics = {AGE: {"r": [Point(at_s, age_s)]}, TARGET + FOLLOWER.name: {"r": [Point(at_s, target)]}}
    return Context(target_num_replicas=1, raw_metrics=metrics)


def _followed(brain: Context | None, *, stale_after_s: float = 15.0) -> dict[Any, int]:
    contexts = {FOLLOWER: Context()} | ({Id(BRAIN): brain} if brain else {})
    targets, state = follow(contexts, stale_after_s)
    assert state == {}
    return targets


def test_the_brains_decision_is_handed_over_and_the_brain_itself_is_left_alone() -> None:
    assert _followed(_brain()) == {FOLLOWER: 5}


def test_the_latest_point_of_the_latest_replica_counts() -> None:
    name = TARGET + FOLLOWER.name
    series = {"old": [Point(90.0, 9.0)], "new": [Point(98.0, 3.0), Point(99.0, 4.0)], "silent": []}
    brain = _brain()
    assert _followed(replace(brain, raw_metrics={**brain.raw_metrics, name: series})) == {FOLLOWER: 4}


@pytest.mark.parametrize(
    "brain",
    [
        None,
        Context(),
        Context(raw_metrics={AGE: {}}),
        Context(raw_metrics={AGE: {"r": []}}),
        Context(raw_metrics={TARGET + FOLLOWER.name: {"r": [Point(99.0, 5.0)]}}),
        _brain(age_s=14.1),
        _brain(at_s=83.9),
    ],
    ids=["no brain", "no metric", "no replica", "no point", "no age", "decided too long ago", "reported too long ago"],
)
def test_without_a_fresh_decision_everything_keeps_its_size(brain: Context | None) -> None:
    assert _followed(brain) == {FOLLOWER: 2}


def test_a_decision_is_fresh_to_the_last_moment() -> None:
    assert _followed(_brain(age_s=14.0)) == {FOLLOWER: 5}


def test_a_deployment_that_the_brain_does_not_know_keeps_its_size() -> None:
    contexts = {Id("other"): Context(target_num_replicas=7), Id(BRAIN): _brain()}
    assert follow(contexts)[0] == {Id("other"): 7}


def test_each_call_returns_its_own_dictionaries() -> None:
    contexts = {FOLLOWER: Context(), Id(BRAIN): _brain()}
    first, second = follow(contexts), follow(contexts)
    assert first[0] is not second[0]
    assert first[1] is not second[1]


GARBAGE = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just(Context()) | st.just(_brain(float("nan"))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([FOLLOWER, Id(BRAIN), "x"]), inner, max_size=3)
        | st.builds(Context, target_num_replicas=inner, current_time=inner, raw_metrics=inner)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([FOLLOWER, Id(BRAIN), "x"]), GARBAGE, max_size=3) | GARBAGE, GARBAGE)
def test_nothing_makes_it_raise(contexts: Any, stale_after_s: Any) -> None:
    targets, state = follow(contexts, stale_after_s)
    assert isinstance(targets, dict)
    assert state == {}


def test_a_decision_that_cannot_be_read_says_so_and_names_no_size(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("ERROR", logger="ray.serve"):
        assert _followed(_brain(float("nan"))) == {}
    assert "every deployment keeps its size" in caplog.text
