"""What fits into the memory of a replica: weights, working memory, and the KV cache that the rest holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import Precision

MEMORY_UTILIZATION: Final = 0.9
"""The share of memory that an engine takes (vLLM's `gpu_memory_utilization`)."""

_RUNTIME_BYTES: Final = 1.5e9
"""CUDA context, captured graphs and communication buffers of one accelerator."""
_BATCHED_TOKENS: Final = 8192
_WORKING_VALUES: Final = 28
"""16-bit numbers of working memory for each hidden unit of each batched token. Together with the two above it makes
Qwen3-32B in bf16 on 2 x H100 hold 270,000 tokens, which is where its measured engine starts to queue: 64 requests of
4,096 + 128 tokens (270,336 at their ends) have a TTFT of 1.4 s, 64 of 4,096 + 512 (294,912) one of 2.1 s."""

TENSOR_PARALLEL_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Sizes of a tensor-parallel group that are looked at: powers of two, because they divide the heads of every model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaMemory:
    """The memory of one replica, over all its accelerators."""

    usable_bytes: float
    """What the engine takes of the accelerators' memory."""
    weights_bytes: float
    working_bytes: float
    """Activations, captured graphs and buffers."""
    kv_bytes_per_token: float
    """With the copies that accelerators hold of what cannot be split among them."""

    @property
    def kv_bytes(self) -> float:
        """Bytes that are left for the KV cache; negative where the weights do not fit."""
        return self.usable_bytes - self.weights_bytes - self.working_bytes

    @property
    def kv_capacity_tokens(self) -> int:
        """Tokens of context that the replica holds at once; 0 where the weights do not fit."""
        return max(0, int(self.kv_bytes / self.kv_bytes_per_token))


def replica_memory(
    model: ModelShape,
    accelerator: Accelerator,
    tensor_parallel: int,
    precision: Precision,
    kv_precision: Precision = "bf16",
) -> ReplicaMemory:
    """How the memory of a replica is spent; weights that do not fit leave a negative KV cache."""
    copies = tensor_parallel / model.kv_shards(tensor_parallel)
    return ReplicaMemory(
        usable_bytes=accelerator.memory_bytes * MEMORY_UTILIZATION * tensor_parallel,
        weights_bytes=model.weights_bytes(precision),
        working_bytes=working_bytes(model) * tensor_parallel,
        kv_bytes_per_token=model.kv_bytes_per_token(kv_precision) * copies,
    )


def working_bytes(model: ModelShape) -> float:
    """Bytes of one accelerator that hold neither weights nor KV cache."""
    return _RUNTIME_BYTES + _BATCHED_TOKENS * model.hidden * _WORKING_VALUES * 2


def smallest_tensor_parallel(
    model: ModelShape,
    accelerator: Accelerator,
    precision: Precision,
    kv_precision: Precision = "bf16",
    context_tokens: int = 1,
) -> int | None:
    """The smallest group that holds the weights and one request of `context_tokens`; None where none up to 64 does."""
    for size in TENSOR_PARALLEL_SIZES:
        memory = replica_memory(model, accelerator, size, precision, kv_precision)
        if memory.kv_capacity_tokens >= context_tokens:
            return size
    return None


def require_fit(
    model: ModelShape,
    accelerator: Accelerator,
    tensor_parallel: int,
    precision: Precision,
    kv_precision: Precision = "bf16",
    context_tokens: int = 1,
) -> ReplicaMemory:
    """How the memory of a replica is spent, where the model fits into it.

    Raises:
        CatalogError: It does not; the sentence names the nearest `tensor_parallel` that does.
    """
    memory = replica_memory(model, accelerator, tensor_parallel, precision, kv_precision)
    if memory.kv_capacity_tokens >= context_tokens:
        return memory
    needed = memory.weights_bytes + memory.working_bytes + context_tokens * memory.kv_bytes_per_token
    size = smallest_tensor_parallel(model, accelerator, precision, kv_precision, context_tokens)
    nearest = f"the nearest tensor_parallel that fits is {size}" if size else "no tensor_parallel up to 64 fits it"
    raise CatalogError(
        f"{model.name} in {precision} does not fit on {tensor_parallel} x {accelerator.name}: weights, working "
        f"memory and a context of {context_tokens:,} tokens take {needed / 1e9:.1f} GB, and {MEMORY_UTILIZATION:.0%} "
        f"of the memory is {memory.usable_bytes / 1e9:.1f} GB; {nearest}"
    )
