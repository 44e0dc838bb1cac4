"""The traces of BurstGPT: two months of a campus service; failed requests have 0 response tokens.

Source: github.com/HPMLL/BurstGPT, CC-BY-4.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raytide.autoscaling.simulate.traces.checked import checked
from raytide.autoscaling.simulate.traces.rows import Kind, csv_line, read_columns
from raytide.autoscaling.simulate.traces.trace import Trace

COLUMNS: Final = ("Timestamp", "Request tokens", "Response tokens")


def read_burstgpt(path: Path) -> Trace:
    """The trace in a BurstGPT file, of all its models; times count from its own start."""
    columns = read_columns(path, dict(zip(COLUMNS, (Kind.NUMBER, Kind.TOKENS, Kind.TOKENS), strict=True)))
    seconds, prompt_tokens, output_tokens = (columns[name] for name in COLUMNS)
    return checked(path, csv_line(path), seconds - seconds[:1], prompt_tokens, output_tokens)
