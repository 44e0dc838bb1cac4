from __future__ import annotations

from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.operator.screen import screen_of

DECISION = {"at_s": 5.0, "previous": 1, "target": 2, "rule": "demand", "reasons": [{"says": "more"}, {"says": "soon"}]}
VARIANT = {"name": "l4", "ready": 1, "starting": 1, "usd_per_hour": 1.5}
TRAFFIC = {
    "arrivals_per_s": 4.0,
    "running": 3,
    "waiting": 1,
    "ttft_p95_s": 0.2,
    "tpot_p95_s": {"missing": "no answers"},
}


def service(name: str = "chat", **brain: Any) -> dict[str, Any]:
    says = {
        "variants": [VARIANT],
        "traffic": TRAFFIC,
        "attainment": {"share": 0.97, "wanted": 0.99, "requests": 10},
        "decisions": [DECISION],
    }
    return {
        "name": name, "revision": "a1", "state": "RUNNING", "canary": False, "target_replicas": 2,
        "autoscaler": brain.get("only", says | brain),
    }  # fmt: skip


def test_a_service_is_a_row_of_what_runs_what_comes_and_what_it_costs() -> None:
    (row,) = screen_of("here", [service()], [], 10.0).services
    assert (row.ready, row.starting, row.target, row.usd_per_hour) == (1, 1, 2, 3.0)
    assert (row.arrivals_per_s, row.running, row.waiting, row.ttft_s) == (4.0, 3, 1, 0.2)
    assert (row.attained, row.wanted) == (0.97, 0.99)
    assert row.tpot_s == Missing(reason="no answers")


def test_what_nobody_knows_is_missing_with_its_reason_and_no_sum_hides_it() -> None:
    silent = service("draft", only={"missing": "no replica runs"})
    unpriced = service("free", variants=[VARIANT | {"usd_per_hour": {"missing": "no pool has it"}}])
    screen = screen_of("here", [service(), silent, unpriced], [], 10.0)
    assert screen.services[1].arrivals_per_s == Missing(reason="no replica runs")
    assert screen.services[2].usd_per_hour == Missing(reason="no pool has it")
    assert isinstance(screen.usd_per_hour, Missing)
    assert screen_of("here", [service(), service("b")], [], 10.0).usd_per_hour == 6.0


def test_decisions_of_all_services_stand_together_the_latest_first() -> None:
    later = service("draft", decisions=[DECISION | {"at_s": 9.0}])
    first, second = screen_of("here", [service(), later], [], 10.0).decisions
    assert (first.service, second.service) == ("draft", "chat")
    assert (second.previous, second.target, second.says) == (1, 2, "demand: more; soon")


def test_jobs_under_way_come_before_those_that_ended() -> None:
    def job(name: str, status: str, **more: int) -> dict[str, Any]:
        return {"submission_id": name, "status": status, "entrypoint": "python  -m x", **more}

    jobs = [
        job("old", "SUCCEEDED", start_time=1000, end_time=3000),
        job("waits", "PENDING"),
        job("runs", "RUNNING", start_time=4000),
    ]
    rows = screen_of("here", [], jobs, 10.0).jobs
    assert [row.job for row in rows] == ["runs", "waits", "old"]
    assert [row.took_s for row in rows] == [6.0, Missing(reason="it has not begun"), 2.0]
    assert rows[0].does == "python -m x"
