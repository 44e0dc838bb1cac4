"""`kind: Service`: what a client calls: a model, the hardware it may use, and what it must achieve at what cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from raytide.core.spec.base import Document, Strict
from raytide.core.spec.cluster import Accelerator, Market
from raytide.core.units import Bytes, Fraction, Seconds


class Model(Strict):
    """Which model is served."""

    source: str = Field(
        pattern=r"^(registry:[\w.-]+@[\w.-]+|hf://[\w.-]+/[\w.-]+|[^:]+)$",
        examples=["registry:chat@production", "hf://org/name", "models/chat"],
    )
    """`registry:NAME@ALIAS_OR_VERSION`, `hf://org/name`, or a folder with a Hugging Face model."""


class Engine(Strict):
    """The program that runs the model, with its own arguments passed through."""

    kind: Literal["vllm"] = "vllm"
    args: dict[str, Any] = Field(default_factory=dict)
    """vLLM engine arguments with underscores, as `max_model_len: 4096`."""


class Hardware(Strict):
    """One way to run a replica."""

    accelerator: Accelerator
    tensor_parallel: int = Field(default=1, ge=1)
    """Accelerators that one replica spans."""
    cpus: float = Field(default=1.0, gt=0)
    """CPUs that Ray reserves for a replica."""
    memory: Bytes | None = None
    """Memory that Ray reserves for a replica; not reserved where unset."""
    market: Market | None = None
    """Only nodes of this market, where set."""


class Quantiles(Strict):
    """Upper bounds of a latency at quantiles; at least one."""

    p50: Seconds | None = None
    p90: Seconds | None = None
    p95: Seconds | None = None
    p99: Seconds | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if all(bound is None for bound in (self.p50, self.p90, self.p95, self.p99)):
            raise ValueError("at least one of p50, p90, p95, p99, as {p95: 500ms}")
        return self

    @property
    def tightest(self) -> tuple[float, float]:
        """`(quantile, bound_s)` of the highest quantile that is set."""
        bounds = {0.99: self.p99, 0.95: self.p95, 0.9: self.p90, 0.5: self.p50}
        return next((q, bound) for q, bound in bounds.items() if bound is not None)


class Objectives(Strict):
    """What users must experience."""

    ttft: Quantiles
    """Time from a request's arrival to its first token."""
    tpot: Quantiles
    """Time per output token after the first, averaged over a request."""
    attainment: Fraction = 0.99
    """The share of time in which both must hold."""


class Budget(Strict):
    """A limit that capacity never crosses."""

    max_usd_per_hour: float = Field(gt=0)


def _above_zero(value: float) -> float:
    if value <= 0:  # the policy divides by them
        raise ValueError("a value above zero")
    return value


class Scaling(Strict):
    """Bounds of the number of replicas, and how the autoscaler watches."""

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=1, ge=1)
    interval: Annotated[Seconds, AfterValidator(_above_zero)] = 2.0
    """Time between two decisions."""
    window: Annotated[Seconds, AfterValidator(_above_zero)] = 20.0
    """How far back demand is averaged: long enough to count requests, short against a replica's start."""
    utilisation: Annotated[Fraction, AfterValidator(_above_zero)] = 0.7
    """Share of the measured capacity that demand may fill; the rest absorbs bursts within a window."""
    scale_down_after: Seconds = 120.0
    """Demand must allow fewer replicas for this long before one is stopped."""
    stale_after: Seconds = 15.0
    """Age at which a measurement counts as missing."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas of at least min_replicas ({self.min_replicas})")
        return self


class ServiceSpec(Strict):
    """The model, its engine and hardware, and its objectives."""

    modality: Literal["text"] = "text"
    model: Model
    engine: Engine = Engine()
    route: str = Field(default="/", pattern=r"^/[\w/-]*$")
    """Where Serve's HTTP port answers for this service: `<route>/v1/...`; unique on a cluster."""
    hardware: tuple[Hardware, ...] = Field(min_length=1, max_length=1)
    """Alternatives, one variant each; this version runs exactly one."""
    objectives: Objectives
    budget: Budget | None = None
    scaling: Scaling = Scaling()


class Service(Document):
    """A model behind OpenAI routes, kept at the cheapest size that meets its objectives."""

    kind: Literal["Service"]
    spec: ServiceSpec
