from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from raytide.core.errors import RaytideError
from raytide.operator.local import end as ending
from raytide.operator.local.end import belonging, end
from raytide.operator.local.record import MARKER, LocalCluster, recall, remember

Start = Callable[..., "subprocess.Popen[bytes]"]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
WITH_CHILD = "import subprocess, sys; subprocess.run(['sleep', '60'], env={})"


@pytest.fixture
def cluster(tmp_path: Path) -> LocalCluster:
    temp_dir = tmp_path / "raytide-x"
    temp_dir.mkdir()
    found = LocalCluster(
        marker=f"raytide-{tmp_path}", temp_dir=str(temp_dir), dashboard="http://127.0.0.1:1", http_port=1
    )
    remember(tmp_path, found)
    return found


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that the test ends with itself, if nothing else did."""
    with ExitStack() as stack:

        def run(*command: str, marker: str = "", cwd: Path | None = None) -> subprocess.Popen[bytes]:
            environment = {**os.environ, MARKER: marker}
            process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


def _members(cluster: LocalCluster) -> set[int]:
    return {process.pid for process in belonging(cluster)}


def test_exactly_its_own_processes_are_ended(cluster: LocalCluster, tmp_path: Path, start: Start) -> None:
    marked = start("sleep", "60", marker=cluster.marker)
    named = start("sh", "-c", "sleep 60; true", f"--temp-dir={cluster.temp_dir}")
    stranger = start("sleep", "60", marker="another cluster")
    assert {marked.pid, named.pid} <= _members(cluster)
    num_ended = end(tmp_path, cluster)
    assert num_ended >= 2
    assert None not in (marked.poll(), named.poll())
    assert stranger.poll() is None
    assert not Path(cluster.temp_dir).exists()
    assert recall(tmp_path) is None


def test_a_process_that_holds_a_file_there_open_belongs(cluster: LocalCluster, start: Start) -> None:
    log = Path(cluster.temp_dir) / "log"
    code = "import time; log = open('log', 'w'); print('up', flush=True); time.sleep(60)"
    holder = start(sys.executable, "-c", code, cwd=log.parent)
    assert holder.stdout
    assert holder.stdout.readline() == b"up\n"
    assert holder.pid in _members(cluster)


def test_a_descendant_belongs_whatever_it_calls_itself(cluster: LocalCluster, start: Start) -> None:
    parent = start(sys.executable, "-c", WITH_CHILD, marker=cluster.marker)
    while not (children := psutil.Process(parent.pid).children()):
        os.sched_yield()
    assert children[0].pid in _members(cluster)


def test_the_caller_and_its_ancestors_are_spared(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_is_member", lambda process, _: process.pid in (os.getpid(), os.getppid()))
    assert not {os.getpid(), os.getppid()} & _members(cluster)


def test_what_does_not_end_when_asked_is_killed(
    cluster: LocalCluster, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "GRACE_S", 0.05)
    stubborn = start(sys.executable, "-c", STUBBORN, marker=cluster.marker)
    assert stubborn.stdout
    stubborn.stdout.readline()
    assert end(tmp_path, cluster) == 1
    assert stubborn.poll() is not None


def test_what_cannot_be_killed_is_named_and_still_remembered(
    cluster: LocalCluster, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "_signal", lambda *_: None)
    monkeypatch.setattr(psutil, "wait_procs", lambda *_, **__: ([], []))
    marked = start("sleep", "60", marker=cluster.marker)
    with pytest.raises(RaytideError, match=rf"\[{marked.pid}\] of the local cluster do not end: end them by hand"):
        end(tmp_path, cluster)
    assert recall(tmp_path) == cluster


def test_a_cluster_that_is_gone_already_leaves_nothing_behind(cluster: LocalCluster, tmp_path: Path) -> None:
    assert end(tmp_path, cluster) == 0
    assert recall(tmp_path) is None
    assert not Path(cluster.temp_dir).exists()
