"""What one replica bears: the work per second at which one of its limits is reached."""

from __future__ import annotations

from typing import Final

from raytide.autoscaling.forecast.work import Work
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective

_LEAST: Final = 0.02
"""Even a TPOT that cannot be met is served: with as many replicas as the bounds allow. The batch and the KV cache are
no wishes: they may allow less, where most of an answer's time is the base, which is no work."""
_KV_FILLED: Final = 0.95


def bearable_work(engine: Engine, work: Work, own_s: float, objective: Objective) -> float:
    """Work per second of one replica, `own_s` of it a request: the smallest of what TPOT, KV cache and batch allow.

    An iteration at utilisation u takes base/(1-u), so the TPOT bound is reached at 1 - base/bound. A batch of
    n = rate × output × TPOT sequences holds n × (prompt + output/2) tokens: both limits solve for the rate in closed
    form.
    """
    base_s = engine.iteration.base_s
    by_tpot = max(_LEAST, 1.0 - base_s / objective.tpot_s)
    room_tokens = _KV_FILLED * engine.kv_capacity_tokens
    by_kv = room_tokens * own_s / (work.kv_token_steps * base_s + room_tokens * own_s)
    by_batch = engine.max_num_seqs * own_s / (work.output_tokens * base_s + engine.max_num_seqs * own_s)
    return min(by_tpot, by_kv, by_batch)
