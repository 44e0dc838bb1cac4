"""Our own format: a CSV file with `arrival_s`, `prompt_tokens`, `output_tokens`, and `cached_tokens` where known."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from raytide.autoscaling.simulate.traces.checked import checked
from raytide.autoscaling.simulate.traces.rows import Kind, csv_line, read_columns
from raytide.autoscaling.simulate.traces.trace import Trace

COLUMNS: Final = ("arrival_s", "prompt_tokens", "output_tokens")
_CACHED: Final = "cached_tokens"


def read_plain(path: Path, header: tuple[str, ...]) -> Trace:
    """The trace in a plain file; other columns are ignored."""
    kinds = {"arrival_s": Kind.NUMBER, "prompt_tokens": Kind.TOKENS, "output_tokens": Kind.TOKENS}
    kinds |= {_CACHED: Kind.TOKENS} if _CACHED in header else {}
    columns = read_columns(path, kinds)
    arrival_s, prompt_tokens, output_tokens = (columns[name] for name in COLUMNS)
    return checked(path, csv_line(path), arrival_s, prompt_tokens, output_tokens, columns.get(_CACHED))
