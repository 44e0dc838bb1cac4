"""The learning rate of each step: a linear warm-up to the peak, and how it falls from there."""

from __future__ import annotations

import math
from typing import Final

from raytide.core.spec.train import Schedule

# Hoffmann et al. 2022 (arXiv:2203.15556), section B: a cosine over exactly the run's length, ending at a tenth.
_COSINE_FLOOR: Final = 0.1
# Hägele et al. 2024 (arXiv:2405.18392): a decay over a fifth of the run, by 1 - sqrt, does as well as the cosine.
_DECAY: Final = 0.2


def learning_rate(step: int, *, peak: float, warmup_steps: int, steps: int, schedule: Schedule) -> float:
    """The rate of `step`, counted from 0; the last warm-up step has the peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    left = _cosine(step, warmup_steps, steps) if schedule.kind == "cosine" else _stay_then_decay(step, steps, schedule)
    floor = schedule.floor if schedule.floor is not None else _COSINE_FLOOR if schedule.kind == "cosine" else 0.0
    return peak * (floor + (1 - floor) * left)


def _cosine(step: int, warmup_steps: int, steps: int) -> float:
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * progress))


def _stay_then_decay(step: int, steps: int, schedule: Schedule) -> float:
    decay_steps = max(1, round(steps * (_DECAY if schedule.decay is None else schedule.decay)))
    progress = (step - (steps - decay_steps)) / decay_steps
    return 1.0 if progress <= 0 else 1 - math.sqrt(progress)
