from __future__ import annotations

import time
from collections import deque
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from raytide.cli.top import Loads, _live, page
from raytide.core.errors import RaytideError
from raytide.operator.screen import Screen, screen_of

from .conftest import Raytide

SERVICE: dict[str, Any] = {
    "name": "chat", "revision": "a1b2", "state": "RUNNING", "canary": False, "target_replicas": 3,
    "autoscaler": {
        "variants": [{"name": "l4", "ready": 2, "starting": 1, "usd_per_hour": 0.8}],
        "traffic": {"arrivals_per_s": 4.25, "running": 3, "waiting": 0, "ttft_p99_s": 0.21, "tpot_p99_s": 0.031},
        "attainment": {"share": 0.985, "wanted": 0.99, "requests": 100},
        "decisions": [
            {"at_s": 45065.0, "previous": 2, "target": 3, "rule": "demand", "reasons": [{"says": "a [burst] comes"}]}
        ],
    },
}  # fmt: skip
JOB: dict[str, Any] = {
    "submission_id": "raysubmit_1",
    "status": "RUNNING",
    "entrypoint": "python -m x [a]",
    "start_time": 45_000_000,
}


def shown(services: list[dict[str, Any]], problem: str = "", width: int = 140, job: dict[str, Any] = JOB) -> str:
    loads = Loads(deque)
    loads["chata1b2"].extend([0.0, 2.0, 4.0])
    console = Console(file=StringIO(), width=width)
    console.print(page(screen_of("http://here:8265", services, [job], 45067.0), loads, problem))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_look_says_what_runs_what_comes_what_it_costs_and_why() -> None:
    lines = shown([SERVICE]).splitlines()
    assert lines[0].split() == ["raytide", "http://here:8265", "12:31:07", "UTC", "services", "$2.40/h"]
    (chat,) = [" ".join(line.split()) for line in lines if line.strip().startswith("chat")]
    assert chat == "chat 2 +1 → 3 4.2 ▁▅█ 3/0 210 ms 31 ms 98.5/99% 2.40"
    assert any("12:31:05" in line and "2 → 3" in line and "demand: a [burst] comes" in line for line in lines)
    assert any("raysubmit_1" in line and "0:01:07" in line and "python -m x …" in line for line in lines)


def test_a_cluster_that_does_not_answer_any_more_is_said_above_what_was_seen_last() -> None:
    assert "no Ray dashboard answers" in shown([SERVICE], "no Ray dashboard answers at http://here:8265")


def test_a_look_that_failed_adds_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, looks = Loads(deque), iter([None])

    def slept(_: float) -> None:
        if next(looks, "over") == "over":
            raise KeyboardInterrupt

    def gone() -> Screen:
        raise RaytideError("no answer")

    monkeypatch.setattr(time, "sleep", slept)
    first = screen_of("http://here:8265", [SERVICE], [], 45067.0)
    _live(Console(file=StringIO()), first, loads, gone, 1.0)
    assert list(loads["chata1b2"]) == [4.25]


def test_without_services_it_says_how_to_start_one() -> None:
    assert "raytide apply services/chat.yaml" in shown([])


def test_a_long_command_takes_no_room_from_what_stands_before_it() -> None:
    lines = shown([SERVICE], job=JOB | {"entrypoint": "python -m x " + "--set y=z " * 30}, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("raysubmit_1" in line and "running" in line and "0:01:07" in line for line in lines)


def test_it_fits_a_narrow_terminal_whole() -> None:
    lines = shown([SERVICE, SERVICE | {"canary": True, "state": "DEPLOYING"}], width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("chat canary deploying" in line and line.rstrip().endswith("2.40") for line in lines)


def test_a_cluster_that_is_not_there_is_one_sentence(raytide: Raytide) -> None:
    ran = raytide("top", "--once", "--address", "http://127.0.0.1:9")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (3, 1)
