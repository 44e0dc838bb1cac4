from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raytide.manifests.platform import Platform, read_platform

CLUSTER = """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: team}
spec:
  kubernetes:
    namespace: ml
    images: {cpu: "registry.example.com/raytide:0.1.0-cpu", gpu: "registry.example.com/raytide:0.1.0-gpu"}
  pools:
    - {name: cpu, accelerator: CPU, cpus_per_node: 8, memory_per_node: 32GiB, price: $0.4/h, min_nodes: 1, max_nodes: 2}
    - name: l4
      accelerator: L4
      gpus_per_node: 1
      cpus_per_node: 8
      memory_per_node: 30GiB
      price: $0.8/h
      max_nodes: 1
"""
SERVICE = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: hf://Qwen/Qwen3-0.6B}
  hardware: [{accelerator: L4, cpus: 4}]
  objectives: {ttft: {p95: 500ms}, tpot: {p95: 50ms}}
"""
JOB = """\
apiVersion: raytide/v1
kind: Job
metadata: {name: prepare}
spec: {task: preprocess, output: data/stdlib}
"""

Declare = Callable[..., Platform]
"""`declare(cluster, service, job)` as texts, each with replacements that were made in it before."""


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    def read(cluster: str = CLUSTER, service: str | None = SERVICE, job: str | None = JOB) -> Platform:
        texts = {"cluster.yaml": cluster, "chat.yaml": service, "prepare.yaml": job}
        for name, text in texts.items():
            if text is not None:
                (tmp_path / name).write_text(text)
        others = [tmp_path / name for name, text in list(texts.items())[1:] if text is not None]
        return read_platform(tmp_path / "cluster.yaml", others)

    return read
