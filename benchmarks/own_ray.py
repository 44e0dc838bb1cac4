"""A Ray for a benchmark's jobs alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from raytide.operator.local.ports import free_ports

ROOT = Path(__file__).parents[1]
ROOMS = ("platform", "jobs", "services", "autoscaling", "manifests")


@dataclass(frozen=True, slots=True)
class OwnRay:
    """What jobs need to find it."""

    environment: dict[str, str]
    head: int
    """The process id of `ray start`, above all others of this Ray."""


@contextmanager
def own_ray(cores: int) -> Iterator[OwnRay]:
    """A Ray with so many CPUs, which ends with the block; jobs on it run this checkout."""
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / room) for room in ROOMS),
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        options = ["--head", "--block", f"--port={port}", f"--num-cpus={cores}", "--include-dashboard=false"]
        command = [str(Path(sys.executable).parent / "ray"), "start", *options, f"--temp-dir={folder}"]
        with subprocess.Popen(  # noqa: S603 (our own command line)
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as head:
            try:
                wait_for(Path(folder) / "ray_current_cluster")
                yield OwnRay({**environment, "RAY_ADDRESS": f"127.0.0.1:{port}"}, head.pid)
            finally:
                end(head.pid)


def end(head: int) -> None:
    """Ends the process and all below it: asked to terminate, `ray start --block` waits for minutes (ray 2.60.0)."""
    processes = [*psutil.Process(head).children(recursive=True), psutil.Process(head)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=30)


def wait_for(path: Path, timeout_s: float = 60) -> None:
    """Returns when the file is there, which Ray writes when it can be used."""
    deadline = time.monotonic() + timeout_s
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(f"Ray did not come up within {timeout_s:.0f} s")
        time.sleep(0.1)
