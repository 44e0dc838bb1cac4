from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.observe import Observer
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.live.routes import Routes, Upstream, upstream_of
from raytide.autoscaling.live.wait import wait_s
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.terms import Objective

ReportOf = Callable[..., ReplicaReport]
FleetOf = Callable[..., Fleet]
ENGINE = Engine(
    iteration=Iteration(base_s=0.01, per_sequence_s=0.0, per_kv_token_s=0.0, per_prefill_token_s=1e-4),
    kv_capacity_tokens=100_000,
    chunk_tokens=1000,
    max_num_seqs=8,
)


def _upstream(**stands: int) -> Upstream:
    idle = {"report": 1, "running": 0, "waiting": 0, "waiting_prompt_tokens": 0, "kv_tokens": 0, **stands}
    return Upstream(replica="a", variant="v", address="10.0.0.1:4000", engine=ENGINE, key="", **idle)


def _replicas(fleet: Fleet, *reports: ReplicaReport, looked_s: float = 100.0, since_s: float = 90.0) -> list[str]:
    observer = Observer()
    for report in reports:
        observer.hear(report, report.at_s)
    return [upstream.replica for upstream in observer.upstreams((fleet,), looked_s, since_s)]


def test_a_ready_replica_is_routed_to_with_its_address_and_its_load(report_of: ReportOf) -> None:
    report = report_of(key="of-a", running=3, waiting=1, waiting_prompt_tokens=70, kv_tokens=900)
    upstream = upstream_of(report)
    assert (upstream.replica, upstream.variant, upstream.address) == ("a", "v", "10.0.0.1:4000")
    assert upstream.key == report.key == "of-a"
    assert "of-a" not in repr((report, upstream))
    assert (upstream.running, upstream.waiting, upstream.waiting_prompt_tokens, upstream.kv_tokens) == (3, 1, 70, 900)
    assert upstream.engine == report.engine


def test_a_replica_that_drains_is_left_out_whoever_says_so_first(report_of: ReportOf, fleet_of: FleetOf) -> None:
    reports = (report_of(replica="a"), report_of(replica="b", is_draining=True), report_of(replica="c"))
    assert _replicas(fleet_of("ab", draining="c"), *reports) == ["a"]


def test_a_replica_that_serve_no_longer_knows_is_left_out(report_of: ReportOf, fleet_of: FleetOf) -> None:
    assert _replicas(fleet_of("b"), report_of(at_s=99.0, replica="a"), report_of(at_s=99.0, replica="b")) == ["b"]


def test_a_replica_that_has_begun_since_serve_was_asked_is_routed_to_at_once(
    report_of: ReportOf, fleet_of: FleetOf
) -> None:
    assert _replicas(fleet_of("a"), report_of(replica="a"), report_of(at_s=101.0, replica="new")) == ["a", "new"]


def test_a_silent_replica_is_left_out(report_of: ReportOf, fleet_of: FleetOf) -> None:
    assert _replicas(fleet_of("ab"), report_of(at_s=89.0, replica="a"), report_of(at_s=99.0, replica="b")) == ["b"]


def test_where_none_is_heard_those_that_serve_calls_ready_serve_on(report_of: ReportOf, fleet_of: FleetOf) -> None:
    reports = [report_of(at_s=80.0, replica=name) for name in "abc"]
    assert _replicas(fleet_of("ab", draining="b"), *reports) == ["a"]


@pytest.mark.parametrize("wait", [0.25, Missing(reason="no replica serves and none starts")])
def test_routes_survive_the_way_between_processes(wait: float | Missing) -> None:
    routes = Routes(
        service="chat",
        revision="0123abcd",
        at_s=100.0,
        upstreams=(_upstream(running=2),),
        predicted_wait_s=wait,
        access={"api_keys": "required", "tokens_per_minute": 200_000},
        objective=Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99),
        waking=False,
        is_canary=True,
        share=0.05,
    )
    assert Routes.from_plain(routes.to_plain()) == routes
    assert Routes.from_plain(replace(routes, access=None).to_plain()).access is None


def test_an_empty_replica_makes_nobody_wait() -> None:
    assert wait_s(_upstream(), 100.0) == 0.0
    assert wait_s(_upstream(running=7), 100.0) == 0.0


def test_prompts_ahead_take_their_chunks_and_their_tokens() -> None:
    assert wait_s(_upstream(waiting_prompt_tokens=2500), 100.0) == pytest.approx(3 * 0.01 + 0.25)


def test_a_full_batch_frees_its_places_in_the_time_of_one_answer() -> None:
    assert wait_s(_upstream(running=8), 100.0) == pytest.approx(1.0 / 8)
    assert wait_s(_upstream(running=8, waiting=7), 100.0) == pytest.approx(1.0)


@given(st.integers(0, 8), st.integers(0, 50), st.integers(0, 20_000), st.floats(1.0, 1e4))
def test_who_comes_later_never_waits_less(running: int, waiting: int, tokens: int, output_tokens: float) -> None:
    before = wait_s(_upstream(running=running, waiting=waiting, waiting_prompt_tokens=tokens), output_tokens)
    after = wait_s(_upstream(running=running, waiting=waiting + 1, waiting_prompt_tokens=tokens + 9), output_tokens)
    assert 0.0 <= before <= after
