from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest

from raytide.cli import history, status
from raytide.cli import plan as planning
from raytide.cli.progress import Line
from raytide.operator.history import Outcome, Record
from raytide.operator.plan.diff import Change, Plan, Verb

ENTRY = {
    "at_s": 45065.0,
    "variant": "vllm-cpu",
    "previous": 1,
    "target": 2,
    "rule": "demand",
    "reasons": [{"rule": "demand", "says": "3.0 requests/s need 2", "facts": {}}],
}
TRAFFIC = {
    "arrivals_per_s": 3.04,
    "running": 4,
    "waiting": 2,
    "ttft_p99_s": 0.1234,
    "tpot_p99_s": {"missing": "no request finished in the window"},
}
SERVICE: dict[str, Any] = {
    "name": "chat",
    "canary": False,
    "state": "RUNNING",
    "message": "",
    "revision": "0123abcd",
    "model": "chat v3",
    "url": "http://127.0.0.1:8000",
    "variants": [{"name": "vllm-cpu", "target_replicas": 2, "replicas": {"STARTING": 1, "RUNNING": 1}}],
    "target_replicas": 2,
    "replicas": {"STARTING": 1, "RUNNING": 1},
    "autoscaler": {
        "variants": [{"name": "vllm-cpu", "cold_start_s": 24.2, "cold_start_is_learnt": True}],
        "traffic": TRAFFIC,
        "decisions": [ENTRY | {"at_s": float(second)} for second in range(9)],
        "attainment": {"share": 0.985, "wanted": 0.99, "requests": 2000},
        "replica_seconds": 125.4,
        "usd": 0.00412,
    },
}
STEP = Plan(
    service="chat", verb=Verb.CREATE, changes=(), desired={}, min_replicas=1, max_replicas=4, usd_per_hour=(0.05, 0.2)
)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_service_is_described_a_line_for_each_fact() -> None:
    assert list(status.describe(SERVICE)) == [
        "\nchat  running  chat v3  revision 0123abcd",
        "  url       http://127.0.0.1:8000/v1",
        "  replicas  1 running, 1 starting; target 2",
        "  traffic   3.0 requests/s, 4 running, 2 waiting, ttft p99 123 ms, tpot p99 unknown",
        "  attained  98.5% of 2,000 requests kept their objectives, 99% wanted",
        "  starts    vllm-cpu in 24 s (learnt)",
        "  spend     125 replica-seconds, $0.0041",
        *(f"  00:00:0{second}  1 → 2  demand: 3.0 requests/s need 2" for second in range(4, 9)),
    ]


def test_a_shadow_says_that_it_is_one() -> None:
    shown = SERVICE | {"autoscaler": SERVICE["autoscaler"] | {"shadow": True}}
    assert "  shadow    decisions are recorded, and not carried out" in status.describe(shown)


def test_several_variants_are_told_one_by_one_below_their_sum() -> None:
    large = {"name": "vllm-h100", "target_replicas": 1, "replicas": {"RUNNING": 1}}
    none = {"name": "vllm-l4-spot", "target_replicas": 0, "replicas": {}}
    assert list(status.describe(SERVICE | {"variants": [large, none]}))[2:5] == [
        "  replicas  1 running, 1 starting; target 2",
        "    vllm-h100  1 running; target 1",
        "    vllm-l4-spot  none; target 0",
    ]


def test_a_service_that_does_not_run_says_why() -> None:
    failed = {
        "state": "DEPLOY_FAILED",
        "message": "Traceback:\nValueError: no\n",
        "replicas": {},
        "target_replicas": None,
        "autoscaler": {"missing": "no replica runs"},
    }
    assert list(status.describe(SERVICE | failed))[2:] == [
        "  replicas  none; target None",
        "  message   ValueError: no",
        "  brain     no replica runs",
    ]


def test_traffic_that_is_missing_says_why() -> None:
    silent = SERVICE["autoscaler"] | {"traffic": {"missing": "none of 2 reported"}}
    assert "  traffic   none of 2 reported" in status.describe(SERVICE | {"autoscaler": silent})


def test_an_unknown_attainment_says_why() -> None:
    unknown = {"share": {"missing": "too few requests"}, "wanted": 0.99, "requests": 0}
    assert status.attained(unknown) == "too few requests"


def test_a_decision_is_told_with_each_of_its_reasons() -> None:
    bounded = ENTRY | {"rule": "budget", "reasons": [*ENTRY["reasons"], {"says": "2 wanted, 1 allowed"}]}  # type: ignore[misc]
    assert status.decision_line(bounded) == "12:31:05  1 → 2  budget: 3.0 requests/s need 2; 2 wanted, 1 allowed"


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (STEP, ["chat will be created", "  1 to 4 replicas, $0.05/h to $0.20/h"]),
        (
            replace(STEP, verb=Verb.NOTHING, usd_per_hour=None),
            [
                "chat is as declared: nothing to do",
                "  1 to 4 replicas, price unknown: no declared pool offers this hardware",
            ],
        ),
        (
            replace(STEP, verb=Verb.UPDATE, changes=(Change(path="a.b", live=None, desired=2),)),
            [
                "chat will be changed in place: no replica restarts",
                "  a.b: (none) → 2",
                "  1 to 4 replicas, $0.05/h to $0.20/h",
            ],
        ),
    ],
)
def test_a_plan_says_what_happens_to_what_and_at_which_price(step: Plan, lines: list[str]) -> None:
    assert planning.describe(step).splitlines() == lines


def test_without_a_terminal_progress_is_a_line_for_each_change() -> None:
    stream = StringIO()
    with Line(stream) as line:
        for text in ("starting", "starting", "running"):
            line.show(text)
    assert stream.getvalue() == "  starting\n  running\n"


def test_on_a_terminal_progress_is_one_line_that_leaves_nothing_behind() -> None:
    stream = Terminal()
    with Line(stream) as line:
        line.show("starting")
        line.show("running")
    assert stream.getvalue() == "\r\x1b[K  starting  0 s\r\x1b[K  running  0 s\r\x1b[K"


def test_a_line_is_never_wrapped_which_could_not_be_taken_back() -> None:
    stream = Terminal()
    with Line(stream) as line:
        line.show(", ".join(f"vllm-h100: starting {number}" for number in range(40)))
    (shown,) = [part for part in stream.getvalue().split("\r\x1b[K") if part]
    assert len(shown) < 80
    assert shown.endswith("…  0 s")


def test_a_line_that_showed_nothing_clears_nothing() -> None:
    stream = Terminal()
    with Line(stream):
        pass
    assert stream.getvalue() == ""


def test_a_service_that_drifted_says_what_is_otherwise() -> None:
    drifted = SERVICE | {"drift": ["route_prefix is /x, / was applied"]}
    assert "  drift     route_prefix is /x, / was applied" in status.describe(drifted)


def test_a_history_has_a_line_for_each_change_and_why_it_failed() -> None:
    record = Record(
        number=7, at_s=1.8e9, revision="0123abcd", model="chat v3", verb="restart", command="rollback", application={}
    )
    failed = replace(record, number=8, command="apply", outcome=Outcome.FAILED, why="no replica fits")
    assert list(history.describe([record, failed])) == [
        "  7  2027-01-15 08:00:00 UTC  0123abcd  chat v3  rollback, restart: interrupted",
        "  8  2027-01-15 08:00:00 UTC  0123abcd  chat v3  apply, restart: failed",
        "     no replica fits",
    ]
