"""What replicas teach: how long starts take, whether orders are served, how fast iterations are, how many are lost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.optimise.breaker import NEVER_FAILED, Breaker
from raytide.autoscaling.performance import calibrate
from raytide.autoscaling.performance.calibrate import Calibration
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.supply import Supply

_START_GAIN: Final = 0.3
_PREEMPTION_GAIN: Final = 0.02
_PRIOR_PREEMPTIONS_PER_HOUR: Final = 0.05
_MOST_CALIBRATED: Final = 4
"""Variants at one decision: each takes up to a fifth of a millisecond; all of fifty have their turn within a minute."""


def cold_starts_after(known: Knowledge, supplies: tuple[Supply, ...]) -> Mapping[str, float]:
    """Seconds from an order to a replica that serves, by variant of which a start was seen."""
    starts = dict(known.cold_starts_s)
    for supply in supplies:
        name = supply.variant.name
        for took_s in supply.view.became_ready_after_s:
            starts[name] = took_s if name not in starts else starts[name] + _START_GAIN * (took_s - starts[name])
    return starts


def breakers_after(known: Knowledge, supplies: tuple[Supply, ...], now_s: float) -> Mapping[str, Breaker]:
    """Where the orders of each variant stand."""
    breakers = dict(known.breakers)
    for supply in supplies:
        name, view = supply.variant.name, supply.view
        breakers[name] = breakers.get(name, NEVER_FAILED).seen(
            num_started=len(view.became_ready_after_s), num_failed=view.num_failed_starts, now_s=now_s
        )
    return breakers


def calibrations_after(known: Knowledge, supplies: tuple[Supply, ...]) -> Mapping[str, Calibration]:
    """The engines' iterations with one sample more of each variant that ran; the least known first where many did."""
    calibrations = dict(known.calibrations)
    num_samples = {name: calibration.num_samples for name, calibration in calibrations.items()}
    ranked = sorted(supplies, key=lambda supply: num_samples.get(supply.variant.name, 0))
    ran = ((supply, sample) for supply in ranked if not isinstance(sample := _sample(supply), Missing))
    for supply, sample in itertools.islice(ran, _MOST_CALIBRATED):
        before = calibrations.get(supply.variant.name) or calibrate.begin(supply.engine.iteration)
        calibrations[supply.variant.name] = calibrate.update(before, sample)
    return calibrations


def preemptions_after(known: Knowledge, supplies: tuple[Supply, ...], span_s: float) -> Mapping[str, float]:
    """How often one replica of each spot variant is taken away, per hour."""
    preempted = dict(known.preempted_per_hour)
    for supply in supplies:
        name, view = supply.variant.name, supply.view
        if supply.variant.spot and view.num_ready and span_s > 0:
            seen = view.num_preempted / (view.num_ready * span_s / 3600)
            rate = preempted.get(name, _PRIOR_PREEMPTIONS_PER_HOUR)
            preempted[name] = rate + _PREEMPTION_GAIN * (seen - rate)
    return preempted


def billed_after(known: Knowledge, supplies: tuple[Supply, ...], now_s: float) -> Mapping[str, tuple[float, ...]]:
    """Until when ready replicas are paid for in any case, by variant; of those whose start was not seen, nothing."""
    billed = {
        supply.variant.name: (
            *(until_s for until_s in known.billed_until_s.get(supply.variant.name, ()) if until_s > now_s),
            *(now_s - took_s + supply.variant.min_billing_s for took_s in supply.view.became_ready_after_s),
        )
        for supply in supplies
        if supply.variant.min_billing_s > 0
    }
    return {name: until_s for name, until_s in billed.items() if until_s}


def _sample(supply: Supply) -> calibrate.Sample | Missing:
    iterations = supply.view.iterations
    return iterations if isinstance(iterations, Missing) else calibrate.sample_of(iterations)
