"""How Ray Serve turns what a policy wants into a target: only after it was wanted for long enough.

Source: ray-project/ray 2.60, python/ray/serve/autoscaling_policy.py. With r running replicas and n wanted at present:

    wanted = ⌈r + factor·(desired − r)⌉
    up     once wanted > n without a break for 30 s
    down   once wanted < n without a break for 600 s; to 0 only from 1
    r = 0: max(⌈factor⌉, n) as soon as there are requests
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.observation import VariantView

_CLOSE_S: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Since when another number has been wanted without a break."""

    upwards: bool
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long a change must be wanted, and how much of it is made."""

    up_s: float = 30.0
    down_s: float = 600.0
    up_factor: float = 1.0
    down_factor: float = 1.0

    def from_zero(self, view: VariantView, num_requests: float) -> int | None:
        """The target where no replica runs and requests do; None elsewhere."""
        if view.num_ready or not num_requests:
            return None
        return max(math.ceil(self.up_factor), view.target)

    def apply(self, view: VariantView, desired: float, since: Since | None, now_s: float) -> tuple[int, Since | None]:
        """The target, and since when the wanted number differs from it."""
        wanted = self._factored(view.num_ready, desired)
        if not view.num_ready and wanted > 0:
            return wanted, since
        if wanted == view.target:
            return view.target, None
        upwards = wanted > view.target
        began = since if since is not None and since.upwards == upwards else Since(upwards=upwards, at_s=now_s)
        if now_s - began.at_s + _CLOSE_S < (self.up_s if upwards else self.down_s):
            return view.target, began
        return (wanted if upwards or view.target == 1 else max(1, wanted)), None

    def _factored(self, running: int, desired: float) -> int:
        if not running:
            return math.ceil(desired)
        factor = self.up_factor if desired > running else self.down_factor
        scaled = math.ceil(running + factor * (desired - running))
        stuck = math.ceil(desired) < running and scaled == running
        return max(0, scaled - stuck)
