"""`cluster`: a Ray cluster of its own on free ports, shared by the session and ended without touching any other."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str
    """Of the dashboard, with http://."""
    gcs_address: str
    home: Path
    env: dict[str, str]

    def submit(self, entrypoint: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a job to its end, as a user does; stdout has the job's output."""
        command = ["ray", "job", "submit", "--address", self.address, "--", *entrypoint]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=500)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # A short path: Ray's sockets lie below it, and their names have at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))
    bin_folder = Path(sys.executable).parent
    env = {
        **{key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "disabled",
        "RAYTIDE_HOME": str(folder / "home"),
    }
    gcs_port, dashboard_port = free_port(), free_port()
    try:
        subprocess.run(_start(folder, gcs_port, dashboard_port), env=env, check=True, capture_output=True, cwd=folder)
        yield Cluster(f"http://127.0.0.1:{dashboard_port}", f"127.0.0.1:{gcs_port}", folder / "home", env)
    finally:
        _end(folder)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, gcs_port: int, dashboard_port: int) -> list[str]:
    ports = {
        "port": gcs_port,
        "dashboard-port": dashboard_port,
        "ray-client-server-port": free_port(),
        "dashboard-agent-listen-port": free_port(),
    }
    options = [f"--{name}={port}" for name, port in ports.items()]
    sizes = ["--num-cpus=4", "--object-store-memory=200000000", f"--temp-dir={folder / 'ray'}"]
    return ["ray", "start", "--head", "--node-ip-address=127.0.0.1", "--disable-usage-stats", *options, *sizes]


def _end(folder: Path) -> None:
    """Ends what runs below this cluster's folder; `ray stop` would end every cluster of the machine."""
    ours = [process for process in psutil.process_iter(["cmdline", "environ"]) if _belongs(process, folder)]
    for process in ours:
        process.terminate()
    for process in psutil.wait_procs(ours, timeout=10)[1]:
        process.kill()


def _belongs(process: psutil.Process, folder: Path) -> bool:
    words = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
    return process.pid != os.getpid() and any(str(folder) in word for word in words)
