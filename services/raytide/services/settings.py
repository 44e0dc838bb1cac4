"""What the app builder is told: the part of a service that makes a revision. The knobs that change in place (limits,
prices, bounds) travel as `user_config` and `autoscaling_config` instead, so that they never restart a replica.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class EngineSettings(BaseModel):
    """One variant's engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str
    """The model name that clients use."""
    variant: str
    """Name of the Serve deployment."""
    model_path: str
    """A folder that every node reads, or a Hugging Face id."""
    args: dict[str, Any] = Field(default_factory=dict)
    """vLLM engine arguments."""


class RevisionSettings(BaseModel):
    """Arguments of the application: changing any of them restarts the replicas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str
    """Hash of everything below and of the resolved model."""
    model_version: str
    """What the status shows: `chat v3`, or the path."""
    engine: EngineSettings
    num_gpus: int = 0
    num_cpus: float = 1.0
    memory_bytes: int | None = None
    label_selector: dict[str, str] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
