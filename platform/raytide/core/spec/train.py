"""`task: train`: token sequences to a model, conversations to a fine-tuned one, or preferences to a preferred one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import Strict
from raytide.core.spec.cluster import Accelerator
from raytide.core.units import Fraction, Seconds, UsdPerHour


class ModelShape(Strict):
    """The sizes of a Llama decoder."""

    hidden_size: int = Field(default=128, ge=16)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    kv_heads: int = Field(default=2, ge=1)
    """Key-value heads; fewer than `heads` is grouped-query attention."""
    intermediate_size: int = Field(default=384, ge=16)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(f"a hidden_size that is a multiple of twice the heads ({2 * self.heads})")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads that divide heads ({self.heads})")
        return self


class Examples(Strict):
    """Conversations to fine-tune on; the loss is on what the assistant says."""

    file: str
    """JSON lines: `{"messages": [{"role": …, "content": …}, …]}`, or `{"prompt": …, "answer": …}` for one question."""
    max_tokens: int = Field(default=1024, ge=8)
    """Longer examples, and those longer than the model can see at once, are left out and counted."""


class Preferences(Strict):
    """Pairs of answers, of which one was preferred: direct preference optimisation (Rafailov et al. 2023,
    arXiv:2305.18290). Its reference is the model that the run starts with.
    """

    file: str
    """JSON lines, or the folder of `raytide feedback export`: `{"messages": [{"role": …, "content": …}, …]}` of a chat
    up to the answer, or `{"prompt": …}` of a completion, and beside it `"chosen"` and `"rejected"`."""
    max_tokens: int = Field(default=1024, ge=8)
    """A pair with an answer that is longer, its prompt counted, or longer than the model can see at once, is left out
    and counted."""
    beta: float = Field(default=0.1, gt=0)
    """How much the model is held to the reference: the lower, the further it may go from it."""
    label_smoothing: Fraction = 0.0
    """Share of the pairs that are held to be the wrong way round; below 50%."""

    @model_validator(mode="after")
    def _more_right_than_wrong(self) -> Self:
        if self.label_smoothing >= 0.5:
            raise ValueError("label_smoothing below 50%, where a preference would say nothing")
        return self


class Lora(Strict):
    """Low-rank adapters in place of the weights themselves (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int = Field(default=8, ge=1)
    """vLLM serves ranks up to its `max_lora_rank`, which is 16 unless the service's engine arguments say otherwise."""
    alpha: int = Field(default=16, ge=1)
    """The adapter counts alpha / rank times."""
    dropout: Fraction = 0.0
    target_modules: tuple[str, ...] = ()
    """Names of layers such as q_proj; where empty, every linear layer but the output."""


class Schedule(Strict):
    """How the learning rate goes from its peak, after a linear warm-up, to the end of the run."""

    kind: Literal["cosine", "wsd"] = "cosine"
    """`wsd`: warm up, stay, decay; it stays at the peak until the decay."""
    floor: Fraction | None = None
    """What is left of the peak at the end: 10% of it for cosine and nothing for wsd where unset."""
    decay: Fraction | None = None
    """wsd only: share of the run's steps in which the rate falls; 20% where unset."""

    @model_validator(mode="after")
    def _decay_of_wsd(self) -> Self:
        if self.decay is not None and self.kind != "wsd":
            raise ValueError("decay only with kind: wsd")
        return self


class Anomalies(Strict):
    """What is done about losses far above those before, and about losses and gradients that are not finite.

    Such a batch is skipped. After `patience` of them in a row the run goes back to its latest checkpoint, and on with
    the batches after them. After `rollbacks` it stops.
    """

    sigma: float = Field(default=6.0, gt=0)
    """How many standard deviations above the mean of the window a loss may be."""
    window: int = Field(default=128, ge=4)
    """Batches that mean and deviation are taken over; the judgement of spikes starts when half of them were seen."""
    patience: int = Field(default=10, ge=1)
    rollbacks: int = Field(default=2, ge=0)


class TrainSpec(Strict):
    """Training of a model from scratch or from another one, resumable at its last checkpoint."""

    task: Literal["train"]
    data: str | None = None
    """The output folder of a preprocess job; or `examples`, or `preferences`."""
    examples: Examples | None = None
    preferences: Preferences | None = None
    output: str
    """The folder of the run: checkpoints, metrics and, at the end, `export/`."""
    model: ModelShape | None = None
    """The sizes of a new model; those of `ModelShape` where neither this nor `start` is set."""
    start: str | None = Field(default=None, examples=["runs/chat/export", "registry:chat@production"])
    """The model to go on from: a run's `export` folder, another Hugging Face folder, or a registered version."""
    lora: Lora | None = None
    """Trains an adapter of `start`; `export/` then holds it alone, for a service's `model.adapters`."""
    workers: int = Field(default=2, ge=1)
    min_workers: int | None = Field(default=None, ge=1)
    """The run starts with this many where no more are free, and goes on with them where workers are lost; a step
    trains on the same sequences whatever their number. Unset: `workers`."""
    grow_every: Seconds = 60.0
    """How often a run with fewer than `workers` looks whether more fit; growing goes back to the latest checkpoint."""
    accelerator: Accelerator = "CPU"
    """CPU trains with gloo; anything else with NCCL, one accelerator per worker."""
    cpus_per_worker: int = Field(default=1, ge=1)
    """CPUs that Ray reserves for a worker, and threads that a worker computes with."""
    steps: int = Field(ge=1)
    batch_size_per_worker: int = Field(default=8, ge=1)
    """Sequences, or pairs of answers, per worker in one forward pass."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes per worker and step, where all `workers` run."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """The highest rate, reached at the end of warm-up."""
    warmup_steps: int = Field(default=20, ge=0)
    schedule: Schedule = Schedule()
    weight_decay: float = Field(default=0.1, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    anomalies: Anomalies = Anomalies()
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """What matrices are multiplied in; weights and optimizer stay in float32. auto: bf16, and fp32 on the CPU."""
    parallelism: Literal["ddp", "fsdp2"] = "ddp"
    """`fsdp2` shards weights, gradients and optimizer over the workers; every node must still hold the whole in memory
    while it loads and saves."""
    activation_checkpointing: bool = False
    """Recomputes the activations of each layer in the backward pass instead of keeping them."""
    compile: bool = False
    """torch.compile: a minute or more at the start for faster steps."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between checkpoints; they are written beside the training."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """The earliest is removed when a new one is complete."""
    max_failures: int = Field(default=2, ge=0)
    """How many lost workers a run survives, each time from its latest checkpoint; announced losses do not count."""
    seed: int = Field(default=0, ge=0)
    price: UsdPerHour | None = None
    """What one worker costs for an hour; the run's cost is stated where this is set."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.data, self.examples, self.preferences)) != 1:
            raise ValueError("either data or examples or preferences")
        if self.start is None and (self.examples or self.preferences or self.lora):
            raise ValueError("start, the model that is fine-tuned")
        if self.start is not None and self.model is not None:
            raise ValueError("either model, for a new one, or start")
        if self.min_workers is not None and self.min_workers > self.workers:
            raise ValueError(f"min_workers of at most workers ({self.workers})")
        return self

    @property
    def micro_batches(self) -> int:
        """Forward passes in a step, over all workers."""
        return self.workers * self.gradient_accumulation

    @property
    def multiplies_in_bf16(self) -> bool:
        """Whether matrices are multiplied in bfloat16."""
        return self.precision == "bf16" or (self.precision == "auto" and self.accelerator != "CPU")
