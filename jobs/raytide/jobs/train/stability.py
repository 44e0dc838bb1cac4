"""What is done with a batch after its gradient is known, and before the weights change.

A loss that lies more than `sigma` standard deviations above the mean of those accepted before is an anomaly (the rule
of OLMo-core's SkipStepOptimizer: 6 deviations over 128 steps), and so is a loss or a gradient that is not finite. A
large gradient that is finite is none: clipping bounds what it does, and skipping it would keep the weights where the
next one is as large (seen: gradient norms ten times those before, of losses still falling, ended a run that way).
Pure: the same history gives the same answer on every worker, and again when a run is resumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from raytide.core.spec.train import Anomalies


class Action(Enum):
    """What becomes of a batch."""

    UPDATE = "update"
    SKIP = "skip"
    """The weights stay as they are; the step counts."""
    ROLL_BACK = "roll back"
    """The latest checkpoint, and on with the batches after this one."""
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the judgement depends on; saved with the run."""

    losses: tuple[float, ...] = ()
    """Of the accepted batches in the window; all finite."""
    skipped_in_a_row: int = 0
    rollbacks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do, what to remember, and why where it is no update."""

    action: Action
    history: History
    reason: str = ""


def judge(history: History, *, loss: float, norm: float, rules: Anomalies, can_roll_back: bool) -> Verdict:
    """The verdict on a batch; `norm` is that of the averaged gradient before clipping."""
    reason = _anomaly(loss, norm, history.losses, rules)
    if not reason:
        return Verdict(action=Action.UPDATE, history=_accepted(history, loss, rules))
    skipped = replace(history, skipped_in_a_row=history.skipped_in_a_row + 1)
    if skipped.skipped_in_a_row <= rules.patience:
        return Verdict(action=Action.SKIP, history=skipped, reason=reason)
    if can_roll_back and history.rollbacks < rules.rollbacks:
        back = replace(history, skipped_in_a_row=0, rollbacks=history.rollbacks + 1)
        return Verdict(action=Action.ROLL_BACK, history=back, reason=reason)
    return Verdict(action=Action.STOP, history=skipped, reason=reason)


def _accepted(history: History, loss: float, rules: Anomalies) -> History:
    return replace(history, losses=(*history.losses, loss)[-rules.window :], skipped_in_a_row=0)


def _anomaly(loss: float, norm: float, before: tuple[float, ...], rules: Anomalies) -> str:
    """Why a batch is none that training should follow; empty where it is."""
    if not math.isfinite(loss):
        return "its loss is not finite"
    if not math.isfinite(norm):
        return "its gradient is not finite"
    if len(before) < rules.window // 2:
        return ""
    mean, deviation = float(np.mean(before)), float(np.std(before))
    if loss <= mean + rules.sigma * deviation:
        return ""
    return f"its loss of {loss:.3g} is far above the {mean:.3g} ± {deviation:.2g} before it"
