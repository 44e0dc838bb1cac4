"""The servers of a benchmark end with it, whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SERVER = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True).wait()"
BENCHMARK = f"""
import sys, time
sys.path.insert(0, sys.argv[1])
import psutil, serving_path

def fails():
    raise SystemExit("this ending fails")

with serving_path.working(model="none") as work:
    work.endings.append(fails)
    server = work.spawn("server", [sys.executable, "-c", {SERVER!r}])
    while not (children := psutil.Process(server.pid).children()):
        time.sleep(0.02)
    print(work.folder, server.pid, children[0].pid, flush=True)
    if sys.argv[2] == "raise":
        raise RuntimeError("the benchmark fails")
    time.sleep(600)
"""


CLUSTER = """
import os, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import live_scaling
from raytide.operator.local.record import MARKER, LocalCluster, remember

def start(home, *_):
    cluster = LocalCluster(marker=f"m-{os.getpid()}", temp_dir=f"{home}/ray", dashboard="none", http_port=1)
    remember(home, cluster)
    ray = subprocess.Popen(["sleep", "600"], env=os.environ | {MARKER: cluster.marker}, start_new_session=True)
    print(ray.pid, flush=True)
    time.sleep(600)

live_scaling.start = start
with live_scaling.rehearsal(Path(sys.argv[2]), None):
    pass
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, None])
def test_nothing_is_left_of_a_benchmark_that_ends_early(repository: Path, ending: signal.Signals | None) -> None:
    words = [sys.executable, "-c", BENCHMARK, str(repository / "benchmarks"), "wait" if ending else "raise"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as benchmark:
        assert benchmark.stdout is not None
        folder, *pids = benchmark.stdout.readline().split()
        if ending:
            benchmark.send_signal(ending)
        assert benchmark.wait(60) != 0
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)
    assert not Path(folder).exists()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_cluster_that_has_not_come_up_is_ended_too(repository: Path, tmp_path: Path, ending: signal.Signals) -> None:
    words = [sys.executable, "-c", CLUSTER, str(repository / "benchmarks"), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as benchmark:
        assert benchmark.stdout is not None
        pid = int(benchmark.stdout.readline())
        benchmark.send_signal(ending)
        assert benchmark.wait(60) != 0
    assert not psutil.pid_exists(pid)
