"""The memory of a replica, line by line."""

from __future__ import annotations

import math

from raytide.core.catalog.memory import (
    MEMORY_UTILIZATION,
    ReplicaMemory,
    replica_memory,
    require_fit,
    smallest_tensor_parallel,
    working_bytes,
)
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import bytes_per_value
from raytide.core.estimate.scenario import Scenario
from raytide.core.estimate.step import Section, Step, counted, prefixed


def replica_size(model: ModelShape, scenario: Scenario) -> int:
    """Accelerators of one replica: as given, or the smallest group that holds the model and one request.

    Raises:
        CatalogError: The model does not fit.
    """
    gpu, precision, kv = scenario.accelerator, scenario.precision, scenario.kv_precision
    smallest = smallest_tensor_parallel(model, gpu, precision, kv, scenario.context_tokens)
    size = scenario.tensor_parallel or smallest or 1
    require_fit(model, gpu, size, precision, kv, scenario.context_tokens)
    return size


def memory_section(model: ModelShape, scenario: Scenario, size: int) -> Section:
    """What the weights, a request and the cache take, and how many requests fit."""
    memory = replica_memory(model, scenario.accelerator, size, scenario.precision, scenario.kv_precision)
    steps = (*_weights(model, scenario), *_cache(model, scenario), *_replica(model, scenario, size, memory))
    return Section(title="Memory", steps=steps)


def _weights(model: ModelShape, scenario: Scenario) -> tuple[Step, ...]:
    weights, gpu = model.weights_bytes(scenario.precision), scenario.accelerator
    per_value = bytes_per_value(scenario.precision)
    return (
        Step(
            label="weights",
            formula=f"{counted(model.parameters)} parameters × {per_value:g} bytes ({scenario.precision})",
            value=weights,
            unit="bytes",
        ),
        Step(
            label="for the weights alone",
            formula=f"{prefixed(weights)}B / {prefixed(gpu.memory_bytes)}B of {gpu.name}, rounded up",
            value=math.ceil(weights / gpu.memory_bytes),
            unit="accelerators",
        ),
    )


def _cache(model: ModelShape, scenario: Scenario) -> tuple[Step, ...]:
    per_token = model.kv_bytes_per_token(scenario.kv_precision)
    per_value = bytes_per_value(scenario.kv_precision)
    return (
        Step(
            label="KV cache of a token",
            formula=f"{_kv_values(model)} × {model.kv_layers} layers × {per_value:g} bytes",
            value=per_token,
            unit="bytes",
        ),
        Step(
            label="KV cache of a request",
            formula=f"({scenario.prompt_tokens:,} prompt + {scenario.output_tokens:,} output) × {per_token:,.0f} B",
            value=scenario.context_tokens * per_token,
            unit="bytes",
        ),
    )


def _kv_values(model: ModelShape) -> str:
    if model.is_latent:
        return f"{model.kv_values_per_layer} latent values"
    return f"2 (key, value) × {model.kv_heads} heads × {model.head_dim}"


def _replica(model: ModelShape, scenario: Scenario, size: int, memory: ReplicaMemory) -> tuple[Step, ...]:
    gpu = scenario.accelerator
    why = (
        "as given"
        if scenario.tensor_parallel
        else "smallest power of two that holds weights, working memory, a request"
    )
    usable = f"{size} × {prefixed(gpu.memory_bytes)}B × {MEMORY_UTILIZATION:.0%}"
    kept = f"{prefixed(memory.weights_bytes)}B weights − {size} × {prefixed(working_bytes(model))}B working memory"
    return (
        Step(label="one replica", formula=f"tensor parallel: {why}", value=size, unit="accelerators"),
        Step(label="left for KV cache", formula=f"{usable} − {kept}", value=memory.kv_bytes, unit="bytes"),
        Step(
            label="KV cache of a replica",
            formula=f"{prefixed(memory.kv_bytes)}B / {memory.kv_bytes_per_token:,.0f} B"
            + (" (with its copies)" if size > model.kv_shards(size) else ""),
            value=memory.kv_capacity_tokens,
            unit="tokens",
        ),
        Step(
            label="requests at once",
            formula=f"{memory.kv_capacity_tokens:,} tokens / {scenario.context_tokens:,} a request",
            value=memory.kv_capacity_tokens // scenario.context_tokens,
            unit="requests",
        ),
    )
