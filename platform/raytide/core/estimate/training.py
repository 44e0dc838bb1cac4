"""What training a model takes: memory for its state, time at a share of the FLOP/s, and money."""

from __future__ import annotations

import math
from typing import Final

from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import Precision
from raytide.core.catalog.prices import Price
from raytide.core.estimate.scenario import Scenario
from raytide.core.estimate.step import Section, Step, counted, duration, prefixed

STATE_BYTES: Final = 16
"""Of one parameter: 2 + 2 for 16-bit weights and gradients, 4 + 4 + 4 for Adam's 32-bit weights, mean and variance
(Rajbhandari et al. 2020, ZeRO)."""
_STATE_SHARE: Final = 0.8
"""Of the memory; activations take the rest, recomputed in the backward pass where they do not fit."""


def training_section(model: ModelShape, scenario: Scenario, train_tokens: float) -> Section:
    """State, accelerators, FLOPs, time and cost of one pass over the tokens.

    Raises:
        CatalogError: The accelerators do not hold the state; the sentence says how many do.
    """
    state_bytes = model.parameters * STATE_BYTES
    gpu = scenario.accelerator
    fewest = math.ceil(state_bytes / (gpu.memory_bytes * _STATE_SHARE))
    gpus = scenario.num_gpus or fewest
    if gpus < fewest:
        raise CatalogError(
            f"{gpus} x {gpu.name} do not hold the {prefixed(state_bytes)}B of weights, gradients and Adam's state of "
            f"{model.name}; the fewest are {fewest}"
        )
    used = model.active_parameters if model.experts else model.parameters
    which = "active parameters" if model.experts else "parameters"
    flops = 6 * used * train_tokens
    precision, per_gpu = gpu.flops_for(_multiplied_in(scenario.precision))
    seconds = flops / (gpus * per_gpu * scenario.mfu)
    steps = (
        Step(
            label="training state",
            formula=f"{counted(model.parameters)} parameters × {STATE_BYTES} bytes (weights 2, gradients 2, Adam 12)",
            value=state_bytes,
            unit="bytes",
        ),
        Step(
            label="fewest for the state",
            formula=f"{prefixed(state_bytes)}B / ({prefixed(gpu.memory_bytes)}B × {_STATE_SHARE:.0%}), rounded up",
            value=fewest,
            unit="accelerators",
        ),
        Step(
            label="work",
            formula=f"6 × {counted(used)} {which} × {counted(train_tokens)} tokens",
            value=flops,
            unit="FLOP",
        ),
        Step(
            label="training time",
            formula=f"{prefixed(flops)}FLOP / ({gpus:,} {gpu.name} × {prefixed(per_gpu)}FLOP/s {precision} × "
            f"{scenario.mfu:.0%} MFU)",
            value=seconds,
            unit="s",
        ),
        Step(
            label="accelerator hours",
            formula=f"{gpus:,} × {duration(seconds)}",
            value=gpus * seconds / 3600,
            unit="h",
        ),
    )
    return Section(title="Training", steps=(*steps, *_cost(scenario, gpus * seconds / 3600)))


def _multiplied_in(precision: Precision) -> Precision:
    """What weights of a precision are trained in: 16 bits where serving takes fewer."""
    return precision if precision in ("fp32", "tf32", "fp16") else "bf16"


def _cost(scenario: Scenario, gpu_hours: float) -> tuple[Step, ...]:
    if not isinstance(scenario.price, Price):
        return ()
    usd = gpu_hours * scenario.price.usd_per_hour
    formula = f"{gpu_hours:,.0f} h × ${scenario.price.usd_per_hour:g}/h"
    return (Step(label="training cost", formula=formula, value=usd, unit="USD"),)
