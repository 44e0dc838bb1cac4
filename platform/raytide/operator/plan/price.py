"""What one replica costs for an hour, as declared or from the prices of the declared pools."""

from __future__ import annotations

from raytide.core.spec.cluster import Cluster, Pool
from raytide.core.spec.service import Hardware


def replica_usd_per_hour(hardware: Hardware, cluster: Cluster | None) -> float | None:
    """Its own price, else the cheapest pool's for the share of its nodes that a replica takes; None where none fits."""
    if hardware.price is not None:
        return hardware.price
    pools = cluster.spec.pools if cluster else ()
    prices = (_share(hardware, pool) * pool.price for pool in pools if _fits(hardware, pool))
    return min((price * hardware.pipeline_parallel for price in prices), default=None)


def _fits(hardware: Hardware, pool: Pool) -> bool:
    return (
        pool.accelerator == hardware.accelerator
        and hardware.market in (None, pool.market)
        and _share(hardware, pool) <= 1
    )


def _share(hardware: Hardware, pool: Pool) -> float:
    """The part of a node that a stage of a replica takes: of its accelerators or of its CPUs, of which it takes more.

    What it leaves of the other nobody can use: its dominant share (Ghodsi et al., NSDI 2011).
    """
    of_cpus = hardware.cpus / pool.cpus_per_node
    return max(hardware.tensor_parallel / pool.gpus_per_node, of_cpus) if pool.gpus_per_node else of_cpus
