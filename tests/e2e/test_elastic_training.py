"""A run whose node is taken back saves itself, goes on with one worker, and takes a second one when there is room."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import psutil
import pytest

from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import recall

from .conftest import SMALL_RUN, Cluster, command, read, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STEPS = 1800
# The head has four CPUs, so that one worker of three fits there, and a second one needs a node of its own.
ELASTIC = ["workers=2", "min_workers=1", "cpus_per_worker=3", "grow_every=5s", "checkpoint_every=25", f"steps={STEPS}"]


@contextmanager
def another_node(cluster: Cluster) -> Iterator[None]:
    """A node for one more worker, which is gone without notice afterwards."""
    named = ("metrics-export", "dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent")
    ports = [f"--{name}-port={port}" for name, port in zip(named, free_ports(4), strict=True)]
    place = [f"--address={address_of(cluster)}", "--node-ip-address=127.0.0.1", "--num-cpus=3"]
    node = ["ray", "start", "--block", *place, *ports, "--object-store-memory=100000000"]
    with subprocess.Popen(node, env=cluster.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ray:
        try:
            yield
        finally:
            family = [*psutil.Process(ray.pid).children(recursive=True), psutil.Process(ray.pid)]
            for process in family:
                process.kill()


def address_of(cluster: Cluster) -> str:
    local = recall(cluster.home)
    assert local is not None
    return (Path(local.temp_dir) / "ray_current_cluster").read_text().strip()


def announce_that_it_is_taken_back(cluster: Cluster) -> None:
    """What a cloud's notice becomes: the added node is drained, and will be gone."""
    from ray.util.state import list_nodes

    nodes = [node for node in list_nodes(cluster.address) if not node["is_head_node"] and node["state"] == "ALIVE"]
    (added,) = (node["node_id"] for node in nodes)
    drain = ["ray", "drain-node", f"--address={address_of(cluster)}", f"--node-id={added}"]
    why = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot", "--deadline-remaining-seconds=60"]
    done = cluster.run([*drain, *why])
    assert done.returncode == 0, done.stdout + done.stderr


def workers_over_time(run: Path) -> list[int]:
    """The number of workers in each stretch of the run as it was, what was done again included only once."""
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [workers for workers, _ in groupby(entry["workers"] for entry in entries)]


def wait_until_trained_by(run: Path, workers: int, timeout_s: float = 120) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if (run / "metrics.jsonl").exists() and workers_over_time(run)[-1:] == [workers]:
            time.sleep(2.0)  # a checkpoint of this stretch
            return
        time.sleep(0.2)
    raise AssertionError(f"never trained by {workers}: {workers_over_time(run)}")


def test_a_run_goes_from_two_workers_to_one_and_back_and_sees_each_sample_as_often(
    cluster: Cluster, data: Path
) -> None:
    run = cluster.home / "runs" / "elastic"
    train = command("train", "output=runs/elastic", *SMALL_RUN, *ELASTIC)
    submit = ["ray", "job", "submit", "--address", cluster.address, "--", *train]
    with subprocess.Popen(submit, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as job:
        with another_node(cluster):
            wait_until_trained_by(run, 2)
            announce_that_it_is_taken_back(cluster)
            wait_for(run / "events.jsonl", "a node is about to be taken back; checkpoint at step", timeout_s=60)
        wait_until_trained_by(run, 1)
        with another_node(cluster):
            wait_until_trained_by(run, 2)
            output, _ = job.communicate(timeout=300)
    assert job.returncode == 0, output
    assert workers_over_time(run)[-3:] == [2, 1, 2]  # it may have begun before the first added node was there
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["position"]) == (STEPS, STEPS)
    assert last["samples_checksum"] == checksum_of_the_stream(data, steps=STEPS)
    assert read(run / "export" / "lineage.json")["steps"] == STEPS


def checksum_of_the_stream(data: Path, steps: int) -> int:
    """What two workers that were never disturbed would have seen."""
    from raytide.jobs.train.batches import Batching
    from raytide.jobs.train.dataset import load_sequences, packed

    dataset = packed(load_sequences(data))
    cut = Batching(num_sequences=len(dataset), seed=0, micro_batches=2, micro_batch=4)
    return sum(dataset.rows(cut.batch(position)).checksum for position in range(steps)) % 2**32
