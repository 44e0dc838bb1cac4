"""The learning rate of each step: linear warm-up, then a cosine to a tenth of the peak."""

from __future__ import annotations

import math
from typing import Final

# Hoffmann et al. 2022 (arXiv:2203.15556), section B: a cosine over exactly the run's length, ending at a tenth.
_FLOOR: Final = 0.1


def learning_rate(step: int, *, peak: float, warmup_steps: int, steps: int) -> float:
    """The rate of `step`, counted from 0; the last warm-up step has the peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (_FLOOR + (1 - _FLOOR) * cosine)
