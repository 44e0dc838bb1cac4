"""A model, its optimizer, and how one batch changes both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from raytide.core.spec.train import TrainSpec
from raytide.jobs.train.objective import Loss, Objective


class Pass(NamedTuple):
    """What goes through the model at once."""

    asked: Objective
    seed: int
    """Of what is random in the pass."""
    counts: bool
    """False where another worker's pass is only kept company."""


class Gradient(NamedTuple):
    """What a batch asks of the weights."""

    loss: float
    """This worker's share of the mean over all targets of the batch: the shares of all workers add up to it."""
    norm: float
    """Of the gradient of the whole batch, before clipping: the same number on each worker."""
    beside: Mapping[str, float]
    """Shares, as that of the loss, of what the objective measures beside it."""


class Learner:
    """One worker's replica of the model, on the device where the model is.

    `replica` is the model, or a wrapper of it that averages the gradients of all workers in each step.
    """

    def __init__(self, model: Any, replica: torch.nn.Module, spec: TrainSpec) -> None:
        self.model, self._replica = model, replica
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        fused = model.device.type != "cpu"
        self._optimizer = torch.optim.AdamW(_groups(self._trained, spec.weight_decay), betas=(0.9, 0.95), fused=fused)
        self._clip, self._bf16 = spec.gradient_clip, spec.multiplies_in_bf16

    def gradient(self, passes: Sequence[Pass], *, targets: int, workers: int) -> Gradient:
        """Computes and clips the gradient of a batch of `targets`, of which this worker has its `passes`."""
        loss, beside = torch.zeros((), device=self.model.device), dict[str, torch.Tensor]()
        for number, each in enumerate(passes, 1):
            with self._synchronised(number == len(passes)):
                found = self._loss(each, targets / workers)
                found.mean.backward()
            loss += found.mean.detach() / workers
            for name, mean in found.beside.items():
                beside[name] = beside.get(name, 0.0) + mean / workers
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self._clip)
        measured = {name: float(mean.item()) for name, mean in beside.items()}
        return Gradient(float(loss.item()), float(_whole(norm).item()), measured)

    def update(self, rate: float) -> None:
        """Takes the optimizer step that the gradient asks for."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()

    def discard(self) -> None:
        """Forgets the gradient; weights and optimizer stay as they are."""
        self._optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        """Everything trained that a resumed learner needs, copied to the CPU; every worker calls, the first one gets.

        What is random is seeded by its place in the run, so there is no generator to save.
        """
        model, optimizer = get_state_dict(self.model, self._optimizer, options=_FROM_ALL)
        # A frozen matrix that is both embedding and output has two names, of which torch leaves out one.
        named = self.model.named_parameters(remove_duplicate=False)
        frozen = {name for name, parameter in named if not parameter.requires_grad}
        trained = {name: value for name, value in model.items() if name not in frozen}
        return {"model": _copied(trained), "optimizer": _copied(optimizer)}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state."""
        set_state_dict(
            self.model,
            self._optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=StateDictOptions(full_state_dict=True, ignore_frozen_params=True, strict=False),
        )

    def weights(self) -> dict[str, Any] | None:
        """The whole of sharded weights on the first worker; None where they are whole in the model."""
        if not isinstance(self._replica, FSDPModule):
            return None
        return get_model_state_dict(  # type: ignore[no-any-return]
            self.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
        )

    def _loss(self, each: Pass, targets: float) -> Loss:
        device = self.model.device
        torch.manual_seed(each.seed)
        # Weights and optimizer stay in float32; bfloat16 needs no loss scaling.
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16):
            mean, beside = each.asked.loss(self._replica, device, targets)
        counts = float(each.counts)
        return Loss(mean * counts, {name: value * counts for name, value in beside.items()})

    def _synchronised(self, last: bool) -> AbstractContextManager[None]:
        """Gradients travel between workers once a step, after the last pass."""
        if isinstance(self._replica, FSDPModule):
            self._replica.set_requires_gradient_sync(last)
        if isinstance(self._replica, DistributedDataParallel) and not last:
            return self._replica.no_sync()  # type: ignore[no-any-return]
        return nullcontext()


_FROM_ALL = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)


def _groups(trained: list[torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; the scales of the norms do not."""
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _whole(norm: torch.Tensor) -> torch.Tensor:
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def _copied(tree: Any) -> Any:
    """The same tree with tensors of its own: weights go on changing while a checkpoint is written."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().to("cpu", copy=True)
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, (list, tuple)) else tree
