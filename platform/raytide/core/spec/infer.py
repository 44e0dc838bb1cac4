"""`task: infer`: a model's answers to all prompts of a data set, with no service in between."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from raytide.core.spec.base import Strict
from raytide.core.spec.cluster import Accelerator
from raytide.core.units import UsdPerHour


class InferSpec(Strict):
    """Prompts in Parquet or JSON lines to answers in Parquet, resumable at the shard, with tokens and cost counted."""

    task: Literal["infer"]
    model: str = Field(examples=["registry:chat@production"])
    """A registered version, a run's `export` folder, or another Hugging Face folder."""
    input: str
    """A `.parquet` or `.jsonl` file, or a folder of them; a prompt a row."""
    field: str = "prompt"
    """The column or key with the prompt."""
    prompt: Literal["plain", "chat"] = "plain"
    """`chat` puts each prompt through the model's chat template, as the chat route does."""
    output: str
    """The folder to write: a Parquet file for each shard, in the order of the prompts, and `manifest.json`."""
    max_tokens: int = Field(default=256, ge=1)
    """Of an answer."""
    temperature: float = Field(default=0.0, ge=0)
    """0 takes the likeliest token each time."""
    seed: int = Field(default=0, ge=0)
    """Of sampling, with the number of the row: what a row is answered does not depend on the others."""
    rows_per_shard: int = Field(default=1000, ge=1)
    """What a killed job loses at most, for each engine."""
    engines: int = Field(default=1, ge=1)
    """vLLM engines beside each other."""
    engine: dict[str, Any] = Field(default_factory=dict, examples=[{"max_num_seqs": 64}])
    """vLLM's arguments, with underscores, as in a service's `engine.args`."""
    accelerator: Accelerator = "CPU"
    tensor_parallel: int = Field(default=1, ge=1)
    """Accelerators of one engine."""
    price: UsdPerHour | None = None
    """What one engine costs for an hour; cost per million tokens is stated where this is set."""
