"""What all workers know of a batch: one message a step, after which each of them decides alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Gradient, Pass


class Agreed(NamedTuple):
    """The same values on each worker."""

    loss: float
    """Mean over the targets of the batch."""
    norm: float
    beside: Mapping[str, float]
    """Means over the same targets of what the objective measures beside the loss."""
    checksum: int
    """Of the sequences that the workers took."""
    failed: bool
    """The first worker cannot write."""
    look: bool
    """It is time to ask whether a node is taken back."""


def agree(group: Group, gradient: Gradient, passes: Sequence[Pass], *, failed: bool, look: bool) -> Agreed:
    """What this worker found and what it wants, joined with the others'."""
    # Exact as float64 up to 2 million sequences.
    taken = sum(each.asked.samples.checksum for each in passes if each.counts)
    shares = [gradient.loss, gradient.norm / group.size, float(taken), float(failed), float(look)]
    loss, norm, checksum, any_failed, any_look, *beside = group.sum([*shares, *gradient.beside.values()])
    measured = dict(zip(gradient.beside, beside, strict=True))
    return Agreed(loss, norm, measured, int(checksum), any_failed > 0, any_look > 0)
