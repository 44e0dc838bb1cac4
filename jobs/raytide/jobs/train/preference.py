"""Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290): the answer that was chosen, more often.

The reward of an answer is beta times how much likelier it became than the reference, the model at the run's
beginning, held it to be; the loss asks for a chosen answer with more reward than the rejected one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy, logsigmoid, pad

from raytide.jobs.train.batches import Indices
from raytide.jobs.train.dataset import IGNORED
from raytide.jobs.train.objective import Loss, on_device
from raytide.jobs.train.pairs import Pairs

LogProbabilities: TypeAlias = npt.NDArray[np.float64]
"""[N, 2]: of the chosen and the rejected answer of each pair, in nats, summed over the tokens of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectPreference:
    """Equation 7 of the paper; smoothed labels are those of Mitchell 2023, "A note on DPO with noisy preferences"."""

    samples: Pairs
    reference: LogProbabilities
    beta: float
    label_smoothing: float = 0.0
    """Share of the pairs that may be the wrong way round."""

    def on(self, indices: Indices) -> Self:
        """The same of some of the pairs."""
        return replace(self, samples=self.samples.some(indices), reference=self.reference[indices])

    def loss(self, replica: torch.nn.Module, device: torch.device, targets: float) -> Loss:
        """The loss in nats per pair; beside it the rewards, and how often the chosen answer has more."""
        reference = torch.from_numpy(self.reference).to(device)
        rewards = self.beta * (answered(replica, self.samples, device) - reference)
        chosen, rejected = rewards.unbind(dim=1)
        margin = chosen - rejected
        each = -(1 - self.label_smoothing) * logsigmoid(margin) - self.label_smoothing * logsigmoid(-margin)
        beside = {
            "reward_margin": margin,
            "reward_accuracy": (margin.sign() + 1) / 2,  # a tie says as little as a coin
            "chosen_reward": chosen,
        }
        return Loss(each.sum() / targets, {name: value.detach().sum() / targets for name, value in beside.items()})


def answered(replica: torch.nn.Module, pairs: Pairs, device: torch.device) -> torch.Tensor:
    """Log-probabilities [N, 2] that a model gives the answers, as in `LogProbabilities`, in one pass."""
    tokens, labels = on_device(pairs.answers, device)
    logits = replica(input_ids=tokens, use_cache=False).logits
    following = pad(labels, (0, 1), value=IGNORED)[:, 1:]
    answer = following != IGNORED
    # Of answers alone: with the prompts, often the longer part, a pass and its gradient took 1.04 GB and not 0.64 (for
    # eight rows of 200 + 56 tokens, 32,000 to choose from).
    each = cross_entropy(logits[answer].float(), following[answer], reduction="none")
    # What is learnt from are small differences of sums over hundreds of tokens, which float32 would round.
    placed = torch.zeros(following.shape, dtype=torch.float64, device=device).masked_scatter(answer, each.double())
    return -placed.sum(dim=1).view(-1, 2)
