from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.cli.demo import job
from raytide.cli.demo.burst import FIRST_LOAD, Burst, _rate
from raytide.cli.demo.completion import Chunk, parse, request_body, stream_completion
from raytide.cli.demo.summary import Facts, summarise
from raytide.cli.demo.view import Step, View
from raytide.core.errors import RunFailed
from raytide.core.spec import Service, read_as
from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import LocalCluster

GOLDEN = Path(__file__).parent / "golden" / "demo-summary.txt"
CLUSTER = LocalCluster(marker="m", temp_dir="/tmp/raytide-x", dashboard="http://127.0.0.1:1", http_port=1)
RAY_PRINTS = """\
Job submission server address: http://127.0.0.1:8265

-------------------------------------------------------
Job 'raysubmit_1' submitted successfully
-------------------------------------------------------

Next steps
  Query the logs of the job:
    ray job logs raysubmit_1
2026-01-01 12:00:00,000 INFO job_manager.py:1 -- Runtime env is ready.
step 20, loss 3.1
"""


@pytest.fixture
def shown() -> StringIO:
    return StringIO()


@pytest.fixture
def view(shown: StringIO) -> View:
    return View(Console(file=shown, width=80, highlight=False))


def _facts(**service: object) -> Facts:
    decision = {"previous": 1, "target": 2, "rule": "demand", "reasons": [{"says": "4.0 requests/s need 2"}]}
    brain = {
        "decisions": [
            {"at_s": 60.0, **decision, "target": 1},
            {"at_s": 90.0, **decision},
            {"at_s": 150.0, **decision, "previous": 2, "target": 1},
        ],
        "attainment": {"share": 1.0, "wanted": 0.99, "requests": 200},
        "replica_seconds": 321.6,
        "usd": 0.00447,
    }
    burst = Burst(
        rate_per_s=4.0,
        sent=200,
        failed=1,
        tokens=12_736,
        seconds=50.0,
        ttft_s=[0.1, 0.2, 0.3, 0.4],
        tpot_s=[0.02, 0.03],
        most_replicas=2,
        replicas_after=1,
    )
    return Facts(
        manifest={
            "documents": {"kept": 1234, "dropped": {"duplicate": 20, "too short": 3}},
            "corpus": {"bytes": 9_437_184},
            "splits": {"train": {"tokens": 2_000_000}, "held_out": {"tokens": 50_000}},
        },
        lineage={"steps": 300, "tokens": 1_228_800, "wall_s": 61.4, "tokens_per_s": 20_013.0},
        report={"scores": {"untrained": {"perplexity": 4210.0}, "trained": {"perplexity": 42.1}}},
        service={"model": "chat v3", "url": "http://127.0.0.1:8000", "autoscaler": brain, **service},
        burst=burst,
        dashboard="http://127.0.0.1:8265",
    )


def test_the_summary_is_as_committed(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN, summarise(_facts()) + "\n")


def test_the_summary_says_what_it_does_not_know() -> None:
    facts = _facts(autoscaler={"missing": "no replica runs"})
    facts.burst.ttft_s.clear()
    text = summarise(facts)
    assert "decisions   no replica runs" in text
    assert "TTFT p50 unknown, p95 unknown" in text


def test_the_summary_tells_requests_that_were_turned_away_from_those_that_failed() -> None:
    facts = _facts()
    facts.burst.turned_away = 12
    assert "200 requests in 50 s, 1 failed, 12 turned away (429), 255 tokens/s" in summarise(facts)


def test_the_burst_keeps_a_share_of_a_replica_busy_on_any_machine(repository: Path) -> None:
    service = read_as(Service, repository / "services" / "chat.yaml")
    points = tuple(
        CapacityPoint(concurrency=n, tpot_s=tpot_s, output_tokens_per_s=n / tpot_s)
        for n, tpot_s in ((1, 0.01), (4, 0.02), (8, 0.2))
    )
    capacity = Capacity(prefill_tokens_per_s=400.0, points=points)
    # 4 prompt tokens take 0.01 s, 64 output tokens 0.32 s at the batch of four that keeps 50 ms.
    assert _rate(capacity, service) == pytest.approx(FIRST_LOAD / 0.33)
    slow = Capacity(prefill_tokens_per_s=400.0, points=points[2:])
    assert _rate(slow, service) == pytest.approx(FIRST_LOAD / (0.01 + 64 / 40))


def test_an_event_is_its_text_and_at_the_end_its_usage() -> None:
    assert parse('data: {"choices": [{"text": "ab"}]}') == Chunk(text="ab", output_tokens=None)
    assert parse('data: {"choices": [], "usage": {"completion_tokens": 7}}') == Chunk(text="", output_tokens=7)
    assert [parse(line) for line in ("", "data: [DONE]", ": comment")] == [None, None, None]


def test_an_error_within_a_stream_is_a_failure() -> None:
    with pytest.raises(RunFailed, match="broke a completion off: the engine has died"):
        parse('data: {"error": {"message": "the engine has died"}}')


def test_a_request_streams_and_asks_for_its_usage() -> None:
    assert request_body("chat", "def", 8, temperature=0) == {
        "model": "chat",
        "prompt": "def",
        "max_tokens": 8,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
    }


def test_a_service_that_does_not_answer_is_one_sentence(view: View) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(RunFailed, match=f"{url} did not complete a prompt"):
        stream_completion(url, "chat", "def", view)


def test_a_step_is_its_changes_and_its_outcome(view: View, shown: StringIO) -> None:
    with view.step("train") as step:
        step.show("step [20]")
        step.show("step [20]")
        step.done("300 steps")
    assert shown.getvalue() == "  train      step [20]\n✓ train         0 s  300 steps\n"


def test_a_step_that_fails_is_marked(view: View, shown: StringIO) -> None:
    with pytest.raises(RunFailed), view.step("train"):
        raise RunFailed("no")
    assert shown.getvalue() == "✗ train         0 s\n"


def test_on_a_terminal_a_step_ends_as_one_line() -> None:
    shown = StringIO()
    view = View(Console(file=shown, width=80, force_terminal=True, color_system=None, highlight=False))
    with view.step("train") as step:
        step.show("step 20")
        step.done("300 steps")
    assert shown.getvalue().endswith("✓ train         0 s  300 steps\n")


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Puts a `ray` of ours beside the interpreter's name; it prints what Ray prints, then runs a line of shell."""

    def prepare(ending: str) -> None:
        ray = tmp_path / "ray"
        ray.write_text(f"#!/bin/sh\ncat <<'TEXT'\n{RAY_PRINTS}TEXT\n{ending}\n")
        ray.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    return prepare


def test_a_job_is_shown_by_what_it_prints_itself(submitted: Callable[[str], None], view: View, shown: StringIO) -> None:
    submitted("exit 0")
    with view.step("train") as step:
        job.submit(CLUSTER, "train", step)
    assert "step 20, loss 3.1" in shown.getvalue()
    assert not any(noise in shown.getvalue() for noise in ("Next steps", "ray job", "INFO", "---"))


def test_a_line_of_a_job_is_shown_before_the_job_has_ended(
    submitted: Callable[[str], None], view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    seen = tmp_path / "seen"
    wait = f"print('step 30'); import os, time; [time.sleep(0.05) for _ in range(200) if not os.path.exists('{seen}')]"
    submitted(f"exec {sys.executable} -c \"{wait}; exit(not os.path.exists('{seen}'))\"")

    class Watching(Step):
        def show(self, text: str) -> None:
            if text == "step 30":
                seen.touch()

    with Watching(view.console, "train") as step:
        job.submit(CLUSTER, "train", step)


def test_a_job_that_fails_is_told_by_its_last_lines(submitted: Callable[[str], None], view: View) -> None:
    submitted("seq 1 30; exit 3")
    with pytest.raises(RunFailed) as raised, view.step("train") as step:
        job.submit(CLUSTER, "train", step)
    first, *last = str(raised.value).splitlines()
    assert first == "the train job failed:"
    assert last == [f"  {number}" for number in range(30 - job.KEPT_LINES + 1, 31)]


def test_the_demo_imports_nothing_heavy() -> None:
    code = (
        "import sys, raytide.cli.demo\n"
        "print(sorted({'ray', 'torch', 'vllm', 'mlflow', 'transformers'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
