"""What the app builder is told: the part of a service that makes a revision. The knobs that change in place (limits,
prices, bounds) travel as `user_config` and `autoscaling_config` instead, so that they never restart a replica.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineSettings(BaseModel):
    """One variant's engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["vllm", "emulated"] = "vllm"
    service: str
    """The model name that clients use."""
    model_path: str
    """A folder that every node reads, or a Hugging Face id."""
    args: dict[str, Any] = Field(default_factory=dict)
    """vLLM engine arguments."""
    adapters: dict[str, str] = Field(default_factory=dict)
    """Folders of LoRA adapters by the model name that clients use."""
    speed: dict[str, Any] | None = None
    """What an emulated engine is as fast as: `raytide.autoscaling.performance.engine.Engine` as plain data."""


class VariantSettings(BaseModel):
    """One variant: its engine, and what a replica of it reserves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Of the Serve deployment."""
    engine: EngineSettings
    num_gpus: int = 0
    num_nodes: int = 1
    """Most nodes that a replica may span; its accelerators are reserved one by one where it is more than one."""
    num_cpus: float = 1.0
    memory_bytes: int | None = None
    label_selector: dict[str, str] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)


class RevisionSettings(BaseModel):
    """Arguments of the application: changing any of them restarts the replicas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str
    """Hash of everything below and of the resolved model."""
    model_version: str
    """What the status shows: `chat v3`, or the path."""
    service: str
    """What clients give as `model`."""
    variants: tuple[VariantSettings, ...] = Field(min_length=1)
