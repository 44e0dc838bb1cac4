"""`cluster`: a Ray cluster of its own, started and ended as `raytide local up | down` does, shared by the session."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from raytide.operator.local.end import end
from raytide.operator.local.head import environment, start
from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import recall


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str
    """Of the dashboard, with http://."""
    home: Path
    env: dict[str, str]

    def submit(self, entrypoint: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a job to its end, as a user does; stdout has the job's output."""
        return self.run(["ray", "job", "submit", "--address", self.address, "--", *entrypoint])

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command in the cluster's environment."""
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=500)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("home")
    try:
        local = start(home, free_ports(1)[0])
        yield Cluster(local.dashboard, home, environment(home, local))
    finally:
        if left := recall(home):
            end(home, left)
