"""What an iteration takes where nobody measured it: bytes over bandwidth, arithmetic over FLOP/s, and fixed overheads.

An iteration reads the weights once and the KV cache of every sequence, and multiplies every token with the active
weights; each ideal time is stretched by a factor. The factors and overheads in `CALIBRATED` make this prior meet
measured engines; `benchmarks/estimate_vs_silicon.py` fits them and prints what they get wrong. Not for engines that
guess several tokens ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.columns import ROOFLINE, EngineColumn
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import Precision, bytes_per_value

_EXPERT_BATCH: Final = 64
"""The batch at which the share of experts that it touches is exact; below and above, √n stands for the curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What reality adds to the ideal times: factors of at least one, and seconds."""

    weights: float
    """Reading dense weights, over bytes / bandwidth."""
    experts: float
    """Reading the experts that a batch touches, over bytes / bandwidth."""
    kv_cache: float
    """Reading the KV cache, over bytes / bandwidth."""
    compute: float
    """Multiplying, over FLOPs / (FLOP/s)."""
    interconnect: float
    """Summing activations over a tensor-parallel group, over bytes / bandwidth."""
    layer_s: float
    """Launching the kernels of one layer."""
    all_reduce_s: float
    """Waiting for the other accelerators of a group, for one layer."""
    sequence_s: float
    """Scheduling and sampling one sequence."""


CALIBRATED: Final = Costs(
    weights=1.1,
    experts=1.45,
    kv_cache=1.1,
    compute=1.2,
    interconnect=2.35,
    layer_s=47e-6,
    all_reduce_s=27e-6,
    sequence_s=20e-6,
)
"""From `python benchmarks/estimate_vs_silicon.py --fit` on 1,371 measured points of six models.

The kernels of five dense models on one H100, with no engine around them, say 1.13 for weights, 1.10 for the cache,
40 µs a layer and 4 µs a sequence (`benchmarks/roofline_vs_gpu.py`): the rest of the last two is the engine's own. They
say 1.66 for `compute` in chunks beyond 1024 tokens, attention included; but small chunks hide behind reading the
weights, which a sum of terms cannot say, and 1.2 is what both make together in measured TPOTs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownError:
    """How far the roofline is from measured engines, as fractions of what was measured."""

    tpot_median: float
    tpot_mean: float
    tpot_unseen: float
    """Mean for the points of a model that was left out of the calibration."""
    tpot_latent: float
    """Mean for models with a latent cache, none of which were in the calibration."""
    ttft_mean: float
    num_points: int
    command: str
    """What measures it again."""


KNOWN_ERROR: Final = KnownError(
    tpot_median=0.10,
    tpot_mean=0.16,
    tpot_unseen=0.19,
    tpot_latent=0.33,
    ttft_mean=0.37,
    num_points=1371,
    command="python benchmarks/estimate_vs_silicon.py --fit silicon_reference.csv",
)


def roofline(
    model: ModelShape,
    accelerator: Accelerator,
    tensor_parallel: int,
    precision: Precision,
    costs: Costs = CALIBRATED,
) -> EngineColumn:
    """The column of an engine that nobody measured, with 16-bit KV cache.

    Raises:
        CatalogError: The accelerator does not compute the precision.
    """
    return EngineColumn(
        model=model.name,
        accelerator=accelerator.name,
        precision=precision,
        tensor_parallel=tensor_parallel,
        engine=ROOFLINE,
        base_s=_base_s(model, accelerator, tensor_parallel, precision, costs),
        per_sequence_s=costs.sequence_s,
        per_root_sequence_s=_experts_s(model, accelerator, tensor_parallel, precision, costs),
        per_kv_token_s=_kv_token_s(model, accelerator, tensor_parallel, costs),
        per_prefill_token_s=_prefill_token_s(model, accelerator, tensor_parallel, precision, costs),
        loo_error=KNOWN_ERROR.tpot_unseen,
        source=f"roofline of {accelerator.source} and {model.source}",
    )


def _base_s(model: ModelShape, gpu: Accelerator, tensor_parallel: int, precision: Precision, costs: Costs) -> float:
    """Reading the dense weights, and what every layer takes whatever the batch."""
    dense_bytes = (model.parameters - model.expert_parameters) * bytes_per_value(precision)
    read_s = dense_bytes / (gpu.memory_bandwidth_bytes_per_s * tensor_parallel)
    layer_s = costs.layer_s + (costs.all_reduce_s if tensor_parallel > 1 else 0.0)
    return costs.weights * read_s + layer_s * model.layers


def _experts_s(model: ModelShape, gpu: Accelerator, tensor_parallel: int, precision: Precision, costs: Costs) -> float:
    """Reading the experts that one more √n of sequences touches; n tokens touch 1 − (1 − k/E)ⁿ of E experts."""
    if not model.experts:
        return 0.0
    read_s = model.expert_parameters * bytes_per_value(precision) / (gpu.memory_bandwidth_bytes_per_s * tensor_parallel)
    touched = 1 - (1 - model.experts_per_token / model.experts) ** _EXPERT_BATCH
    return costs.experts * read_s * touched / math.sqrt(_EXPERT_BATCH)


def _kv_token_s(model: ModelShape, gpu: Accelerator, tensor_parallel: int, costs: Costs) -> float:
    """Reading one token of the KV cache, each accelerator its part."""
    part_bytes = model.kv_bytes_per_token() / model.kv_shards(tensor_parallel)
    return costs.kv_cache * part_bytes / gpu.memory_bandwidth_bytes_per_s


def _prefill_token_s(
    model: ModelShape, gpu: Accelerator, tensor_parallel: int, precision: Precision, costs: Costs
) -> float:
    """Multiplying one prompt token with the active weights, and summing its activations over the group."""
    _, flops_per_s = gpu.flops_for(precision)
    multiply_s = 2 * model.active_parameters / (flops_per_s * tensor_parallel)
    # Two all-reduces a layer of 16-bit activations; a ring moves 2·(tp − 1)/tp of them, one direction at a time.
    moved_bytes = 2 * model.layers * model.hidden * 2 * 2 * (tensor_parallel - 1) / tensor_parallel
    move_s = moved_bytes / (gpu.interconnect_bytes_per_s / 2)
    return costs.compute * multiply_s + costs.interconnect * move_s
