"""`cluster`: a Ray cluster of its own, started and ended as `raytide local up | down` does, shared by the session."""

from __future__ import annotations

import glob
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from raytide.operator.local.end import end
from raytide.operator.local.head import environment, start
from raytide.operator.local.ports import free_ports
from raytide.operator.local.record import recall

ROOT = Path(__file__).parents[2]
SMALL_DATA = ["corpus.source=corpus", "tokenizer.vocab_size=600", "sequence_length=64", "held_out=20%", "shards=2"]
STEPS = 300  # some eight seconds: time enough to stop a run on its way
SMALL_RUN = [
    "data=data/tiny",
    "model={hidden_size: 64, layers: 2, heads: 2, kv_heads: 1, intermediate_size: 128}",
    f"steps={STEPS}",
    "batch_size_per_worker=4",
    "warmup_steps=5",
    "learning_rate=0.01",
    "checkpoint_every=10",
]


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str
    """Of the dashboard, with http://."""
    home: Path
    env: dict[str, str]

    @property
    def gateway(self) -> str:
        """Where clients reach every service, with http://."""
        local = recall(self.home)
        assert local
        return f"http://127.0.0.1:{local.gateway_port}"

    @contextmanager
    def serving(self, service: str, text: str, folder: Path) -> Iterator[str]:
        """Where clients reach a service of this name, from its `apply` to its `delete`."""
        file = folder / f"{service}.yaml"
        file.write_text(text)
        applied = self.run(["raytide", "apply", str(file)])
        assert applied.returncode == 0, applied.stderr
        yield self.gateway
        assert self.run(["raytide", "delete", service]).returncode == 0

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
        http_port, gateway_port = free_ports(2)  # nothing else on this machine may come to share the usual ones
        local = start(home, http_port, gateway_port=gateway_port)
        yield Cluster(local.dashboard, home, environment(home, local))
    finally:
        if left := recall(home):
            end(home, left)


def command(task: str, *settings: str) -> list[str]:
    overrides = [word for setting in settings for word in ("--set", f"spec.{setting}")]
    return ["python", "-m", f"raytide.jobs.{task}", str(ROOT / "jobs" / f"{task}.yaml"), *overrides]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def wait_for(path: Path, text: str, timeout_s: float = 120) -> None:
    """Returns once a file of this name, which may be a pattern, holds the text."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if any(text in Path(found).read_text() for found in glob.glob(str(path))):  # noqa: PTH207 (of a whole path)
            return
        time.sleep(0.05)
    raise AssertionError(f"no {text} in {path} within {timeout_s} s")


def train_workers(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline", "environ"]):
        of_this_cluster = (process.info["environ"] or {}).get("RAYTIDE_HOME") == str(home)
        if of_this_cluster and "RayTrainWorker" in " ".join(process.info["cmdline"] or []):
            yield process


@pytest.fixture(scope="session")
def data(cluster: Cluster) -> Path:
    corpus = cluster.home / "corpus"
    corpus.mkdir(parents=True)
    for number in range(120):
        body = "".join(
            f"def add_{line}(a, b):\n    return a + b + {line % 7}\n\n" for line in range(number, number + 20)
        )
        (corpus / f"{number:03d}.py").write_text(body)
    (corpus / "copy.py").write_text((corpus / "000.py").read_text())
    (corpus / "empty.py").write_text("")
    (corpus / "binary.bin").write_bytes(b"\xff\xfe" * 100)
    done = cluster.submit(command("preprocess", "output=data/tiny", *SMALL_DATA))
    assert done.returncode == 0, done.stdout + done.stderr
    return cluster.home / "data" / "tiny"


@pytest.fixture(scope="session")
def run(cluster: Cluster, data: Path) -> Path:
    """A finished run, one of whose workers was killed on the way."""
    folder = cluster.home / "runs" / "tiny"
    submit = [
        "ray",
        "job",
        "submit",
        "--address",
        cluster.address,
        "--",
        *command("train", "output=runs/tiny", *SMALL_RUN),
    ]
    with subprocess.Popen(submit, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as job:
        wait_for(folder / "metrics.jsonl", '"step": 20')
        next(train_workers(cluster.home)).send_signal(signal.SIGKILL)
        output, _ = job.communicate(timeout=300)
    assert job.returncode == 0, output
    return folder
