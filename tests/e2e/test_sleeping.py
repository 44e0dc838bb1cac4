"""A service that sleeps while nobody asks, and wakes for the first who does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
SLEEPY = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: sleepy}
spec:
  model: {source: none}
  engine: {kind: emulated, args: {max_num_seqs: 4}}
  route: /sleepy
  hardware:
    - accelerator: CPU
      cpus: 0.1
      cold_start: 3s
      performance: {iteration: {base: 10ms, per_prefill_token: 10us}, kv_capacity_tokens: 4000}
  objectives: {ttft: {p95: 1s}, tpot: {p95: 50ms}}
  scaling: {min_replicas: 0, max_replicas: 1, interval: 1s, scale_down_after: 2s}
"""


@pytest.fixture
def sleepy(cluster: Cluster, tmp_path: Path) -> Iterator[None]:
    with cluster.serving("sleepy", SLEEPY, tmp_path):
        yield


@pytest.mark.usefixtures("sleepy")
def test_it_wakes_for_who_waits_and_sleeps_again_when_nobody_asks(cluster: Cluster) -> None:
    done = cluster.submit(["python", str(Path(__file__).with_name("sleeper.py"))])
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("found "))
    first, second = json.loads(line.removeprefix("found "))
    assert (first["tokens"], second["tokens"]) == (5, 5)
    assert first["until_asleep_s"] < 5.0  # it has never been asked
    assert second["until_asleep_s"] > 2.0  # it was, a moment ago
