"""`kind: Job`: one step from a corpus to a model that may be served: preprocess, train or evaluate.

A relative folder is below the storage folder (`raytide.core.home`), so a file works wherever it is submitted.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import Document, Name, Strict
from raytide.core.spec.cluster import Accelerator
from raytide.core.units import Bytes, Fraction, UsdPerHour


class Corpus(Strict):
    """The files that text comes from."""

    source: str = "stdlib"
    """`stdlib` (the sources of Python's standard library), a folder, or an fsspec URL such as `s3://bucket/text`."""
    include: tuple[str, ...] = ()
    """Globs below the source; where empty, `**/*.py` for stdlib and `**/*` otherwise."""
    max_bytes: Bytes | None = None
    """Files are taken in order of their path until this size is reached; all of them where unset."""

    @property
    def globs(self) -> tuple[str, ...]:
        """The globs that apply."""
        return self.include or (("**/*.py",) if self.source == "stdlib" else ("**/*",))


class Tokenizer(Strict):
    """The byte-level BPE vocabulary that is learned from the corpus."""

    vocab_size: int = Field(default=4096, ge=512)
    """256 bytes, the special tokens, and merges."""
    sample: Bytes = 8_000_000
    """How much training text the merges are learned from."""


class PreprocessSpec(Strict):
    """Documents to token sequences: clean, deduplicate, split, tokenize, pack."""

    task: Literal["preprocess"]
    corpus: Corpus = Corpus()
    output: str
    """The folder to write; it appears only when it is complete."""
    tokenizer: Tokenizer = Tokenizer()
    sequence_length: int = Field(default=256, ge=16)
    """Tokens in a packed sequence."""
    held_out: Fraction = 0.05
    """Share of the documents that training never sees, chosen by the hash of their content."""
    shards: int = Field(default=4, ge=1)
    """Parquet files of the training split; the held-out split is one file."""
    seed: int = Field(default=0, ge=0)
    """Salt of the hash that chooses held-out documents and orders the shards."""


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


class TrainSpec(Strict):
    """Data-parallel training of a model from scratch, resumable at its last checkpoint."""

    task: Literal["train"]
    data: str
    """The output folder of a preprocess job."""
    output: str
    """The folder of the run: checkpoints, metrics and, at the end, `export/`."""
    model: ModelShape = ModelShape()
    workers: int = Field(default=2, ge=1)
    accelerator: Accelerator = "CPU"
    """CPU trains with gloo in float32; anything else with NCCL in bfloat16, one accelerator per worker."""
    cpus_per_worker: int = Field(default=1, ge=1)
    """CPUs that Ray reserves for a worker, and threads that a worker computes with."""
    steps: int = Field(ge=1)
    batch_size_per_worker: int = Field(default=8, ge=1)
    """Sequences per worker and step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """The highest rate, reached at the end of warm-up; a cosine then falls to a tenth of it."""
    warmup_steps: int = Field(default=20, ge=0)
    weight_decay: float = Field(default=0.1, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between checkpoints."""
    keep_checkpoints: int = Field(default=2, ge=1)
    max_failures: int = Field(default=2, ge=0)
    """How many lost workers a run survives, each time from its latest checkpoint."""
    seed: int = Field(default=0, ge=0)
    price: UsdPerHour | None = None
    """What one worker costs for an hour; the run's cost is stated where this is set."""


class Registration(Strict):
    """Where a model that passes is registered."""

    name: Name
    alias: Name = "candidate"
    """The alias that moves to a version that passes."""


class Gate(Strict):
    """What a model must achieve to be registered."""

    improvement: float = Field(default=4.0, ge=1)
    """The untrained model's perplexity must be at least this many times as high."""
    max_regression: Fraction = 0.02
    """How many more bits per byte than the production version are tolerated, as a share of its bits per byte."""


class EvaluateSpec(Strict):
    """Held-out quality of a trained model against the untrained and the production one."""

    task: Literal["evaluate"]
    data: str
    """The output folder of a preprocess job."""
    model: str
    """The `export` folder of a train job."""
    registry: Registration
    gate: Gate = Gate()
    report: str
    """The JSON file to write."""
    max_held_out: Bytes | None = None
    """Held-out text that is scored, in order of the documents; the same text for every model. All where unset."""
    accelerator: Accelerator = "CPU"
    """What scoring runs on; anything but CPU takes one accelerator per model."""


class Job(Document):
    """One submitted step; `spec.task` says which."""

    kind: Literal["Job"]
    spec: Annotated[PreprocessSpec | TrainSpec | EvaluateSpec, Field(discriminator="task")]
