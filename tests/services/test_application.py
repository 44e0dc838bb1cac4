from __future__ import annotations

from typing import Any

from ray.serve._private.build_app import build_app

from raytide.services.app import build

ARGS: dict[str, Any] = {
    "revision": "0123abcd",
    "model_version": "chat v3",
    "engine": {"service": "chat", "variant": "vllm-h100x2", "model_path": "/models/chat", "args": {"max_num_seqs": 4}},
    "num_gpus": 2,
    "num_cpus": 3.0,
    "memory_bytes": 1024,
    "label_selector": {"ray.io/accelerator-type": "H100"},
    "env": {"A": "b"},
}


def _deployments(args: dict[str, Any]) -> dict[str, Any]:
    built = build_app(build(args), name="chat")
    return {deployment.name: deployment for deployment in built.deployments}


def test_the_replicas_are_the_ingress_and_the_brain_takes_no_cpu() -> None:
    assert build_app(build(ARGS), name="chat").ingress_deployment_name == "vllm-h100x2"
    brain = _deployments(ARGS)["Brain"]
    assert brain.ray_actor_options["num_cpus"] == 0
    assert brain.init_args == ("chat", ("vllm-h100x2",), "0123abcd")


def test_a_replica_reserves_what_the_service_declares() -> None:
    options = _deployments(ARGS)["vllm-h100x2"].ray_actor_options
    assert options["num_gpus"] == 2
    assert options["num_cpus"] == 3.0
    assert options["memory"] == 1024
    assert options["label_selector"] == {"ray.io/accelerator-type": "H100"}
    assert options["runtime_env"]["env_vars"] == {"A": "b"}


def test_what_is_not_declared_is_not_reserved() -> None:
    bare = {key: ARGS[key] for key in ("revision", "model_version", "engine")}
    options = _deployments(bare)["vllm-h100x2"].ray_actor_options
    assert "memory" not in options
    assert "label_selector" not in options
    assert options["num_gpus"] == 0
