"""The Serve application of a service: `import_path: raytide.services.app:build` in a Serve config."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from raytide.autoscaling.live.brain import Brain
from raytide.autoscaling.live.follow import BRAIN
from raytide.services.engines.replica import Replica
from raytide.services.settings import RevisionSettings, VariantSettings


def build(args: dict[str, Any]) -> Application:
    """A deployment of each variant, bound to the brain that sizes them; the gateway reaches their replicas directly."""
    settings = RevisionSettings.model_validate(args)
    names = tuple(variant.name for variant in settings.variants)
    brain = serve.deployment(Brain, name=BRAIN, ray_actor_options={"num_cpus": 0}).bind(
        settings.service, names, settings.revision
    )
    first, *others = settings.variants
    beside = [_deployment(variant).bind(variant.name, variant.engine.model_dump(), brain) for variant in others]
    return _deployment(first).bind(first.name, first.engine.model_dump(), brain, *beside)


def _deployment(variant: VariantSettings) -> Any:
    return serve.deployment(Replica, name=variant.name, **_placement(variant))


def _placement(variant: VariantSettings) -> dict[str, Any]:
    """What a replica reserves, and on which nodes.

    On one node it is the actor that holds everything. On several it is a placement group of one accelerator to a
    bundle, as vLLM's Ray executor wants it (vllm 0.29, `initialize_ray_cluster`), packed onto as few nodes as possible.
    """
    options: dict[str, Any] = {"num_cpus": variant.num_cpus, "runtime_env": {"env_vars": variant.env}}
    if variant.memory_bytes is not None:
        options["memory"] = variant.memory_bytes
    if variant.num_nodes > 1:
        own = {key: value for key, value in (("CPU", variant.num_cpus), ("memory", variant.memory_bytes)) if value}
        bundles = [{**own, "GPU": 1}, *({"GPU": 1} for _ in range(variant.num_gpus - 1))]
        placed: dict[str, Any] = {"placement_group_bundles": bundles, "placement_group_strategy": "PACK"}
        if variant.label_selector:
            placed["placement_group_bundle_label_selector"] = [variant.label_selector] * len(bundles)
        return {"ray_actor_options": options, **placed}
    options["num_gpus"] = variant.num_gpus
    if variant.label_selector:
        options["label_selector"] = variant.label_selector
    return {"ray_actor_options": options}
