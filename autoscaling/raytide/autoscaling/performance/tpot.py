"""The share of requests that decode fast enough: short answers see bursts that long ones average out.

A request's mean TPOT follows the utilisation over its own residence. Prompts of that window interrupt it directly; the
sequences that it shares its iterations with arrived over one residence more, so their number varies less. Where even
an iteration with a full chunk keeps the bound, prompts cannot break it.
"""

from __future__ import annotations

import math
from typing import Final

from raytide.autoscaling.performance.load import Load
from raytide.autoscaling.performance.queueing import below, lengths
from raytide.autoscaling.performance.steady import decode_work_s, prefill_work_s

SHORTEST: Final = 0.2
"""Short answers as a share of the mean: 5 % are below 0.19 and 0.22 of it in the Azure 2023 services, where
the log-normal distribution of the same moments has shorter ones yet."""


def share_decoding_within(load: Load, bound_s: float) -> float:
    """The share of requests whose mean TPOT keeps the bound."""
    margin = _highest_utilisation(load, bound_s) - load.batch.utilisation
    shortest = SHORTEST * load.workload.output_tokens
    outputs = lengths(load.workload.output_tokens, load.workload.output_variation)
    return math.fsum(
        weight * below(margin, _deviation(load, bound_s, max(tokens, shortest))) for tokens, weight in outputs
    )


def _highest_utilisation(load: Load, bound_s: float) -> float:
    """The utilisation at which an iteration takes the whole bound; below zero where no load is light enough."""
    sequences = load.workload.requests_per_s / load.replicas * load.workload.output_tokens * bound_s
    own_s = load.engine.iteration.base_s + load.engine.iteration.per_root_sequence_s * math.sqrt(sequences)
    return 1.0 - own_s / bound_s


def _deviation(load: Load, bound_s: float, output_tokens: float) -> float:
    """Standard deviation of the utilisation that a request with this many output tokens sees at the bound."""
    workload = load.workload
    residence_s = output_tokens * bound_s
    crowd_s = residence_s + workload.output_tokens * bound_s
    decode = decode_work_s(load.engine, workload) ** 2 * (load.dispersion + workload.output_variation) / crowd_s
    prefill = prefill_work_s(load.engine, workload) ** 2 * (load.dispersion + workload.prompt_variation) / residence_s
    harmless = load.full_iteration_s <= bound_s
    return math.sqrt(workload.requests_per_s * (decode + (0.0 if harmless else prefill))) / load.replicas
