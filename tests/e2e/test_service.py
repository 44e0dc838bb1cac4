"""A model, served by real vLLM on a real Ray: declared, applied, called, scaled, changed and deleted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import SMALL_RUN, Cluster, command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
PROMPTS = ("def add_7(a", "    return a +", "x")
OUTPUT_TOKENS = 24
BURST_TOKENS = 48


@pytest.fixture(scope="module")
def model(cluster: Cluster, run: Path) -> Path:
    """The trained model's export, evaluated, registered and promoted."""
    pytest.importorskip("vllm", reason="serving needs vLLM: install requirements/cpu.lock, or raytide[gpu]")
    paths = ["data=data/tiny", "model=runs/tiny/export", "report=reports/served.json", "registry.name=served"]
    evaluated = cluster.submit(command("evaluate", *paths))
    assert evaluated.returncode == 0, evaluated.stdout
    promoted = cluster.run(["raytide", "models", "promote", "served", "candidate"])
    assert promoted.returncode == 0, promoted.stderr
    return run / "export"


@pytest.fixture(scope="module")
def declared(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = Path("services/chat.yaml").read_text().replace("registry:chat@production", "registry:served@production")
    file = tmp_path_factory.mktemp("services") / "chat.yaml"
    text = text.replace("scale_down_after: 30s", "scale_down_after: 15s")
    # One sequence at a time, so that a few clients fill a replica of this tiny model on any machine.
    file.write_text(text.replace("max_num_seqs: 4 ", "max_num_seqs: 1 "))
    return file


@pytest.fixture(scope="module")
def service(cluster: Cluster, declared: Path) -> Iterator[dict[str, Any]]:
    applied = cluster.run(["raytide", "apply", str(declared)])
    assert applied.returncode == 0, applied.stderr
    yield status(cluster)
    deleted = cluster.run(["raytide", "delete", "chat"])
    assert deleted.returncode == 0, deleted.stderr
    assert json.loads(cluster.run(["raytide", "status", "--json"]).stdout)["services"] == []


def statuses(cluster: Cluster) -> list[dict[str, Any]]:
    answer = cluster.run(["raytide", "status", "--json"])
    assert answer.returncode == 0, answer.stderr
    services: list[dict[str, Any]] = json.loads(answer.stdout)["services"]
    return services


def status(cluster: Cluster) -> dict[str, Any]:
    return statuses(cluster)[0]


def running_on_the_dashboard(cluster: Cluster, variant: str) -> int:
    details = httpx.get(f"{cluster.address}/api/serve/applications/", trust_env=False).json()
    replicas = details["applications"]["chat"]["deployments"][variant]["replicas"]
    return sum(replica["state"] == "RUNNING" for replica in replicas)


def complete(url: str, prompt: str, **more: Any) -> dict[str, Any]:
    body = {"model": "chat", "prompt": prompt, "max_tokens": OUTPUT_TOKENS, "temperature": 0, **more}
    answer: dict[str, Any] = httpx.post(f"{url}/v1/completions", json=body, timeout=120, trust_env=False).json()
    return answer


def test_the_served_text_is_what_transformers_generates(service: dict[str, Any], model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, reference = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model)
    for prompt in PROMPTS:
        tokens = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            output = reference.generate(**tokens, max_new_tokens=OUTPUT_TOKENS, do_sample=False)
        expected = output[0][tokens["input_ids"].shape[1] :].tolist()
        assert complete(service["url"], prompt, return_token_ids=True)["choices"][0]["token_ids"] == expected


def test_the_openai_routes_answer_and_stream(service: dict[str, Any]) -> None:
    url = service["url"]
    models = httpx.get(f"{url}/v1/models", trust_env=False).json()
    assert [model["id"] for model in models["data"]] == ["chat"]
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "stream": True}
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False) as response:
        events = [line for line in response.iter_lines() if line.startswith("data: ")]
    assert len(events) >= 3
    assert events[-1] == "data: [DONE]"
    assert httpx.get(f"{url}/v1/nothing", trust_env=False).status_code == 404


def test_a_second_apply_does_nothing_and_a_knob_changes_in_place(
    cluster: Cluster, service: dict[str, Any], declared: Path
) -> None:
    before = status(cluster)
    assert "nothing to do" in cluster.run(["raytide", "apply", str(declared)]).stdout
    changed = cluster.run(["raytide", "apply", str(declared), "--set", "spec.scaling.scale_down_after=20s"])
    assert "changed in place" in changed.stdout, changed.stderr
    assert status(cluster)["revision"] == before["revision"]
    assert (
        "nothing to do"
        in cluster.run(["raytide", "plan", str(declared), "--set", "spec.scaling.scale_down_after=20s"]).stdout
    )
    assert cluster.run(["raytide", "apply", str(declared)]).returncode == 0
    history = json.loads(cluster.run(["raytide", "history", "chat", "--json"]).stdout)["changes"]
    assert [(change["verb"], change["outcome"]) for change in history[-3:]] == [
        ("create", "applied"),
        ("update", "applied"),
        ("update", "applied"),
    ]
    assert status(cluster)["drift"] == []


def test_a_replica_measured_itself_before_it_counted_as_ready(cluster: Cluster, service: dict[str, Any]) -> None:
    capacity = until(lambda: status(cluster)["autoscaler"]["variants"][0]["capacity"], lambda found: "points" in found)
    assert [point["concurrency"] for point in capacity["points"]] == [1]
    assert all(point["output_tokens_per_s"] > 0 for point in capacity["points"])
    assert capacity["prefill_tokens_per_s"] > 0


def test_a_burst_takes_it_to_two_replicas_and_calm_back_to_one(cluster: Cluster, service: dict[str, Any]) -> None:
    over = threading.Event()
    answers: list[int] = []
    clients = [threading.Thread(target=keep_asking, args=(service["url"], over, answers)) for _ in range(12)]
    for client in clients:
        client.start()
    try:
        grown = until(lambda: status(cluster), lambda seen: seen["replicas"].get("RUNNING") == 2)
        assert running_on_the_dashboard(cluster, grown["variants"][0]["name"]) == 2
    finally:
        over.set()
        for client in clients:
            client.join()
    shrunk = calm(cluster)
    assert running_on_the_dashboard(cluster, shrunk["variants"][0]["name"]) == 1
    assert answers
    assert set(answers) == {BURST_TOKENS}  # every request of the burst was answered in full
    moves = [(d["previous"], d["target"]) for d in shrunk["autoscaler"]["decisions"] if d["previous"] != d["target"]]
    assert moves == [(1, 2), (2, 1)]
    assert all(d["reasons"][-1]["says"] for d in shrunk["autoscaler"]["decisions"])
    assert shrunk["autoscaler"]["replica_seconds"] > 0


def test_what_the_brain_decided_is_decided_again_to_the_bit(cluster: Cluster, service: dict[str, Any]) -> None:
    again = cluster.run(["raytide", "journal", "replay", str(cluster.home / "journal" / "chat.jsonl")])
    assert again.returncode == 0, again.stderr
    assert "each equal in every bit" in again.stdout


def test_a_decision_of_the_brain_is_explained(cluster: Cluster, service: dict[str, Any]) -> None:
    told = cluster.run(["raytide", "explain", "chat", "--json"])
    assert told.returncode == 0, told.stderr
    explanation = json.loads(told.stdout)
    assert explanation["binding"]["says"]
    assert explanation["targets"][0]["target"] == 1


@pytest.fixture(scope="module")
def alone(cluster: Cluster, service: dict[str, Any], declared: Path) -> Path:
    """The same service with one replica at most: what follows is about that one, and need not wait for others to go."""
    file = declared.with_name("alone.yaml")
    file.write_text(declared.read_text().replace("max_replicas: 2", "max_replicas: 1"))
    applied = cluster.run(["raytide", "apply", str(file)])
    assert "changed in place" in applied.stdout, applied.stderr
    return file


@pytest.mark.parametrize("fault", ["restart-brain", "restart-controller", "kill-replica"])
def test_a_drill_is_survived(cluster: Cluster, alone: Path, fault: str) -> None:
    light = ["--yes", "--json", "--rate", "1", "--max-tokens", "8"]
    ran = cluster.run(["raytide", "drill", fault, "chat", *light])
    # How soon it recovers is the machine's affair; that it does, and what is lost until then, is ours.
    assert ran.returncode in (0, 4), ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert report["sent"] > 5
    assert report["lost_beyond"] == 0, f"{report['why']} {report['errors']}"
    until(lambda: calm(cluster), lambda seen: "at_s" in seen["autoscaler"])


def calm(cluster: Cluster) -> dict[str, Any]:
    """The service once it has as many replicas as no load needs."""
    seen: dict[str, Any] = until(lambda: status(cluster), lambda seen: seen["replicas"] == {"RUNNING": 1})
    return seen


def keep_asking(url: str, over: threading.Event, answers: list[int]) -> None:
    while not over.is_set():
        answers.append(
            complete(url, PROMPTS[0], max_tokens=BURST_TOKENS, ignore_eos=True)["usage"]["completion_tokens"]
        )


def until(look: Callable[[], Any], reached: Callable[[Any], bool], timeout_s: float = 500) -> Any:
    deadline_s = time.monotonic() + timeout_s
    while not reached(seen := look()):
        assert time.monotonic() < deadline_s, seen
        time.sleep(1)
    return seen


def test_a_canary_with_a_wrong_engine_argument_is_one_sentence_and_gone(cluster: Cluster, alone: Path) -> None:
    before = calm(cluster)
    refused = cluster.run(
        ["raytide", "apply", str(alone), "--set", "spec.rollout={canary: {gate: {quality: any}}}",
         "--set", "spec.engine.args.max_model_le=64"]
    )  # fmt: skip
    assert refused.returncode == 5
    assert "did you mean 'max_model_len'" in refused.stderr
    assert "Traceback" not in refused.stderr + refused.stdout
    (left,) = until(lambda: statuses(cluster), lambda seen: len(seen) == 1)
    assert (left["state"], left["replica_ids"]) == ("RUNNING", before["replica_ids"])  # what serves is untouched
    last = json.loads(cluster.run(["raytide", "history", "chat", "--json"]).stdout)["changes"][-1]
    assert (last["verb"], last["outcome"]) == ("canary", "rolled-back")


def test_a_worse_model_is_refused_by_the_gate_and_as_a_canary_meets_no_request(cluster: Cluster, alone: Path) -> None:
    trained = cluster.submit(command("train", "output=runs/worse", *SMALL_RUN, "steps=150"))
    assert trained.returncode == 0, trained.stdout
    paths = ["data=data/tiny", "model=runs/worse/export", "registry.name=served"]
    refused = cluster.submit(command("evaluate", *paths, "report=reports/refused.json"))
    assert refused.returncode != 0
    assert "in production" in refused.stdout
    assert "worse" in refused.stdout
    tolerated = cluster.submit(
        command("evaluate", *paths, "report=reports/tolerated.json", "gate.max_regression=100%", "gate.improvement=1")
    )
    assert tolerated.returncode == 0, tolerated.stdout

    before = calm(cluster)
    rollout = "spec.rollout={canary: {steps: [50%, 100%], hold: 5s, gate: {quality: no-worse}}}"
    model = "spec.model.source=registry:served@candidate"
    cluster.run(["raytide", "apply", str(alone), "--set", rollout, "--set", model])
    (left,) = until(lambda: statuses(cluster), lambda seen: len(seen) == 1)
    assert (left["state"], left["replica_ids"]) == ("RUNNING", before["replica_ids"])
    last = json.loads(cluster.run(["raytide", "history", "chat", "--json"]).stdout)["changes"][-1]
    assert (last["verb"], last["outcome"]) == ("canary", "rolled-back")
    assert "worse is allowed" in last["why"]


def test_the_rendered_config_works_with_plain_serve_deploy(
    cluster: Cluster, service: dict[str, Any], alone: Path
) -> None:
    rendered = cluster.run(["raytide", "render", str(alone)])
    file = alone.with_name("serve.yaml")
    file.write_text(rendered.stdout)
    deployed = cluster.run(["serve", "deploy", str(file), "-a", cluster.address])
    assert deployed.returncode == 0, deployed.stderr
    until(lambda: status(cluster)["state"], lambda state: state == "RUNNING")
    assert "nothing to do" in cluster.run(["raytide", "plan", str(alone)]).stdout
    assert complete(service["url"], PROMPTS[0])["choices"][0]["text"]
