"""What each variant brings to a decision: its engine as best known, and how much work one replica of it bears."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from raytide.autoscaling.forecast.work import request_work_s
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges, Observation, VariantView
from raytide.autoscaling.performance.calibrate import Calibration
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy.bearing import bearable_work
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.terms import Terms, Variant

_LEAST_SAMPLES: Final = 30
"""Aggregated iteration samples before a calibrated engine replaces the declared one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Supply:
    """One variant at a decision: what is declared, what is seen, and what a replica of it bears."""

    variant: Variant
    view: VariantView
    engine: Engine
    bears: float
    """Work per second of one replica, in the units of the first variant."""
    cold_start_s: float
    """As measured, else as declared."""
    fills: float = 0.0
    """Replicas of it that what runs fills, by its batch or its KV cache, whatever the model says of its work."""
    waiting_work_s: float = 0.0
    """Of the prompts that wait, or are not prefilled yet."""


def supplies_of(observation: Observation, terms: Terms, known: Knowledge) -> tuple[Supply, ...] | Missing:
    """Every variant with an engine that is known, in the order of the observation; missing where none is."""
    found: list[Supply] = []
    first_work_s = 0.0
    why, variants = "the service runs no variant", {variant.name: variant for variant in terms.variants}
    for view in observation.variants:
        variant = variants[view.name]
        engine = engine_of(variant, view, known)
        if isinstance(engine, Missing):
            why = f"nothing is known of the engine of {view.name}: {engine.reason}"
            continue
        work_s = request_work_s(known.work, engine)
        first_work_s = first_work_s or work_s
        bears = bearable_work(engine, known.work, work_s, terms.objective) * first_work_s / work_s
        found.append(_supply(variant, view, engine, bears, known))
    return tuple(found) if found else Missing(reason=why)


def engine_of(variant: Variant, view: VariantView, known: Knowledge) -> Engine | Missing:
    """What the replicas measured of themselves, else what is declared; calibrated by what they reported since."""
    base = variant.engine if isinstance(view.engine, Missing) else view.engine
    calibration = known.calibrations.get(variant.name)
    if isinstance(base, Missing) or calibration is None or calibration.num_samples < _LEAST_SAMPLES:
        return base
    return _calibrated(base, calibration)


@lru_cache(maxsize=512)
def _calibrated(base: Engine, calibration: Calibration) -> Engine:
    """Remembered, because few calibrations move between two decisions."""
    return Engine(
        iteration=calibration.iteration,
        kv_capacity_tokens=base.kv_capacity_tokens,
        chunk_tokens=base.chunk_tokens,
        max_num_seqs=base.max_num_seqs,
    )


def _supply(variant: Variant, view: VariantView, engine: Engine, bears: float, known: Knowledge) -> Supply:
    fills, waiting_work_s = (0.0, 0.0) if isinstance(view.gauges, Missing) else _in_flight(view.gauges, engine)
    return Supply(
        variant=variant,
        view=view,
        engine=engine,
        bears=bears,
        cold_start_s=known.cold_starts_s.get(variant.name, variant.cold_start_s),
        fills=fills,
        waiting_work_s=waiting_work_s,
    )


def _in_flight(gauges: Gauges, engine: Engine) -> tuple[float, float]:
    """What runs in replicas, and what waits in seconds of work; of a few numbers Python's sum is the fast one."""
    running, kv_tokens = sum(gauges.running.tolist()), sum(gauges.kv_tokens.tolist())
    waiting_tokens = float(sum(gauges.waiting_prompt_tokens.tolist()))
    filled = max(running / engine.max_num_seqs, kv_tokens / engine.kv_capacity_tokens)
    return filled, engine.iteration.per_prefill_token_s * waiting_tokens
