from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import raytide.core.spec
from raytide.core.errors import SpecError
from raytide.core.spec import KINDS, AnyDocument, Document, schema_of
from raytide.core.spec.read import document_of
from raytide.core.spec.source import Source

SCHEMAS = Path(raytide.core.spec.__file__).parent / "schemas"
CLUSTER = """\
apiVersion: raytide/v1
kind: Cluster
metadata: {name: laptop}
spec:
  pools:
    - {name: cpu, accelerator: CPU, cpus_per_node: 2, memory_per_node: 16GiB, price: $1/h, max_nodes: 1}
"""
SERVICE = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: registry:chat@production}
  hardware: [{accelerator: CPU}]
  objectives: {ttft: {p95: 500ms}, tpot: {p95: 50ms}, attainment: 99%}
"""
PERFORMANCE = (
    "{iteration: {base: 13.53ms, per_kv_token: 79ns, per_prefill_token: 4.95e-2ms}, kv_capacity_tokens: 270000}"
)
JOB = """\
apiVersion: raytide/v1
kind: Job
metadata: {name: tiny}
spec: {task: train, data: data/tiny, output: runs/tiny, steps: 20}
"""
INFER = "task: infer, model: registry:chat@production, input: prompts.jsonl, output: answers"
PIPELINE = """\
apiVersion: raytide/v1
kind: Pipeline
metadata: {name: tiny}
spec: {steps: [{name: train, job: train.yaml}, {name: evaluate, job: evaluate.yaml, when: passed}]}
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_committed_schema_is_the_generated_one(kind: type[Document], golden: Callable[[Path, str], None]) -> None:
    golden(SCHEMAS / f"{kind.__name__.lower()}.json", json.dumps(schema_of(kind), indent=2) + "\n")


@pytest.mark.parametrize("kind", [*KINDS, AnyDocument], ids=lambda kind: getattr(kind, "__name__", "any"))
def test_a_schema_is_draft_2020_12_and_its_defaults_are_what_a_user_may_write(kind: Any) -> None:
    schema = schema_of(kind)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)
    for node in _nodes(schema):
        if "default" in node:
            within = {**node, "$defs": schema["$defs"]}
            Draft202012Validator(within).validate(node["default"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_section_is_described(kind: type[Document]) -> None:
    for name, section in schema_of(kind)["$defs"].items():
        assert section.get("description"), name


@pytest.mark.parametrize(
    ("text", "old", "new", "is_valid"),
    [
        (CLUSTER, "", "", True),
        (SERVICE, "", "", True),
        (JOB, "", "", True),
        (CLUSTER, "16GiB", "16 GiB", False),
        (CLUSTER, "16GiB", "16", False),
        (CLUSTER, "$1/h", "1", False),
        (CLUSTER, "CPU", "cpu", False),
        (CLUSTER, "max_nodes: 1", "max_nodes: 0", False),
        (CLUSTER, "max_nodes: 1", "max_nodes: '1'", False),
        (CLUSTER, "max_nodes: 1", "max_nodes: true", False),
        (CLUSTER, "max_nodes: 1", "max_nodes: 1, provisioning_time: 4m", True),
        (CLUSTER, "max_nodes: 1", "max_nodes: 1, provisioning_time: 4", False),
        (CLUSTER, "max_nodes: 1", "max_nodes: 1, market: cheap", False),
        (CLUSTER, "name: cpu, ", "", False),
        (CLUSTER, "laptop", "Laptop", False),
        (CLUSTER, "raytide/v1", "raytide/v2", False),
        (CLUSTER, "spec:\n", "spec:\n  Storage: x\n", False),
        (SERVICE, "99%", "0.99", True),
        (SERVICE, "99%", "99", False),
        (SERVICE, "99%", "100.5%", False),
        (SERVICE, "registry:chat@production", "models/chat", True),
        (SERVICE, "registry:chat@production", "registry:chat", False),
        (SERVICE, "[{accelerator: CPU}]", "[]", False),
        (SERVICE, "[{accelerator: CPU}]", "[{accelerator: CPU}, {accelerator: L4}]", True),
        (SERVICE, "accelerator: CPU", "accelerator: CPU, price: $5/h, cold_start: 120s, max_replicas: 4", True),
        (SERVICE, "accelerator: CPU", "accelerator: CPU, max_replicas: 0", False),
        (SERVICE, "accelerator: CPU", f"accelerator: CPU, performance: {PERFORMANCE}", True),
        (SERVICE, "accelerator: CPU", f"accelerator: CPU, performance: {PERFORMANCE}".replace("79ns", "79"), False),
        (SERVICE, "accelerator: CPU", "accelerator: CPU, performance: {kv_capacity_tokens: 9}", False),
        (SERVICE, "spec:\n", "spec:\n  scaling: {min_replicas: 0}\n", True),
        (SERVICE, "spec:\n", "spec:\n  scaling: {min_replicas: -1}\n", False),
        (SERVICE, "accelerator: CPU", "accelerator: CPU, cpus: 0", False),
        (SERVICE, "accelerator: CPU", "accelerator: CPU, cpus: 0.5, memory: 2GiB", True),
        (SERVICE, "spec:\n", "spec:\n  engine: {args: {dtype: float32, nested: {a: [1, null]}}}\n", True),
        (SERVICE, "spec:\n", "spec:\n  engine: {kind: tgi}\n", False),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: [{name: paid, priority: 1}]}\n", True),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: [{name: paid, priority: 1, value: 2.5}]}\n", True),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: []}\n", False),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: [{name: paid}]}\n", False),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: [{name: paid, priority: -1}]}\n", False),
        (SERVICE, "spec:\n", "spec:\n  traffic: {classes: [{name: paid, priority: 1, value: 0}]}\n", False),
        (JOB, "task: train", "task: tune", False),
        (JOB, "task: train, ", "", False),
        (JOB, "steps: 20", "steps: 2.5", False),
        (JOB, "steps: 20", "steps: 20, learning_rate: 0", False),
        (JOB, "steps: 20", "steps: 20, learning_rate: 1", True),
        (JOB, "steps: 20", "steps: 20, report: x", False),
        (JOB, "task: train, data: data/tiny, output: runs/tiny, steps: 20", INFER, True),
        (JOB, "task: train, data: data/tiny, output: runs/tiny, steps: 20", INFER + ", temperature: -1", False),
        (
            JOB,
            "task: train, data: data/tiny, output: runs/tiny, steps: 20",
            INFER + ", engine: {max_num_seqs: 8}",
            True,
        ),
        (PIPELINE, "", "", True),
        (PIPELINE, "when: passed", "when: passes", False),
        (PIPELINE, "when: passed", "needs: [train]", True),
        (PIPELINE, "job: train.yaml", "spec: {task: train, data: d, output: o, steps: 3}", True),
        (PIPELINE, "job: train.yaml", "spec: {task: train, data: d, output: o, steps: 0}", False),
        (PIPELINE, "job: train.yaml", "promote: {step: evaluate, alias: Production}", False),
    ],
)
def test_schema_and_reader_agree(text: str, old: str, new: str, is_valid: bool) -> None:
    source = Source.of_text(text.replace(old, new), "x.yaml")
    assert _is_read(source) == is_valid
    assert Draft202012Validator(schema_of(AnyDocument)).is_valid(source.value) == is_valid


def _is_read(source: Source) -> bool:
    try:
        document_of(source, KINDS)
    except SpecError:
        return False
    return True


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for below in node.values():
            yield from _nodes(below)
    elif isinstance(node, list):
        for below in node:
            yield from _nodes(below)
