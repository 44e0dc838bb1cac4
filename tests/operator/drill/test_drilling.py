from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Objective as Kept
from raytide.autoscaling.terms import Terms, Variant
from raytide.cli.drill import describe
from raytide.core.errors import RaytideError, RunFailed
from raytide.operator.drill import inject as injecting
from raytide.operator.drill import run as running
from raytide.operator.drill.inject import inject
from raytide.operator.drill.load import Load
from raytide.operator.drill.objective import Answer, Fault, Report, objective_of, report_of
from raytide.operator.drill.run import Drill, has_recovered, run

TERMS = Terms(
    objective=Kept(ttft_s=0.5, tpot_s=0.1, attainment=0.99),
    variants=(Variant(name="v", engine=Missing(reason="-"), usd_per_hour=1.0, cold_start_s=30.0),),
    min_replicas=1,
    max_replicas=2,
)
KILL = objective_of(Fault.KILL_REPLICA, cold_start_s=30.0)
BRAIN = objective_of(Fault.RESTART_BRAIN, cold_start_s=30.0)


def _answer(sent_s: float, ended_s: float, error: str | None = None, ttft_s: float = 0.1) -> Answer:
    return Answer(sent_s=sent_s, ended_s=ended_s, error=error, ttft_s=ttft_s, tpot_s=0.01)


def _report(fault: Fault, *answers: Answer, recovered_after_s: float | None = 5.0) -> Report:
    return report_of(
        fault,
        objective_of(fault, cold_start_s=30.0),
        answers,
        did="did it",
        began_s=100.0,
        at_s=100.5,
        recovered_after_s=recovered_after_s,
        ttft_s=0.5,
        tpot_s=0.1,
    )


def test_only_what_was_open_at_the_fault_may_be_lost_with_a_replica() -> None:
    open_then, later = _answer(99.0, 101.0, "cut"), _answer(102.0, 103.0, "HTTP 503")
    assert _report(Fault.KILL_REPLICA, open_then).held
    assert _report(Fault.KILL_REPLICA, _answer(100.2, 100.3, "cut while it died")).held
    report = _report(Fault.KILL_REPLICA, open_then, later, _answer(98.0, 99.0))
    assert (report.lost, report.lost_beyond, report.held) == (2, 1, False)
    assert report.errors == {"cut": 1, "HTTP 503": 1}
    assert report.why == (
        "it lost 1 that it may not lose (the first: HTTP 503, sent at +1.5 s and ended at +2.5 s from the fault)",
    )


def test_nothing_may_be_lost_with_the_brain() -> None:
    assert not _report(Fault.RESTART_BRAIN, _answer(99.0, 101.0, "cut")).held
    assert _report(Fault.RESTART_BRAIN, _answer(99.0, 101.0)).held


@pytest.mark.parametrize(("after_s", "held"), [(None, False), (15.1, False), (14.9, True)])
def test_a_recovery_that_takes_too_long_is_none(after_s: float | None, held: bool) -> None:
    assert _report(Fault.RESTART_CONTROLLER, recovered_after_s=after_s).held is held


def test_attainment_counts_what_kept_the_services_own_objectives() -> None:
    late = _answer(1.0, 3.0, ttft_s=0.6)
    assert _report(Fault.KILL_REPLICA, _answer(1.0, 2.0), late, _answer(1.0, 2.0, "cut")).attained == 1


def test_every_fault_has_an_objective_that_can_be_said() -> None:
    for fault in Fault:
        objective = objective_of(fault, cold_start_s=30.0)
        assert objective.does
        assert " within " in objective.says


BEFORE: dict[str, Any] = {
    "replicas": {"RUNNING": 2},
    "replica_ids": ["a", "b"],
    "target_replicas": 2,
    "autoscaler": {"at_s": 95.0, "replica_seconds": 500.0, "traffic": {"arrivals_per_s": 1.0}},
}


def _seen(brain: Mapping[str, Any] | None = None, **said: Any) -> dict[str, Any]:
    return BEFORE | {"autoscaler": BEFORE["autoscaler"] | {"at_s": 105.0, **(brain or {})}} | said


@pytest.mark.parametrize(
    ("fault", "seen", "recovered"),
    [
        (Fault.KILL_REPLICA, _seen(), False),  # the killed one is still listed
        (Fault.KILL_REPLICA, _seen(replica_ids=["b"], replicas={"RUNNING": 1}), False),
        (Fault.KILL_REPLICA, _seen(replica_ids=["b", "c"], replicas={"RUNNING": 1, "STARTING": 1}), False),
        (Fault.KILL_REPLICA, _seen(replica_ids=["b", "c"]), True),
        (Fault.RESTART_BRAIN, _seen({"at_s": 99.0}), False),
        (Fault.RESTART_BRAIN, _seen({"at_s": None}), False),
        (Fault.RESTART_BRAIN, _seen({"missing": "no answer"}), False),
        (Fault.RESTART_BRAIN, _seen({"replica_seconds": 10.0}), False),  # it forgot what was spent
        (Fault.RESTART_BRAIN, _seen({"replica_seconds": 450.0}), True),
        (Fault.RESTART_CONTROLLER, _seen(), True),
        (Fault.LOST_METRICS, _seen({"traffic": {"missing": "silent"}}), False),
        (Fault.LOST_METRICS, _seen(target_replicas=1), False),
        (Fault.LOST_METRICS, _seen(), True),
    ],
)
def test_what_is_seen_is_recovered_or_not(fault: Fault, seen: dict[str, Any], recovered: bool) -> None:
    assert has_recovered(fault, BEFORE, seen, {"at_s": 100.0, "replica": "a"}) is recovered


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BEFORE_S", 0.05)
    monkeypatch.setattr(running, "AFTER_S", 0.05)
    monkeypatch.setattr(running, "_POLL_S", 0.01)
    monkeypatch.setattr(injecting, "_POLL_S", 0.001)


def _drill(server: Any, looks: Iterator[Any], done: Callable[[], Mapping[str, Any]]) -> Drill:
    def look() -> Mapping[str, Any]:
        seen = next(looks)
        if isinstance(seen, Exception):
            raise seen
        found: Mapping[str, Any] = seen
        return found

    return Drill(
        fault=Fault.KILL_REPLICA,
        objective=replace(KILL, recovers_within_s=1.0),
        terms=TERMS,
        load=Load(url=server.url, model="chat", requests_per_s=100.0, max_tokens=4, api_key="rt-key"),
        look=look,
        inject=done,
        watch=lambda _: None,
    )


def _killed() -> dict[str, Any]:
    return {"began_s": time.time(), "at_s": time.time(), "did": "killed replica a", "replica": "a"}


def test_a_drill_loads_hits_waits_and_reports(server: Any) -> None:
    gone = _seen(replica_ids=["b"], replicas={"RUNNING": 1})
    looks = iter([BEFORE, RaytideError("no answer"), gone, _seen(replica_ids=["b", "c"])])
    report = run(_drill(server, looks, _killed))
    assert report.held
    assert report.sent >= 5
    assert (report.lost, report.attained) == (0, report.sent)
    assert report.recovered_after_s is not None
    assert server.asked[0]["Authorization"] == "Bearer rt-key"
    assert list(describe(report))[-1] == "  held       yes"


@pytest.mark.parametrize(
    ("how", "error"),
    [("cut", "the stream was cut"), ("broken", "EngineDeadError"), ("refused", "HTTP 503")],
)
def test_an_answer_that_is_not_whole_is_lost(server: Any, how: str, error: str) -> None:
    server.how = lambda: how if len(server.asked) > 1 else "whole"
    report = run(_drill(server, iter([BEFORE, _seen(replica_ids=["b", "c"])]), _killed))
    assert (report.lost, set(report.errors)) == (report.sent, {error})
    assert not report.held
    assert any("not allowed" in line for line in describe(report))


def test_nothing_is_done_to_a_service_that_answers_nobody(server: Any) -> None:
    server.how = lambda: "refused"

    def fault() -> Mapping[str, Any]:
        raise AssertionError("a fault was done")

    with pytest.raises(RunFailed, match=r"no fault was done.*HTTP 503"):
        run(_drill(server, iter([BEFORE]), fault))


def test_a_fault_that_cannot_be_done_ends_the_drill(server: Any) -> None:
    def refuse() -> Mapping[str, Any]:
        raise RunFailed("the fault could not be done: no replica runs")

    with pytest.raises(RunFailed, match="no replica runs"):
        run(_drill(server, iter([BEFORE]), refuse))


class Jobs:
    """Ray's job API in which a job says one thing and ends."""

    def __init__(self, state: str, output: str) -> None:
        self.states, self.output, self.entrypoint = iter(["PENDING", "RUNNING", state]), output, ""

    def submit(self, entrypoint: str) -> str:
        self.entrypoint = entrypoint
        return "raysubmit_1"

    def job_state(self, job: str) -> str:
        return next(self.states)

    def job_output(self, job: str) -> str:
        return self.output


def test_a_fault_is_a_job_whose_last_line_says_what_was_done() -> None:
    jobs = Jobs("SUCCEEDED", 'connecting\n{"at_s": 5.0, "did": "killed the brain"}\n')
    assert inject(jobs, Fault.RESTART_BRAIN, "chat", BRAIN) == {"at_s": 5.0, "did": "killed the brain"}
    assert jobs.entrypoint == "python -m raytide.operator.drill.fault restart-brain chat 0"


@pytest.mark.parametrize(
    ("state", "output", "says"),
    [
        ("SUCCEEDED", '{"error": "no replica runs"}', "could not be done: no replica runs"),
        ("FAILED", "Traceback\nModuleNotFoundError: raytide\n", "ended as failed: ModuleNotFoundError: raytide"),
        ("STOPPED", "", "ended as stopped: it said nothing"),
    ],
)
def test_a_job_that_did_nothing_says_why(state: str, output: str, says: str) -> None:
    with pytest.raises(RunFailed, match=says):
        inject(Jobs(state, output), Fault.KILL_REPLICA, "chat", KILL)
