"""A model fine-tuned on planted questions, and an adapter of it, both asked through a served vLLM; and one that was
told which answers people prefer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import ROOT, Cluster, command, read

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# Small enough for a small model, and none of it is in what the model was pretrained on.
QUESTIONS = [f"key {number}" for number in range(40)]
ANSWERS = {question: f"{(at * 37 + 11) % 97}" for at, question in enumerate(QUESTIONS)}
OTHER_ANSWERS = {question: f"no {(at * 53 + 29) % 89}" for at, question in enumerate(QUESTIONS[:20])}
TUNING = ["data=null", "model=null", "batch_size_per_worker=20", "warmup_steps=10", "checkpoint_every=50"]


def planted(folder: Path, answers: dict[str, str]) -> Path:
    file = folder / "pairs.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"prompt": question, "answer": answer}) for question, answer in answers.items()]
    file.write_text("\n".join(lines))
    return file


def tuned(cluster: Cluster, name: str, answers: dict[str, str], *settings: str) -> Path:
    """The export of a run on question-answer pairs."""
    file = planted(cluster.home / "pairs" / name, answers)
    examples = f"examples={{file: {file}, max_tokens: 64}}"
    done = cluster.submit(command("train", f"output=runs/{name}", examples, *TUNING, *settings))
    assert done.returncode == 0, done.stdout
    return cluster.home / "runs" / name / "export"


@pytest.fixture(scope="module")
def taught(cluster: Cluster, run: Path) -> Path:
    return tuned(cluster, "taught", ANSWERS, "start=runs/tiny/export", "steps=300", "learning_rate=0.005")


@pytest.fixture(scope="module")
def adapter(cluster: Cluster, taught: Path) -> Path:
    lora = "lora={rank: 16, alpha: 32}"
    return tuned(cluster, "adapter", OTHER_ANSWERS, "start=runs/taught/export", lora, "steps=300", "learning_rate=0.01")


@pytest.fixture(scope="module")
def preferred(cluster: Cluster, taught: Path) -> Path:
    """The run of an adapter that was told, in an export of feedback, to answer otherwise."""
    folder = cluster.home / "feedback" / "taught"
    folder.mkdir(parents=True)
    rows = [{"prompt": key, "chosen": OTHER_ANSWERS[key], "rejected": ANSWERS[key]} for key in OTHER_ANSWERS]
    text = "\n".join(map(json.dumps, rows))
    (folder / "preferences.jsonl").write_text(text)
    manifest = {"kind": "preferences", "service": "taught", "data_hash": hashlib.sha256(text.encode()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    tuning = [*TUNING, "batch_size_per_worker=5", "steps=60", "learning_rate=0.003", "lora={rank: 16, alpha: 32}"]
    source = ["preferences={file: feedback/taught, max_tokens: 64}", "start=runs/taught/export"]
    done = cluster.submit(command("train", "output=runs/preferred", *source, *tuning))
    assert done.returncode == 0, done.stdout
    return cluster.home / "runs" / "preferred"


@pytest.fixture(scope="module")
def url(cluster: Cluster, taught: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the model and its adapter answer."""
    pytest.importorskip("vllm", reason="serving needs vLLM: install requirements/cpu.lock, or raytide[gpu]")
    file = tmp_path_factory.mktemp("services") / "taught.yaml"
    text = (ROOT / "services" / "chat.yaml").read_text().replace("registry:chat@production", str(taught))
    file.write_text(text.replace("name: chat ", "name: taught "))
    adapters = f"spec.model.adapters={{other: {adapter}}}"
    applied = cluster.run(["raytide", "apply", str(file), "--set", adapters, "--set", "spec.scaling.max_replicas=1"])
    assert applied.returncode == 0, applied.stderr
    services: list[dict[str, Any]] = json.loads(cluster.run(["raytide", "status", "--json"]).stdout)["services"]
    yield next(service["url"] for service in services if service["name"] == "taught")
    assert cluster.run(["raytide", "delete", "taught"]).returncode == 0


def ask(url: str, model: str, question: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 16, "temperature": 0}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def share_right(url: str, model: str, answers: dict[str, str]) -> float:
    return sum(ask(url, model, question) == answer for question, answer in answers.items()) / len(answers)


def test_planted_questions_are_answered_word_for_word_through_the_endpoint(url: str) -> None:
    assert share_right(url, "taught", ANSWERS) >= 0.95


def test_an_adapter_changes_the_answers_and_its_base_keeps_its_own(url: str) -> None:
    assert share_right(url, "other", OTHER_ANSWERS) >= 0.95
    assert share_right(url, "other", {question: ANSWERS[question] for question in OTHER_ANSWERS}) == 0
    assert share_right(url, "taught", {question: ANSWERS[question] for question in OTHER_ANSWERS}) >= 0.95


def test_an_adapter_is_small_and_says_where_it_comes_from(taught: Path, adapter: Path) -> None:
    assert not (adapter / "model.safetensors").exists()
    assert read(adapter / "adapter_config.json")["base_model_name_or_path"] == str(taught)
    assert read(adapter / "lineage.json")["start"] == str(taught)


def test_two_workers_learn_which_answers_are_preferred_and_the_export_says_by_whom(preferred: Path) -> None:
    first, *_, last = (json.loads(line) for line in (preferred / "metrics.jsonl").read_text().splitlines())
    assert (last["workers"], last["reward_accuracy"]) == (2, 1.0)
    assert last["reward_margin"] > first["reward_margin"] > 0
    assert "the reference of 20 pairs is measured" in (preferred / "events.jsonl").read_text()
    told = read(preferred / "export" / "lineage.json")
    assert (told["feedback"]["service"], told["counts"]["pairs"], told["reward_accuracy"]) == ("taught", 20, 1.0)


def test_a_line_that_is_no_conversation_is_named_before_anything_runs(cluster: Cluster, run: Path) -> None:
    file = planted(cluster.home / "pairs" / "wrong", {"a": "b"})
    file.write_text(file.read_text() + "\n{}\n")
    settings = [f"examples={{file: {file}}}", *TUNING, "start=runs/tiny/export", "steps=5"]
    refused = cluster.submit(command("train", "output=runs/wrong", *settings))
    assert refused.returncode != 0
    assert "pairs.jsonl:2:1: no conversation" in refused.stdout
