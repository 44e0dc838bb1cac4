"""What both of AIBrix's own autoscalers share: how a recommendation becomes a target.

Source: vllm-project/aibrix at e3e10f9, pkg/controller/podautoscaler/{podautoscaler_controller,context/context}.go.
An increase is made at once (cooldown 0 s); a decrease waits for 300 s; at least one replica stays.

Kinder than the source: there a decrease takes the least recommendation of the last 300 s, so that it falls at once to
the lowest value of five minutes; the cooldown that its comment and its documentation describe is the greatest.
"""

from __future__ import annotations

from typing import Final

from raytide.autoscaling.simulate.baselines.hpa import Behaviour, Pace, Scaling, paced

RESYNC_S: Final = 10.0
STABLE_WINDOW_S: Final = 180.0
PANIC_WINDOW_S: Final = 60.0
MAX_SCALE_RATE: Final = 2.0
TOLERANCE: Final = 0.1


def cooled(
    present: int, recommended: int, scale_down_after_s: float, state: Scaling, now_s: float
) -> tuple[int, Scaling]:
    """The target after the cooldown, and what to remember."""
    up = Pace(pods=recommended, share=1.0, period_s=RESYNC_S, stabilisation_s=0.0)
    down = Pace(pods=0, share=1.0, period_s=RESYNC_S, stabilisation_s=scale_down_after_s)
    return paced(present, max(1, recommended), Behaviour(up=up, down=down), state, now_s)
