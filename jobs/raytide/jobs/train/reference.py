"""What the model at the beginning of a run gives the answers that it will be asked to prefer.

It is measured once, before the first step, by all workers together, and kept in the run's folder. No second model is
ever in memory, and a run that was interrupted, or goes on with fewer workers, is held to the same numbers. An adapter
that was not yet trained changes nothing, so that its reference is the model below it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from raytide.jobs.train.events import record_event
from raytide.jobs.train.group import Group
from raytide.jobs.train.pairs import Pairs
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.preference import LogProbabilities, answered

FILE: Final = "reference.npy"


def reference_of(plan: Plan, group: Group, model: Any, pairs: Pairs) -> LogProbabilities:
    """The log-probabilities of all pairs; `model` is that of the beginning, and every worker of the group asks."""
    file = plan.output / FILE
    if not group.from_first(file.exists()):
        found = _measured(plan, group, model, pairs)
        if group.rank == 0:
            _write(file, found)
            record_event(plan.output, 0, f"the reference of {len(pairs)} pairs is measured with the model as it begins")
        return found
    known: LogProbabilities = np.load(file)
    return known


def _measured(plan: Plan, group: Group, model: Any, pairs: Pairs) -> LogProbabilities:
    """Cut alike for any number of workers, each of which makes equally many passes: sharded models compute in step."""
    own = np.zeros((len(pairs), 2))
    size = plan.spec.batch_size_per_worker
    parts = [np.arange(first, min(first + size, len(pairs))) for first in range(0, len(pairs), size)]
    model.eval()
    with torch.no_grad(), torch.autocast(group.device.type, torch.bfloat16, enabled=plan.spec.multiplies_in_bf16):
        for turn in range(-(-len(parts) // group.size)):
            at = group.rank + turn * group.size
            part = parts[at % len(parts)]
            found = answered(model, pairs.some(part), group.device)
            if at < len(parts):
                own[part] = found.cpu().numpy()
    model.train()
    if isinstance(model, FSDPModule):
        model.reshard()
    return np.array(group.sum(own.reshape(-1).tolist())).reshape(-1, 2)


def _write(file: Path, found: LogProbabilities) -> None:
    partial = file.with_name(f".{file.name}")
    with partial.open("wb") as target:
        np.save(target, found)
        target.flush()
        os.fsync(target.fileno())
    partial.rename(file)
