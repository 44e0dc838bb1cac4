"""Ending a local cluster: every process that belongs to it, and no other.

`ray stop` ends every Ray on the host, so it is never used. A process belongs to the cluster when it inherited the
marker, names the cluster's temporary folder on its command line, holds a file open there, or descends from one that
does. All four are asked, because Ray and vLLM re-title their workers, which overwrites command line and environment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from raytide.core.errors import RaytideError
from raytide.operator.local.record import MARKER, LocalCluster, forget

GRACE_S = 4.0
"""Most of Ray's processes end within 2 s; the rest waits for others that are gone."""
ROUNDS = 5


def end(home: Path, cluster: LocalCluster) -> int:
    """Ends the cluster, removes its temporary folder and its record; returns how many processes were ended."""
    first = belonging(cluster)
    survivors: Iterable[psutil.Process] = first
    _signal(first, psutil.Process.terminate)
    psutil.wait_procs(first, timeout=GRACE_S)
    for _ in range(ROUNDS):
        survivors = belonging(cluster)
        if not survivors:
            break
        _signal(survivors, psutil.Process.kill)
        psutil.wait_procs(survivors, timeout=2)
    else:
        raise RaytideError(f"processes {[p.pid for p in survivors]} of the local cluster do not end: end them by hand")
    shutil.rmtree(cluster.temp_dir, ignore_errors=True)
    forget(home)
    return len(first)


def belonging(cluster: LocalCluster) -> list[psutil.Process]:
    """The cluster's processes that are alive, this one and its ancestors left out."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid not in spared and process.pid not in members and _is_member(process, cluster):
            members.update({member.pid: member for member in [process, *_descendants(process)]})
    return [process for pid, process in members.items() if pid not in spared and _alive(process)]


def _is_member(process: psutil.Process, cluster: LocalCluster) -> bool:
    try:
        if any(cluster.temp_dir in argument for argument in process.cmdline()):
            return True
        if process.environ().get(MARKER) == cluster.marker:
            return True
        return any(file.path.startswith(cluster.temp_dir) for file in process.open_files())
    except psutil.Error:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.Error:
            continue
