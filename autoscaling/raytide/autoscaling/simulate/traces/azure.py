"""The traces of Azure's LLM services: one row per request, with a calendar time.

The traces of 2023 have seven fractional digits and no zone, those of 2024 a zone; both have the same columns.
Source: github.com/Azure/AzurePublicDataset, CC-BY-4.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raytide.autoscaling.simulate.traces.checked import checked
from raytide.autoscaling.simulate.traces.rows import Kind, csv_line, read_columns
from raytide.autoscaling.simulate.traces.trace import Trace

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read_azure(path: Path) -> Trace:
    """The trace in an Azure file; its first request arrives at 0."""
    columns = read_columns(path, dict(zip(COLUMNS, (Kind.TIMESTAMP, Kind.TOKENS, Kind.TOKENS), strict=True)))
    nanoseconds, prompt_tokens, output_tokens = (columns[name] for name in COLUMNS)
    arrival_s = (nanoseconds - nanoseconds[:1]) / 1e9
    return checked(path, csv_line(path), arrival_s, prompt_tokens, output_tokens)
