"""Whether what services and jobs ask for exists in a pool, and fits a node of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raytide.core.errors import Finding
from raytide.core.spec import Service
from raytide.core.spec.cluster import Pool
from raytide.core.spec.evaluate import EvaluateSpec
from raytide.core.spec.expect import one_of
from raytide.core.spec.infer import InferSpec
from raytide.core.spec.job import JobSpec
from raytide.core.spec.service import Hardware
from raytide.core.spec.train import TrainSpec
from raytide.core.units import format_bytes
from raytide.manifests.platform import Declared, Platform
from raytide.manifests.traced import Origin


def fit(platform: Platform) -> Iterator[Finding]:
    """What no node of the platform can run."""
    for service in platform.services:
        for index, hardware in enumerate(service.document.spec.hardware):
            yield from _hardware(hardware, platform.pools, service.at("spec", "hardware", index))
        yield from _minimum(service, platform.pools)
    for spec, at in _jobs(platform):
        yield from _job(spec, at, platform.pools)


def _jobs(platform: Platform) -> Iterator[tuple[JobSpec, Origin]]:
    for job in platform.jobs:
        yield job.document.spec, job.at("spec")
    for pipeline in platform.pipelines:
        for index, step in enumerate(pipeline.document.spec.steps):
            if step.spec is not None:
                yield step.spec, pipeline.at("spec", "steps", index, "spec")


def _hardware(hardware: Hardware, pools: tuple[Pool, ...], at: Origin) -> Iterator[Finding]:
    priceless = "" if hardware.price is not None else "; so its price is unknown, too"
    found = [pool for pool in pools if pool.accelerator == hardware.accelerator]
    if not found:
        expected = one_of(dict.fromkeys(pool.accelerator for pool in pools))
        problem = f"no pool has this accelerator{priceless}"
        yield at.below("accelerator").finding(problem, got=hardware.accelerator, expected=expected)
        return
    offered = [pool for pool in found if hardware.market in (None, pool.market)]
    if not offered:
        expected = one_of(dict.fromkeys(pool.market for pool in found))
        problem = f"no pool with {hardware.accelerator} is of this market{priceless}"
        yield at.below("market").finding(problem, got=str(hardware.market), expected=expected)
        return
    yield from _replica(hardware, offered, at)


def _replica(hardware: Hardware, pools: list[Pool], at: Origin) -> Iterator[Finding]:
    """What of a replica is larger than the largest node; where each fits one, whether all of it fits the same."""
    gpus = 0 if hardware.accelerator == "CPU" else hardware.tensor_parallel
    memory = hardware.memory or 0
    asked: list[tuple[str, float, Callable[[Pool], float], Callable[[float], str]]] = [
        ("tensor_parallel", gpus, lambda pool: pool.gpus_per_node, lambda most: f"at most {most:g} in a node"),
        ("cpus", hardware.cpus, lambda pool: pool.cpus_per_node, lambda most: f"at most {most:g} in a node"),
        ("memory", memory, lambda pool: pool.memory_per_node, lambda most: f"at most {format_bytes(most)} in a node"),
    ]
    is_too_large = False
    for key, size, of, says in asked:
        most = max(of(pool) for pool in pools)
        if size > most:
            is_too_large = True
            got = format_bytes(size) if key == "memory" else f"{size:g}"
            yield at.below(key).finding("larger than a node", got=got, expected=says(most))
    if not is_too_large and not any(all(size <= of(pool) for _, size, of, _ in asked) for pool in pools):
        names = one_of(pool.name for pool in pools)
        yield at.finding(
            "a replica fits no node as a whole", expected=f"accelerators, cpus and memory of one of {names}"
        )


def _minimum(service: Declared[Service], pools: tuple[Pool, ...]) -> Iterator[Finding]:
    spec = service.document.spec
    most = sum(min(_replicas(way, pools), way.max_replicas or 10**9) for way in spec.hardware)
    if 0 < most < spec.scaling.min_replicas:
        origin = service.at("spec", "scaling", "min_replicas")
        got, expected = str(spec.scaling.min_replicas), f"at most {most}, which is what all nodes of the pools hold"
        yield origin.finding("more replicas than there are nodes for", got=got, expected=expected)


def _replicas(hardware: Hardware, pools: tuple[Pool, ...]) -> int:
    """Most replicas at once, if nothing else ran."""
    fitting = [
        pool for pool in pools if pool.accelerator == hardware.accelerator and hardware.market in (None, pool.market)
    ]
    return sum(_in_node(hardware, pool) * pool.max_nodes for pool in fitting) // hardware.pipeline_parallel


def _in_node(hardware: Hardware, pool: Pool) -> int:
    cpus = int(pool.cpus_per_node // hardware.cpus)
    return cpus if hardware.accelerator == "CPU" else min(cpus, pool.gpus_per_node // hardware.tensor_parallel)


def _job(spec: JobSpec, at: Origin, pools: tuple[Pool, ...]) -> Iterator[Finding]:
    if not isinstance(spec, (TrainSpec, EvaluateSpec, InferSpec)):
        return
    found = [pool for pool in pools if pool.accelerator == spec.accelerator]
    if not found:
        expected = one_of(dict.fromkeys(pool.accelerator for pool in pools))
        origin = at.below("accelerator")
        yield origin.finding("no pool has this accelerator", got=spec.accelerator, expected=expected)
    elif isinstance(spec, TrainSpec):
        yield from _workers(spec, found, at)


def _workers(spec: TrainSpec, pools: list[Pool], at: Origin) -> Iterator[Finding]:
    most_cpus = max(pool.cpus_per_node for pool in pools)
    if spec.cpus_per_worker > most_cpus:
        origin, got = at.below("cpus_per_worker"), str(spec.cpus_per_worker)
        yield origin.finding("larger than a node", got=got, expected=f"at most {most_cpus} in a node")
        return
    room = sum(_workers_in(spec, pool) * pool.max_nodes for pool in pools)
    fewest = _fewest(spec)
    if fewest > room:
        origin = at.below("workers")
        yield origin.finding("more workers than there are nodes for", got=str(fewest), expected=f"at most {room}")


def _workers_in(spec: TrainSpec, pool: Pool) -> int:
    cpus = pool.cpus_per_node // spec.cpus_per_worker
    return cpus if spec.accelerator == "CPU" else min(cpus, pool.gpus_per_node)


def _fewest(spec: TrainSpec) -> int:
    """Workers without which it does not run."""
    return spec.min_workers or spec.workers
