"""The options that change how a step is computed, and not what it learns."""

from __future__ import annotations

from typing import Any

import torch

from raytide.core.spec.train import TrainSpec


def prepared(model: Any, spec: TrainSpec, workers: int) -> torch.nn.Module:
    """The module to call in the place of the model: it averages gradients over the workers, or shards their state."""
    if spec.activation_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if spec.compile:
        model.compile()
    model.train()
    if workers == 1:
        return model
    return _sharded(model, spec, workers) if spec.parallelism == "fsdp2" else _replicated(model)


def _replicated(model: Any) -> torch.nn.Module:
    from ray.train.torch import prepare_model

    # The only buffers of a decoder are tables of positions, equal everywhere: sending them costs a message a pass.
    options = {"broadcast_buffers": False, "gradient_as_bucket_view": True}
    return prepare_model(model, move_to_device=False, parallel_strategy_kwargs=options)


def _sharded(model: Any, spec: TrainSpec, workers: int) -> torch.nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    bf16 = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = bf16 if spec.multiplies_in_bf16 else MixedPrecisionPolicy()
    mesh = init_device_mesh(model.device.type, (workers,))
    blocks = set(model._no_split_modules or ())  # noqa: SLF001 (where transformers names a model's layers)
    for module in model.modules():
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh, mp_policy=policy)
    return fully_shard(model, mesh=mesh, mp_policy=policy)
