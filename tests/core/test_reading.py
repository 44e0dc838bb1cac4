from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

from raytide.core.errors import SpecError
from raytide.core.spec import Cluster, Job, Service, read, read_as

SERVICE = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: models/chat}
  hardware:
    - {accelerator: CPU}
  objectives:
    ttft: {p95: 500ms}
    tpot: {p95: 50ms}
"""
TRAIN = """\
apiVersion: raytide/v1
kind: Job
metadata: {name: tiny}
spec:
  task: train
  data: data/tiny
  output: runs/tiny
  steps: 20
"""


def says(tmp_path: Path, text: str | bytes, *overrides: str) -> list[str]:
    """The findings of a file, one sentence each, with the folder taken out."""
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as raised:
        read(path, overrides)
    return str(raised.value).replace(f"{tmp_path}{os.sep}", "").split("\n")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("file", "kind"), [("platform/cluster.yaml", Cluster), ("services/chat.yaml", Service)])
def test_the_files_of_the_repository_are_valid(repository: Path, file: str, kind: type) -> None:
    assert isinstance(read(repository / file), kind)


def test_every_declared_document_of_the_repository_is_valid(repository: Path) -> None:
    for folder in ("jobs", "services"):
        for path in (repository / folder).glob("*.yaml"):
            read(path)


def test_values_come_out_in_their_unit(tmp_path: Path) -> None:
    service = read_as(Service, written(tmp_path, SERVICE))
    assert service.spec.objectives.ttft.p95 == 0.5
    assert service.spec.hardware[0].accelerator == "CPU"


def test_anchors_aliases_and_merge_keys_are_followed(tmp_path: Path) -> None:
    text = SERVICE.replace("ttft: {p95: 500ms}", "ttft: &t {p95: 500ms, p50: 1s}")
    text = text.replace("tpot: {p95: 50ms}", "tpot: {<<: *t, p95: 50ms}")
    tpot = read_as(Service, written(tmp_path, text)).spec.objectives.tpot
    assert (tpot.p50, tpot.p95) == (1.0, 0.05)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SERVICE.replace("\n", "\r\n").encode())
    assert read(path).metadata.name == "chat"


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("raytide/v1", "raytide/v2", "1:13: apiVersion: wrong value; found 'raytide/v2', expected 'raytide/v1'"),
        ("apiVersion: raytide/v1\n", "", "1:1: apiVersion: missing; expected 'raytide/v1'"),
        ("Service", "service", "2:7: kind: wrong kind; found 'service', expected Cluster, Service, Job or Pipeline; "
         "did you mean 'Service'?"),
        ("kind: Service\n", "", "1:1: kind: missing; expected Cluster, Service, Job or Pipeline"),
        ("Service", "[Service]", "2:1: kind: wrong kind; found a list of 1, expected Cluster, Service, Job or "
         "Pipeline; did you mean 'Service'?"),
        ("name: chat", "name: Chat", "3:18: metadata.name: wrong value; found 'Chat', expected a name of at most 47 "
         "lower-case letters, digits and dashes that starts with a letter"),
        ("{name: chat}", "chat", "3:11: metadata: wrong value; found 'chat', expected a map with name"),
        ("{name: chat}", "", "3:1: metadata: wrong value; found nothing, expected a map with name"),
        ("metadata: {name: chat}\n", "", "1:1: metadata: missing; expected a map with name"),
        ("models/chat", "[a]", "5:11: spec.model.source: wrong value; found a list of 1, expected text such as "
         "registry:chat@production, hf://org/name or models/chat"),
        ("models/chat", "2026-01-01: x", "5:29: a comma or a closing bracket is missing before this"),
        ("accelerator: CPU", "accelerator: h100x", "7:21: spec.hardware.0.accelerator: wrong value; found 'h100x', "
         "expected CPU, T4, L4, A10G, L40S, A100-40G, A100-80G, H100, H200, B200, GB200 or MI300X; "
         "did you mean 'H100'?"),
        ("accelerator: CPU", "Accelerator: CPU", "7:8: spec.hardware.0.Accelerator: unknown key; "
         "did you mean 'accelerator'?"),
        ("accelerator: CPU", "accelerator: CPU, tensor_parallel: 0", "7:43: spec.hardware.0.tensor_parallel: "
         "wrong value; found 0, expected a whole number of at least 1"),
        ("accelerator: CPU", "accelerator: CPU, tensorParallel: 2", "7:26: spec.hardware.0.tensorParallel: "
         "unknown key; did you mean 'tensor_parallel'?"),
        ("accelerator: CPU", 'accelerator: CPU, cpus: "1"', "7:32: spec.hardware.0.cpus: wrong value; found '1', "
         "expected a number above 0"),
        ("accelerator: CPU", "accelerator: CPU, cpus: true", "7:32: spec.hardware.0.cpus: wrong value; found true, "
         "expected a number above 0"),
        ("    - {accelerator: CPU}\n", "    []\n", "6:3: spec.hardware: wrong value; found an empty list, expected "
         "a list of at least 1"),
        ("    - {accelerator: CPU}\n", "    - {accelerator: CPU}\n    - {accelerator: CPU, cpus: 2}\n", "4:1: spec: "
         "not valid as a whole; expected hardware entries that differ in accelerator, tensor_parallel, "
         "pipeline_parallel or market"),
        ("accelerator: CPU", "accelerator: CPU, performance: {iteration: {base: 0s, per_prefill_token: 1us}, "
         "kv_capacity_tokens: 9}", "7:58: spec.hardware.0.performance.iteration.base: wrong value; found '0s', "
         "expected a value above zero"),
        ("ttft: {p95: 500ms}", "ttft: {p95: 500}", "9:17: spec.objectives.ttft.p95: wrong value; found 500, "
         "expected a duration such as 500ms, 10s, 5m or 2h"),
        ("ttft: {p95: 500ms}", "ttft: {}", "9:5: spec.objectives.ttft: not valid as a whole; "
         "expected at least one of p50, p90, p95, p99, as {p95: 500ms}"),
        ("ttft: {p95: 500ms}", "ttft: {p95: null}", "9:5: spec.objectives.ttft: not valid as a whole; "
         "expected at least one of p50, p90, p95, p99, as {p95: 500ms}"),
        ("    tpot: {p95: 50ms}\n", "", "8:3: spec.objectives.tpot: missing; expected a map with p50, p90, p95, p99"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n  colour: red\n", "11:3: spec.colour: unknown key; "
         "expected modality, model, engine, route, hardware, objectives, budget, traffic, scaling, access, feedback or "
         "rollout"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n    ttft: {p95: 1s}\n", "11:5: spec.objectives.ttft: "
         "this key is already on line 9; remove one of the two"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n  scaling: {min_replicas: 2}\n", "11:3: spec.scaling: "
         "not valid as a whole; expected max_replicas of at least min_replicas (2)"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n  access: {requests_per_minute: 60}\n", "11:3: "
         "spec.access: not valid as a whole; expected api_keys required or optional, beside limits or prices"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n  access: {tokens_per_minute: -1}\n", "11:31: "
         "spec.access.tokens_per_minute: wrong value; found -1, expected a whole number such as 600, 200k or 1.5M"),
        ("    tpot: {p95: 50ms}\n", "    tpot: {p95: 50ms}\n  budget: {max_usd_per_hour: .nan}\n", "11:30: "
         "spec.budget.max_usd_per_hour: wrong value; found NaN, expected a number above 0"),
        ("name: chat", "name: !secret chat", "3:18: metadata.name: the tag !secret has no meaning here; remove it"),
        ("name: chat", "name: chat, 1: x", "3:24: metadata: a key must be plain text; put a number in quotes"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_finding_at_its_place(tmp_path: Path, old: str, new: str, finding: str) -> None:
    assert says(tmp_path, SERVICE.replace(old, new)) == [f"x.yaml:{finding}"]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("  task: train\n", "", "4:1: spec.task: missing; expected evaluate, infer, preprocess or train"),
        ("task: train", "task: trian", "5:9: spec.task: wrong value; found 'trian', expected evaluate, infer, "
         "preprocess or train; did you mean 'train'?"),
        ("task: train", "task: [train]", "5:3: spec.task: wrong value; found a list of 1, expected evaluate, infer, "
         "preprocess or train"),
        ("steps: 20", "train: 20\n  steps: 20", "8:3: spec.train: unknown key; expected "),
        ("steps: 20", "steps: 2.5", "8:10: spec.steps: wrong value; found 2.5, expected a whole number of at least 1"),
        ("steps: 20", "stepz: 20", "8:3: spec.stepz: unknown key; did you mean 'steps'?"),
        ("  steps: 20\n", "", "4:1: spec.steps: missing; expected a whole number of at least 1"),
        ("steps: 20", "steps: 20\n  model: {heads: 3}", "9:3: spec.model: not valid as a whole; expected a hidden_size "
         "that is a multiple of twice the heads (6)"),
    ],
)  # fmt: skip
def test_a_job_is_checked_as_its_task_wants(tmp_path: Path, old: str, new: str, finding: str) -> None:
    [said] = says(tmp_path, TRAIN.replace(old, new))
    assert said.startswith(f"x.yaml:{finding}")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", ": the document is empty; expected apiVersion, kind, metadata and spec"),
        ("# nothing\n", ": the document is empty; expected apiVersion, kind, metadata and spec"),
        ("- a\n", ":1:1: not a document; found a list of 1, expected a map with apiVersion, kind, metadata and spec"),
        ("just text", ":1:1: not a document; found 'just text', "
         "expected a map with apiVersion, kind, metadata and spec"),
        (SERVICE + "---\n" + SERVICE, ":11:1: a second document starts here; write one document per file"),
        ("a:\n\t- b\n", ":2:1: a tab starts this line; indent with spaces"),
        ("a: 'x\n", ":1:4: the quote that opens here is never closed"),
        ("a: [1\n", ":1:4: the bracket that opens here is never closed"),
        ("a: [1,\n", ":2:1: the text ends inside a bracket that is never closed"),
        ("a: b: c\n", ":1:5: a colon cannot stand here; check the indentation, or quote the text"),
        ("- a\nb: 1\n", ":2:1: this does not line up with what is above it; check the indentation"),
        ("a: @x\n", ":1:4: a plain text cannot start with this character; put it in quotes"),
        ("a: *x\n", ":1:4: this alias names no anchor above it"),
        ("a: 1\nb\nc: 2\n", ":3:1: a key without a colon; write key: value"),
        ("a: 1\nb: \x07\n", ":2:4: a control character that YAML does not allow; remove it"),
        (b"a: 1\nb: \xe9t\xe9\n", ":2:4: not UTF-8 text; save the file as UTF-8"),
        ("[" * 600, ": nested too deeply"),
        ("&a [*a]", ":1:1: 0.0.0: nested deeper than 50 levels"),
    ],
)  # fmt: skip
def test_what_is_not_one_yaml_map_is_said_in_one_sentence(tmp_path: Path, text: str | bytes, finding: str) -> None:
    assert says(tmp_path, text) == [f"x.yaml{finding}"]


def test_aliases_that_expand_without_end_are_refused(tmp_path: Path) -> None:
    names = "abcdefgh"
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)]
    [said] = says(tmp_path, "\n".join(["a: &a [x]", *lines]))
    assert said.endswith("more than 100000 values, counting what aliases repeat")


def test_all_mistakes_come_at_once_in_file_order(tmp_path: Path) -> None:
    text = """\
        apiVersion: raytide/v1
        kind: Cluster
        metadata: {name: Laptop}
        spec:
          pools:
            - name: cpu
              accelerator: cpu
              cpus_per_node: none
              memory_per_node: 16GB!
              prize: $1/h
              max_nodes: 0
        """
    said = says(tmp_path, dedent(text))
    places = [finding.split(": ")[:2] for finding in said]
    assert places == [
        ["x.yaml:3:18", "metadata.name"],
        ["x.yaml:7:20", "spec.pools.0.accelerator"],
        ["x.yaml:8:22", "spec.pools.0.cpus_per_node"],
        ["x.yaml:9:24", "spec.pools.0.memory_per_node"],
        ["x.yaml:10:7", "spec.pools.0.prize"],
        ["x.yaml:11:18", "spec.pools.0.max_nodes"],
    ]
    assert not any(word in "\n".join(said) for word in ("value_error", "Input should", "pydantic", "Pool"))


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml: no such file$"):
        read(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match=r"a folder; name a file in it$"):
        read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=r"cannot be read: Not a directory$"):
        read(tmp_path / "file" / "x.yaml")


def test_another_kind_than_the_one_wanted_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"2:7: kind: wrong kind; found 'Service', expected Job$"):
        read_as(Job, written(tmp_path, SERVICE))


def test_an_override_replaces_adds_and_reaches_into_lists(tmp_path: Path) -> None:
    overrides = ("metadata.name=other", "spec.budget.max_usd_per_hour=3", "spec.hardware.0={accelerator: L4}")
    service = read_as(Service, written(tmp_path, SERVICE), overrides)
    assert service.metadata.name == "other"
    assert service.spec.budget is not None
    assert service.spec.budget.max_usd_per_hour == 3
    assert service.spec.hardware[0].accelerator == "L4"


@pytest.mark.parametrize(
    ("override", "finding"),
    [
        ("spec.stepz=20", "spec.stepz: unknown key; did you mean 'steps'?"),
        ("spec.steps=many", "spec.steps: wrong value; found 'many', expected a whole number of at least 1"),
        ("spec.steps=", "spec.steps: wrong value; found nothing, expected a whole number of at least 1"),
        ("spec.model={heads: 0}", "spec.model.heads: wrong value; found 0, expected a whole number of at least 1"),
        ("spec.model={heads: 4, heads: 8}", "heads: this key is already on line 1; remove one of the two"),
        ("spec.steps", "not an override; expected KEY=VALUE, such as spec.steps=20"),
        ("spec..steps=1", "not an override; expected KEY=VALUE, such as spec.steps=20"),
        ("spec.steps.x=1", "x cannot be set below a value that is not a map"),
        ("spec.model=[1", "the bracket that opens here is never closed"),
    ],
)
def test_a_mistake_in_an_override_points_at_the_override(tmp_path: Path, override: str, finding: str) -> None:
    assert says(tmp_path, TRAIN, override) == [f"--set {override}: {finding}"]


def test_mistakes_in_overrides_come_after_those_in_the_file(tmp_path: Path) -> None:
    said = says(tmp_path, TRAIN.replace("steps: 20", "steps: 0"), "spec.seed=-1")
    assert [finding.partition(": ")[0] for finding in said] == ["x.yaml:8:10", "--set spec.seed=-1"]


@pytest.mark.parametrize("args", ["{fail_every: 0}", "{max_model_len: 4k}"])
def test_an_emulated_engine_takes_no_limits_that_are_none(tmp_path: Path, args: str) -> None:
    (found,) = says(tmp_path, SERVICE + f"  engine: {{kind: emulated, args: {args}}}\n")
    assert "spec.engine" in found
    assert "fail_every" in found


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "platform/cluster.yaml").read_text()
    gateway = "spec:\n  gateway: {ledger: 'postgresql://me:hunter2@db/x'}\n"
    (finding,) = says(tmp_path, text.replace("spec:\n", gateway, 1))
    assert "hunter2" not in finding
    assert "spec.gateway.ledger" in finding
    assert "'postgresql://me:…@db/x'" in finding
    assert "PGPASSWORD" in finding
    (wrong_kind,) = says(tmp_path, text.replace("spec:\n", gateway.replace("ledger", "port"), 1))
    assert "hunter2" not in wrong_kind


def test_a_secret_among_an_engines_arguments_is_refused_and_not_repeated(tmp_path: Path) -> None:
    engine = "spec:\n  engine: {args: {hf_token: hunter2, max_model_len: 64}}\n"
    (finding,) = says(tmp_path, SERVICE.replace("spec:\n", engine))
    assert "spec.engine.args" in finding
    assert "no hf_token: a secret is given by the cluster's environment, as HF_TOKEN" in finding
    assert "hunter2" not in finding
    path = tmp_path / "stored.yaml"
    path.write_text(SERVICE.replace("spec:\n", engine.replace("hunter2", "true")))
    assert read_as(Service, path).spec.engine.args["hf_token"] is True
