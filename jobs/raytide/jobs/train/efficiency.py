"""How much of the hardware a run uses: model FLOP/s over peak FLOP/s, and memory."""

from __future__ import annotations

import resource
from typing import Any

import torch

from raytide.core.catalog.accelerators import known_accelerators
from raytide.core.spec.train import TrainSpec


def flops_per_token(model: Any, sequence_length: int) -> float:
    """Of forward and backward pass, without what is recomputed (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).

    2 forward and 2 backward for each weight that is multiplied with, 2 more where it is trained, and attention.
    """
    config = model.config
    every, trained = _multiplied(model, trained=False), _multiplied(model, trained=True)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 12 * config.num_hidden_layers * config.num_attention_heads * head_dim * sequence_length
    return float(4 * every + 2 * trained + attention)


def peak_flops_per_s(spec: TrainSpec) -> float | None:
    """Of one worker's accelerator in the precision of the run; None where the catalog does not know it."""
    known = known_accelerators().get(spec.accelerator)
    if known is None:
        return None
    return known.flops_for("bf16" if spec.multiplies_in_bf16 else "fp32")[1]


def memory_bytes(device: torch.device) -> int:
    """The most that this worker has held so far."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _multiplied(model: Any, *, trained: bool) -> int:
    """Weights in matrix products: an embedding is looked up, and counts where it also is the output."""
    output = model.get_output_embeddings()
    inputs = model.get_input_embeddings()
    tied = output is not None and output.weight is inputs.weight
    parameters = [p for p in model.parameters() if p.requires_grad or not trained]
    return sum(int(p.numel()) for p in parameters if p.dim() > 1 and (tied or p is not inputs.weight))
