"""The Serve application of a service: `import_path: raytide.services.app:build` in a Serve config."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from raytide.autoscaling.live.brain import Brain
from raytide.autoscaling.live.follow import BRAIN
from raytide.services.engines.vllm.replica import VllmReplica
from raytide.services.settings import RevisionSettings


def build(args: dict[str, Any]) -> Application:
    """The variant's replicas, which answer HTTP themselves, bound to the brain that sizes them."""
    settings = RevisionSettings.model_validate(args)
    brain = serve.deployment(Brain, name=BRAIN, ray_actor_options={"num_cpus": 0}).bind(
        settings.engine.service, (settings.engine.variant,), settings.revision
    )
    replica = serve.deployment(
        serve.ingress()(VllmReplica), name=settings.engine.variant, ray_actor_options=_actor_options(settings)
    )
    return replica.bind(settings.engine.model_dump(), brain)


def _actor_options(settings: RevisionSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "num_cpus": settings.num_cpus,
        "num_gpus": settings.num_gpus,
        "runtime_env": {"env_vars": settings.env},
    }
    if settings.memory_bytes is not None:
        options["memory"] = settings.memory_bytes
    if settings.label_selector:
        options["label_selector"] = settings.label_selector
    return options
