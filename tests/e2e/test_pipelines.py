"""A pipeline on a real Ray: its steps are jobs of their own, what was made is found again, and a killed one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from raytide.jobs.registry import resolve

from .conftest import ROOT, SMALL_DATA, SMALL_RUN, STEPS, Cluster, wait_for

pytestmark = pytest.mark.e2e
TRAIN = [*(setting for setting in SMALL_RUN if not setting.startswith(("data=", "steps="))), "data=data/flow"]


def settings(*values: str) -> str:
    return ", ".join(f"'spec.{value}'" for value in values)


def pipeline(folder: Path, improvement: float = 1.5) -> Path:
    jobs = ROOT / "jobs"
    file = folder / "flow.yaml"
    file.write_text(
        "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: flow}\nspec:\n  steps:\n"
        f"  - {{name: promote, promote: {{step: evaluate}}}}\n"
        f"  - name: evaluate\n    job: {jobs / 'evaluate.yaml'}\n"
        f"    set: [{settings('data=data/flow', 'model=runs/flow/export', 'report=reports/flow.json')},"
        f" {settings('registry={name: flow}', f'gate.improvement={improvement}')}]\n"
        f"  - {{name: train, job: {jobs / 'train.yaml'},"
        f" set: [{settings(f'steps={STEPS}', 'output=runs/flow', *TRAIN)}]}}\n"
        f"  - {{name: data, job: {jobs / 'preprocess.yaml'}, set: [{settings('output=data/flow', *SMALL_DATA)}]}}\n"
    )
    return file


def submit(cluster: Cluster, file: Path) -> subprocess.CompletedProcess[str]:
    return cluster.submit(["python", "-m", "raytide.jobs.pipeline", str(file)])


def jobs_of(cluster: Cluster, step: str) -> list[str]:
    """Submission ids of a step's jobs, as the dashboard lists them."""
    from ray.job_submission import JobSubmissionClient

    listed = JobSubmissionClient(cluster.address).list_jobs()
    found = [job for job in listed if (job.metadata or {}).get("raytide-step") == step]
    return sorted(str(job.submission_id) for job in found)


@pytest.fixture
def _as_on_the_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", cluster.env["RAY_AUTH_MODE"])
    monkeypatch.setenv("RAYTIDE_HOME", str(cluster.home))


@pytest.mark.usefixtures("_as_on_the_cluster", "data")  # the corpus is that of `data`
def test_a_killed_pipeline_goes_on_and_a_second_run_makes_nothing_again(cluster: Cluster, tmp_path: Path) -> None:
    file = pipeline(tmp_path)
    command = ["ray", "job", "submit", "--address", cluster.address, "--"]
    command += ["python", "-m", "raytide.jobs.pipeline", str(file)]
    with subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killed:
        wait_for(cluster.home / "runs" / "flow-*" / "metrics.jsonl", '"step": 1')  # the job of `train` runs
        os.kill(driver(str(file)).pid, signal.SIGKILL)
        killed.communicate(timeout=120)
    assert killed.returncode != 0

    resumed = submit(cluster, file)
    assert resumed.returncode == 0, resumed.stdout
    assert "data: as before" in resumed.stdout
    assert "train: goes on in job" in resumed.stdout
    assert "evaluate: passed: flow v1 is candidate" in resumed.stdout
    assert [len(jobs_of(cluster, step)) for step in ("data", "train", "evaluate", "promote")] == [1, 1, 1, 1]

    again = submit(cluster, file)
    assert "4 steps passed, 4 of them as before" in again.stdout
    assert resolve("registry:flow@production").lineage["steps"] == STEPS

    refused = submit(cluster, pipeline(tmp_path, improvement=1e9))
    assert refused.returncode != 0
    assert "train: as before" in refused.stdout
    assert "evaluate: changed: settings" in refused.stdout
    assert "promote: blocked: the gate of evaluate said no" in refused.stdout
    assert [len(jobs_of(cluster, step)) for step in ("data", "train", "evaluate", "promote")] == [1, 1, 2, 1]


def driver(file: str, timeout_s: float = 60) -> psutil.Process:
    """The process of the pipeline itself."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words[1:] == ["-m", "raytide.jobs.pipeline", file]:
                return process
        time.sleep(0.1)
    raise AssertionError("the pipeline runs nowhere")
