"""What is asked of an estimate: a model on hardware, and who uses it how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raytide.core.catalog.accelerators import Accelerator
from raytide.core.catalog.errors import CatalogError
from raytide.core.catalog.missing import Missing
from raytide.core.catalog.models import ModelShape
from raytide.core.catalog.precision import Precision
from raytide.core.catalog.prices import Price

_POSITIVE: Final = (
    "tensor_parallel",
    "prompt_tokens",
    "output_tokens",
    "requests_per_s",
    "users",
    "seconds_per_request",
    "concurrency",
    "train_tokens",
    "num_gpus",
)
DEFAULT_BATCH: Final = 32
"""Requests of a replica at once where neither the user nor the memory says less: the median of the measured points
of `silicon_reference.csv`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A model, its hardware and its load; what is None is worked out, or left out where it cannot be."""

    model: ModelShape | None = None
    """None where only the number of accelerators for a known load is asked."""
    accelerator: Accelerator
    price: Price | Missing
    precision: Precision = "bf16"
    kv_precision: Precision = "bf16"
    tensor_parallel: int | None = None
    """Accelerators of a replica; None takes the smallest group that fits."""
    prompt_tokens: int = 1024
    output_tokens: int = 256
    requests_per_s: float | None = None
    users: int | None = None
    """People who wait for one answer at a time."""
    think_time_s: float = 0.0
    """From an answer to the same user's next request."""
    seconds_per_request: float | None = None
    concurrency: int | None = None
    """Requests at once on one accelerator."""
    train_tokens: float | None = None
    num_gpus: int | None = None
    """Accelerators to train on; None takes the fewest whose memory holds the training state."""
    mfu: float = 0.4
    """The share of the FLOP/s that training achieves: 0.38 to 0.43 for Llama 3 405B in bf16 (Dubey et al. 2024)."""

    def __post_init__(self) -> None:
        """Refuses what makes no sense, with a sentence.

        Raises:
            CatalogError: A number is not positive, or two contradict each other.
        """
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise CatalogError(f"{name} is {value:g}; give a number above 0")
        if not 0 < self.mfu <= 1:
            raise CatalogError(f"mfu is {self.mfu:g}; give a share above 0 and at most 1, such as 0.4")
        if not 0 <= self.think_time_s < float("inf"):
            raise CatalogError(f"think_time_s is {self.think_time_s:g}; give seconds of at least 0")
        if self.users is not None and self.requests_per_s is not None:
            raise CatalogError("users and requests_per_s both say how much arrives; give one of them")

    @property
    def context_tokens(self) -> int:
        """Tokens of KV cache that a request holds at its end."""
        return self.prompt_tokens + self.output_tokens
