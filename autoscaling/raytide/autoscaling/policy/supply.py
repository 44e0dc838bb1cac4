"""What each variant brings to a decision: its engine as best known, and how much work one replica of it bears."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from raytide.autoscaling.forecast.work import request_work_s
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation, VariantView
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


def supplies_of(observation: Observation, terms: Terms, known: Knowledge) -> tuple[Supply, ...] | Missing:
    """Every variant with an engine that is known, in the order of the observation; missing where none is."""
    found: list[Supply] = []
    why = "the service runs no variant"
    for view in observation.variants:
        variant = terms.variant(view.name)
        engine = engine_of(variant, view, known)
        if isinstance(engine, Missing):
            why = f"nothing is known of the engine of {view.name}: {engine.reason}"
            continue
        first = found[0].engine if found else engine
        found.append(_supply(variant, view, engine, first, terms, known))
    return tuple(found) if found else Missing(reason=why)


def engine_of(variant: Variant, view: VariantView, known: Knowledge) -> Engine | Missing:
    """What the replicas measured of themselves, else what is declared; calibrated by what they reported since."""
    base = variant.engine if isinstance(view.engine, Missing) else view.engine
    calibration = known.calibrations.get(variant.name)
    if isinstance(base, Missing) or calibration is None or calibration.num_samples < _LEAST_SAMPLES:
        return base
    return replace(base, iteration=calibration.iteration)


def _supply(
    variant: Variant, view: VariantView, engine: Engine, first: Engine, terms: Terms, known: Knowledge
) -> Supply:
    own = bearable_work(engine, known.work, terms.objective)
    return Supply(
        variant=variant,
        view=view,
        engine=engine,
        bears=own * request_work_s(known.work, first) / request_work_s(known.work, engine),
        cold_start_s=known.cold_starts_s.get(variant.name, variant.cold_start_s),
    )
