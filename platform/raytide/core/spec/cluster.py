"""`kind: Cluster`: the node pools that exist or may be bought, with their prices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from raytide.core.spec.base import Document, Name, Strict
from raytide.core.spec.kubernetes import Kubernetes, Pods
from raytide.core.units import Bytes, Seconds, UsdPerHour
from raytide.core.url import has_password

Accelerator = Literal[
    "CPU", "T4", "L4", "A10G", "L40S", "A100-40G", "A100-80G", "H100", "H200", "B200", "GB200", "MI300X"
]  # fmt: skip
"""Names as Ray labels nodes (`ray.io/accelerator-type`); CPU means an engine without an accelerator."""

Market = Literal["on-demand", "spot", "reserved"]


def _without_password(url: str) -> str:
    if has_password(url):  # it would stand in Serve's configuration, which the dashboard shows
        raise ValueError("a URL without a password, which is a secret: PGPASSWORD or ~/.pgpass has it")
    return url


class Pool(Strict):
    """Nodes of one kind."""

    name: Name
    accelerator: Accelerator
    gpus_per_node: int = Field(default=0, ge=0)
    """Accelerators in a node; 0 for a CPU pool."""
    cpus_per_node: int = Field(ge=1)
    memory_per_node: Bytes
    market: Market = "on-demand"
    price: UsdPerHour
    """What one node costs for an hour, used for every cost that raytide states."""
    min_nodes: int = Field(default=0, ge=0)
    max_nodes: int = Field(ge=1)
    provisioning_time: Seconds = 0.0
    """From the request for a node to Ray running on it; 0 for machines that are always there."""
    pods: Pods = Pods()
    """Where the nodes are pods."""


class Http(Strict):
    """Where services answer; loopback unless said otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)


class Gateway(Strict):
    """Where clients reach all services; loopback unless said otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    ledger: Annotated[str, AfterValidator(_without_password)] | None = Field(
        default=None, examples=["postgresql://raytide@db.internal/raytide"]
    )
    """The database of API keys, budgets and usage; PostgreSQL where gateways run on several nodes. A SQLite file in
    the storage folder where unset."""
    replicas: int = Field(default=1, ge=1)
    """Gateways; those on one node share its port."""
    on_head: bool = False
    """Only on the head, whose address does not change while nodes come and go; wherever there is room where unset."""
    max_body: Bytes = 10_000_000
    """Larger requests are refused with 413."""
    traces: str | None = Field(
        default=None, pattern=r"^https?://[^\s/]+/\S+$", examples=["http://otel-collector.monitoring:4318/v1/traces"]
    )
    """Where each request goes as a span of OpenTelemetry, by OTLP over HTTP; `engine.args.otlp_traces_endpoint` of a
    service adds vLLM's own spans to the same traces."""


class ClusterSpec(Strict):
    """The pools, and where services answer."""

    pools: tuple[Pool, ...] = Field(min_length=1)
    http: Http = Http()
    """Ray Serve's HTTP address; fixed once Serve runs on the cluster."""
    gateway: Gateway = Gateway()
    kubernetes: Kubernetes = Kubernetes()
    """Read by `raytide manifests` alone."""


class Cluster(Document):
    """One Ray cluster: a head and its node pools."""

    kind: Literal["Cluster"]
    spec: ClusterSpec
