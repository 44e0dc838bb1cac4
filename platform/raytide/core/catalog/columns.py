"""Engine columns: the iteration time of an engine on hardware, as five coefficients, measured or from a roofline.

    T(n, K, p) = base + per_sequence·n + per_root_sequence·√n + per_kv_token·K + per_prefill_token·p

with `n` decoding sequences, `K` tokens of KV cache that they hold, and `p` prompt tokens, for a whole tensor-parallel
group.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from raytide.core.catalog.missing import Missing
from raytide.core.catalog.precision import Precision

FITTED_SOURCE: Final = (
    "least squares in relative error on ai-dynamo/aiconfigurator systems/silicon_sample.csv (Apache-2.0), "
    "points that overflow the KV cache left out"
)


ROOFLINE: Final = "roofline"
"""The engine of a column that nobody measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineColumn:
    """One way to run a model, and the seconds of its iterations, term by term."""

    model: str
    accelerator: str
    precision: Precision
    tensor_parallel: int
    engine: str
    """Name and version, or `ROOFLINE` where nothing was measured."""
    base_s: float
    per_sequence_s: float
    per_root_sequence_s: float
    per_kv_token_s: float
    per_prefill_token_s: float
    loo_error: float | Missing
    """Mean relative error on points that were left out of the fit one at a time."""
    source: str

    @property
    def is_measured(self) -> bool:
        """Whether an engine was measured, rather than worked out from datasheets."""
        return self.engine != ROOFLINE

    def iteration_s(self, num_sequences: float, kv_tokens: float, prefill_tokens: float) -> float:
        """Seconds of an iteration with this batch."""
        return (
            self.base_s
            + self.per_sequence_s * num_sequences
            + self.per_root_sequence_s * math.sqrt(num_sequences)
            + self.per_kv_token_s * kv_tokens
            + self.per_prefill_token_s * prefill_tokens
        )


@cache
def known_columns() -> tuple[EngineColumn, ...]:
    """Every measured column of the package's own data."""
    with files("raytide.core.catalog").joinpath("data/columns.csv").open("r", encoding="utf-8") as lines:
        return tuple(_column(row) for row in csv.DictReader(lines))


def _column(row: dict[str, str]) -> EngineColumn:
    return EngineColumn(
        model=row["model"],
        accelerator=row["accelerator"],
        precision=row["precision"],  # type: ignore[arg-type]  # the file is ours, and a test reads all of it
        tensor_parallel=int(row["tensor_parallel"]),
        engine=row["engine"],
        base_s=float(row["base_ms"]) * 1e-3,
        per_sequence_s=float(row["per_sequence_ms"]) * 1e-3,
        per_root_sequence_s=float(row["per_root_sequence_ms"]) * 1e-3,
        per_kv_token_s=float(row["per_kv_token_ns"]) * 1e-9,
        per_prefill_token_s=float(row["per_prefill_token_us"]) * 1e-6,
        loo_error=float(row["loo_mean_percent"]) / 100,
        source=FITTED_SOURCE,
    )
