from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.build_app import build_app

from raytide.services.app import build

H100: dict[str, Any] = {
    "name": "vllm-h100x2",
    "engine": {"service": "chat", "model_path": "/models/chat", "args": {"max_num_seqs": 4}},
    "num_gpus": 2,
    "num_cpus": 3.0,
    "memory_bytes": 1024,
    "label_selector": {"ray.io/accelerator-type": "H100"},
    "env": {"A": "b"},
}
SPOT: dict[str, Any] = {
    "name": "vllm-l4-spot",
    "engine": {"service": "chat", "model_path": "/models/chat"},
    "num_gpus": 1,
    "label_selector": {"ray.io/accelerator-type": "L4", "ray.io/market-type": "spot"},
}


def _args(*variants: dict[str, Any]) -> dict[str, Any]:
    return {"revision": "0123abcd", "model_version": "chat v3", "service": "chat", "variants": list(variants)}


def _deployments(*variants: dict[str, Any]) -> dict[str, Any]:
    built = build_app(build(_args(*variants)), name="chat")
    return {deployment.name: deployment for deployment in built.deployments}


def test_the_first_variant_brings_the_others_along_and_the_brain_takes_no_cpu() -> None:
    assert build_app(build(_args(H100, SPOT)), name="chat").ingress_deployment_name == "vllm-h100x2"
    brain = _deployments(H100, SPOT)["Brain"]
    assert brain.ray_actor_options["num_cpus"] == 0
    assert brain.init_args == ("chat", ("vllm-h100x2", "vllm-l4-spot"), "0123abcd")


def test_each_variant_is_a_deployment_of_its_own_on_its_own_nodes() -> None:
    deployments = _deployments(H100, SPOT)
    assert set(deployments) == {"Brain", "vllm-h100x2", "vllm-l4-spot"}
    for variant in (H100, SPOT):
        options = deployments[variant["name"]].ray_actor_options
        assert options["num_gpus"] == variant["num_gpus"]
        assert options["label_selector"] == variant["label_selector"]


def test_a_replica_reserves_what_the_service_declares() -> None:
    options = _deployments(H100)["vllm-h100x2"].ray_actor_options
    assert options["num_cpus"] == 3.0
    assert options["memory"] == 1024
    assert options["runtime_env"]["env_vars"] == {"A": "b"}


def test_what_is_not_declared_is_not_reserved() -> None:
    options = _deployments({"name": "vllm-h100x2", "engine": H100["engine"]})["vllm-h100x2"].ray_actor_options
    assert "memory" not in options
    assert "label_selector" not in options
    assert options["num_gpus"] == 0


@pytest.mark.parametrize("labels", [{}, {"ray.io/accelerator-type": "H100"}])
def test_a_replica_of_several_nodes_is_a_placement_group_of_single_accelerators(labels: dict[str, str]) -> None:
    pipeline = {**H100, "num_gpus": 4, "num_nodes": 2, "label_selector": labels}
    replica = _deployments(pipeline)["vllm-h100x2"]
    config = replica._replica_config
    own = {"CPU": 3.0, "memory": 1024.0, "GPU": 1.0}
    assert config.placement_group_bundles == [own, {"GPU": 1.0}, {"GPU": 1.0}, {"GPU": 1.0}]
    assert config.placement_group_strategy == "PACK"
    assert config.placement_group_bundle_label_selector == ([labels] * 4 if labels else None)
    assert "num_gpus" not in replica.ray_actor_options or replica.ray_actor_options["num_gpus"] == 0
