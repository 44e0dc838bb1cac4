"""What a run learns, and how far the model is from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch

from raytide.jobs.train.batches import Indices
from raytide.jobs.train.dataset import Dataset, Samples


class Loss(NamedTuple):
    """How a model does on some samples: sums over their targets, each divided by the same number."""

    mean: torch.Tensor
    """What is learnt: it has a gradient."""
    beside: Mapping[str, torch.Tensor]
    """What is only reported, by its name in the metrics."""


class Objective(Protocol):
    """Samples, and what is asked of a model on them."""

    @property
    def samples(self) -> Samples:
        """All that it is asked on."""

    def on(self, indices: Indices) -> Self:
        """The same of some of the samples."""

    def loss(self, replica: torch.nn.Module, device: torch.device, targets: float) -> Loss:
        """The loss of the samples in one pass, as a share of a mean over `targets`."""


@dataclass(frozen=True, slots=True)
class NextToken:
    """Cross-entropy of the tokens that count, each given those before it, in nats per token."""

    samples: Dataset

    def on(self, indices: Indices) -> Self:
        """The same of some of the rows."""
        return type(self)(self.samples.rows(indices))

    def loss(self, replica: torch.nn.Module, device: torch.device, targets: float) -> Loss:
        """The model's own loss."""
        tokens, labels = on_device(self.samples, device)
        output = replica(input_ids=tokens, labels=labels, num_items_in_batch=targets, use_cache=False)
        return Loss(output.loss, {})


def on_device(rows: Dataset, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """`(tokens, labels)`, each [N, L]."""
    tokens, labels = (torch.from_numpy(each).long().to(device) for each in (rows.tokens, rows.labels))
    return tokens, labels
