"""From a declared service to the terms of its autoscaler: for the simulator, and for the brain of a live one."""

from __future__ import annotations

from typing import Any, Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.terms import Objective, Terms, TrafficClass, Variant
from raytide.core.spec.service import Hardware, Performance, Service

COLD_START_S: Final = 120.0
"""Where a service declares none: about what weights of 60 GB take from a disk on a node that is there."""
CHUNK_TOKENS: Final = 2048
MAX_NUM_SEQS: Final = 256
"""Of an engine that declares no `max_num_batched_tokens` or `max_num_seqs`."""


def terms_of(service: Service, variants: tuple[Variant, ...]) -> Terms:
    """The terms of a service that may run these variants."""
    scaling, budget = service.spec.scaling, service.spec.budget
    return Terms(
        objective=objective_of(service),
        variants=variants,
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        max_usd_per_hour=None if budget is None else budget.max_usd_per_hour,
        classes=classes_of(service),
    )


def classes_of(service: Service) -> tuple[TrafficClass, ...]:
    """The traffic classes; none where none is declared."""
    declared = service.spec.traffic.classes if service.spec.traffic else ()
    return tuple(TrafficClass(name=one.name, priority=one.priority, value=one.value) for one in declared)


def objective_of(service: Service) -> Objective:
    """The bounds of the highest quantiles that are set, and the attainment."""
    objectives = service.spec.objectives
    return Objective(
        ttft_s=objectives.ttft.tightest[1],
        tpot_s=objectives.tpot.tightest[1],
        attainment=objectives.attainment,
    )


def variant_of(hardware: Hardware, *, name: str, engine: Engine | Missing, usd_per_hour: float | Missing) -> Variant:
    """The variant that runs on this hardware entry, whose engine and price are known from elsewhere."""
    return Variant(
        name=name,
        engine=engine,
        usd_per_hour=usd_per_hour,
        cold_start_s=COLD_START_S if hardware.cold_start is None else hardware.cold_start,
        num_gpus=max(1, hardware.num_gpus),
        max_replicas=hardware.max_replicas,
        spot=hardware.market == "spot",
    )


def measured_engine(known: Performance, args: dict[str, Any]) -> Engine:
    """The engine with the performance that the file states, under these engine arguments."""
    step = known.iteration
    iteration = Iteration(
        base_s=step.base,
        per_sequence_s=step.per_sequence,
        per_root_sequence_s=step.per_root_sequence,
        per_kv_token_s=step.per_kv_token,
        per_prefill_token_s=step.per_prefill_token,
    )
    return limited_engine(iteration, known.kv_capacity_tokens, args)


def limited_engine(iteration: Iteration, kv_capacity_tokens: int, args: dict[str, Any]) -> Engine:
    """The engine with the limits that its arguments set, else vLLM's own."""
    return Engine(
        iteration=iteration,
        kv_capacity_tokens=kv_capacity_tokens,
        chunk_tokens=int(args.get("max_num_batched_tokens", CHUNK_TOKENS)),
        max_num_seqs=int(args.get("max_num_seqs", MAX_NUM_SEQS)),
    )
