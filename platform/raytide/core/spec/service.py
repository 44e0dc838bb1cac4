"""`kind: Service`: what a client calls: a model, the hardware it may use, and what it must achieve at what cost."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from raytide.core.spec.access import Access, Feedback
from raytide.core.spec.base import AboveZero, Document, Name, OwnedMetadata, Strict
from raytide.core.spec.cluster import Accelerator, Market
from raytide.core.spec.rollout import Rollout
from raytide.core.units import Bytes, Count, Fraction, Seconds, UsdPerHour


class Model(Strict):
    """Which model is served."""

    source: str = Field(
        pattern=r"^(registry:[\w.-]+@[\w.-]+|hf://[\w.-]+/[\w.-]+|[^:]+)$",
        examples=["registry:chat@production", "hf://org/name", "models/chat"],
    )
    """`registry:NAME@ALIAS_OR_VERSION`, `hf://org/name`, or a folder with a Hugging Face model."""
    adapters: dict[Name, str] = Field(default_factory=dict)
    """LoRA adapters of the model by the name that clients give as `model`; sources as that of the model."""


_SECRET: Final = re.compile(r"(^|_)(token|password|secret|api_?key)$")


def _without_secrets(args: dict[str, Any]) -> dict[str, Any]:
    if named := [name for name, value in args.items() if _SECRET.search(name) and isinstance(value, str)]:
        # They would stand in Serve's configuration, which the dashboard shows, and in the history of changes.
        raise ValueError(f"no {' nor '.join(named)}: a secret is given by the cluster's environment, as HF_TOKEN")
    return args


class Engine(Strict):
    """The program that runs the model, with its own arguments passed through."""

    kind: Literal["vllm", "emulated"] = "vllm"
    """`emulated` answers at the speed of the hardware's `performance` and computes nothing: for rehearsals without
    accelerators."""
    args: Annotated[dict[str, Any], AfterValidator(_without_secrets)] = Field(default_factory=dict)
    """vLLM engine arguments with underscores, as `max_model_len: 4096`; an emulated engine takes its limits here,
    and `fail_every: 3` makes every third request fail, to rehearse what becomes of a bad revision."""

    @model_validator(mode="after")
    def _emulates(self) -> Self:
        """What vLLM alone reads is let be, so that a file can be rehearsed as it is."""
        limits = [self.args[name] for name in _LIMITS if name in self.args]
        if self.kind == "emulated" and not all(type(limit) is int and limit > 0 for limit in limits):
            raise ValueError(f"whole numbers above zero for {', '.join(_LIMITS)} of an emulated engine")
        return self


_LIMITS: Final = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "fail_every")


class IterationTime(Strict):
    """What one iteration of the engine takes, term by term."""

    base: Annotated[Seconds, AboveZero]
    """An iteration with nothing in it: mostly the weights' way through memory."""
    per_sequence: Seconds = 0.0
    """Added by each sequence that decodes."""
    per_root_sequence: Seconds = 0.0
    """Added times the square root of the number of sequences: the curvature of expert routing."""
    per_kv_token: Seconds = 0.0
    """Added by each token that the sequences hold in the KV cache, as `79ns` or `7.9e-5ms`."""
    per_prefill_token: Annotated[Seconds, AboveZero]
    """Added by each prompt token that the iteration computes."""


class Performance(Strict):
    """What one replica can do, where it is known before one has run."""

    iteration: IterationTime
    kv_capacity_tokens: Annotated[Count, AboveZero]
    """Tokens of KV cache that fit beside the weights, over all accelerators of a replica."""


class Hardware(Strict):
    """One way to run a replica."""

    accelerator: Accelerator
    tensor_parallel: int = Field(default=1, ge=1)
    """Accelerators of one node that a replica spans."""
    pipeline_parallel: int = Field(default=1, ge=1)
    """Such groups that a replica spans, on as many nodes as it takes."""
    cpus: float = Field(default=1.0, gt=0)
    """CPUs that Ray reserves for a replica."""
    memory: Bytes | None = None
    """Memory that Ray reserves for a replica; not reserved where unset."""
    market: Market | None = None
    """Only nodes of this market, where set."""
    price: UsdPerHour | None = None
    """What one replica costs for an hour; where unset, its share of the cheapest declared pool that fits."""
    cold_start: Seconds | None = None
    """From the decision for a replica to its first request, where it is known before one has started."""
    max_replicas: int | None = Field(default=None, ge=1)
    """Most replicas on this hardware, as a quota allows; only `scaling.max_replicas` bounds them where unset."""
    performance: Performance | None = None
    """For `raytide simulate` and `whatif`, and for the choice between variants that have not run yet; a running replica
    measures itself."""

    @property
    def num_gpus(self) -> int:
        """Accelerators of one replica; none on a CPU."""
        return 0 if self.accelerator == "CPU" else self.tensor_parallel * self.pipeline_parallel


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
    """The share of requests that must keep both bounds, of the highest quantiles that are set."""


class Budget(Strict):
    """A limit that capacity never crosses."""

    max_usd_per_hour: float = Field(gt=0)


class TrafficClass(Strict):
    """Requests that are let in or turned away together."""

    name: Name
    priority: int = Field(ge=0)
    """Where the bounds allow too little for all, the highest number is served first."""
    value: float = Field(default=1.0, gt=0)
    """Of a request; decides between classes of one priority."""


class Traffic(Strict):
    """Who calls: where the bounds allow too little for all, the lowest priority is turned away first. Without it all
    requests are of one class, of which none is.
    """

    classes: tuple[TrafficClass, ...] = Field(min_length=1)
    """A key names its own (`raytide keys create --class`); a request without one counts as the lowest priority."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({one.name for one in self.classes}) < len(self.classes):
            raise ValueError("classes that differ in name")
        return self


class Scaling(Strict):
    """Bounds of the number of replicas, and how the autoscaler watches."""

    min_replicas: int = Field(default=1, ge=0)
    """0 lets an idle service stop; the first request wakes it, and waits for that."""
    max_replicas: int = Field(default=1, ge=1)
    interval: Annotated[Seconds, AboveZero] = 5.0
    """Time between two decisions."""
    scale_down_after: Seconds = 60.0
    """A replica is let go once it was not worth having for this long, and for one and a half cold starts."""
    stale_after: Seconds = 15.0
    """Age at which a measurement counts as missing."""
    shadow: bool = False
    """Decisions are recorded, shown and explained, and none is carried out: the service keeps the size that it has."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas of at least min_replicas ({self.min_replicas})")
        if self.shadow and not self.min_replicas:
            raise ValueError("min_replicas of at least 1 where shadow is on: nobody would wake it")
        return self


class ServiceSpec(Strict):
    """The model, its engine and hardware, and its objectives."""

    modality: Literal["text"] = "text"
    model: Model
    engine: Engine = Engine()
    route: str = Field(default="/", pattern=r"^/[\w/-]*$")
    """Where the gateway answers for this service alone: `<route>/v1/...`. At `/` the `model` of a request decides."""
    hardware: tuple[Hardware, ...] = Field(min_length=1)
    """Alternatives, one variant each, which the autoscaler mixes; the first one is what a new service starts on."""
    objectives: Objectives
    budget: Budget | None = None
    traffic: Traffic | None = None
    scaling: Scaling = Scaling()
    access: Access = Access()
    feedback: Feedback | None = None
    """Where unset, no answer is kept."""
    rollout: Rollout | None = None
    """Where unset, a new revision replaces the replicas one after the other."""

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        variants = {(way.accelerator, way.tensor_parallel, way.pipeline_parallel, way.market) for way in self.hardware}
        if len(variants) < len(self.hardware):
            raise ValueError(
                "hardware entries that differ in accelerator, tensor_parallel, pipeline_parallel or market"
            )
        return self

    @model_validator(mode="after")
    def _quotas_hold_the_minimum(self) -> Self:
        quota = sum(way.max_replicas or self.scaling.min_replicas for way in self.hardware)
        if quota < self.scaling.min_replicas:
            raise ValueError(f"hardware with max_replicas of at least {self.scaling.min_replicas} together")
        return self


class Service(Document):
    """A model behind OpenAI routes, kept at the cheapest size that meets its objectives."""

    kind: Literal["Service"]
    metadata: OwnedMetadata
    spec: ServiceSpec
