"""A model, its optimizer, and how one batch changes both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from raytide.core.spec.job import TrainSpec

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

    from raytide.jobs.train.dataset import Sequences


class Step(NamedTuple):
    """What a step measured."""

    loss: torch.Tensor
    """This worker's, on its device."""
    gradient_norm: float
    """Of the gradient averaged over the workers, before clipping: the same number on each of them."""


class Learner:
    """One worker's replica of the model, on the device where the model is.

    `replica` is the model, or a wrapper of it that averages the gradients of all workers in each step.
    """

    def __init__(self, model: LlamaForCausalLM, replica: torch.nn.Module, spec: TrainSpec) -> None:
        self.model, self._replica = model, replica
        self._optimizer = torch.optim.AdamW(_groups(self.model, spec.weight_decay), betas=(0.9, 0.95))
        self._clip = spec.gradient_clip

    def learn(self, batch: Sequences, rate: float) -> Step:
        """Takes one optimizer step on this worker's batch."""
        device = self.model.device
        tokens = torch.from_numpy(batch).long().to(device)
        # Weights and optimizer stay in float32; bfloat16 needs no loss scaling.
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu"):
            loss = self._replica(input_ids=tokens, labels=tokens).loss
        self._optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return Step(loss.detach(), norm.item())

    def state(self) -> dict[str, Any]:
        """Everything that a resumed learner needs to go on as if nothing had happened."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])


def _groups(model: LlamaForCausalLM, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; the scales of the norms do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
