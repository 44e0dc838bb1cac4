"""The last step of every reader: columns that could be a trace, checked, or the first row that could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.trace import Trace, TraceError, natural_span_s

_MOST_TOKENS: Final = 2**31 - 1
_CALENDAR_S: Final = 1e8
"""Three years: no trace starts so late, a clock that counts from 1970 does."""


def checked(
    path: Path,
    line: Callable[[int], int],
    arrival_s: NDArray[np.float64],
    prompt_tokens: NDArray[np.integer[Any]],
    output_tokens: NDArray[np.integer[Any]],
    cached_tokens: NDArray[np.integer[Any]] | None = None,
) -> Trace:
    """The trace of these columns; `line` maps a row's index to its line in the file.

    Raises:
        TraceError: no requests, no length, a time that goes back, a count that is none.
    """
    _check_times(path, line, arrival_s)
    counts = {"prompt": prompt_tokens, "output": output_tokens, "cached": cached_tokens}
    for what, tokens in counts.items():
        if tokens is not None:
            _check_tokens(path, line, what, tokens)
    prompt = np.maximum(prompt_tokens, 1).astype(np.int32)
    return Trace(
        name=trace_name(path),
        arrival_s=arrival_s,
        prompt_tokens=prompt,
        output_tokens=np.maximum(output_tokens, 1).astype(np.int32),
        cached_tokens=None if cached_tokens is None else np.minimum(cached_tokens, prompt - 1).astype(np.int32),
        span_s=natural_span_s(arrival_s),
    )


def trace_name(path: Path) -> str:
    """The file's name without what says its format: `azure_2023_conv`."""
    return path.name.removesuffix(".gz").removesuffix(path.with_suffix("").suffix or path.suffix)


def _check_times(path: Path, line: Callable[[int], int], arrival_s: NDArray[np.float64]) -> None:
    if not len(arrival_s):
        raise TraceError(f"{path}: the file has no requests; give it at least two rows")
    if not np.isfinite(arrival_s).all():
        row = int(np.argmin(np.isfinite(arrival_s)))
        raise TraceError(f"{path}:{line(row)}: the arrival is {arrival_s[row]}; write a finite number of seconds")
    back = np.flatnonzero(np.diff(arrival_s) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise TraceError(
            f"{path}:{line(row)}: the arrival at {arrival_s[row]:.6f} s is before the one above it, at "
            f"{arrival_s[row - 1]:.6f} s; sort the file by time"
        )
    if arrival_s[0] < 0:
        raise TraceError(f"{path}:{line(0)}: the arrival at {arrival_s[0]} s is before the trace starts; count from 0")
    if arrival_s[0] > _CALENDAR_S:
        raise TraceError(
            f"{path}:{line(0)}: the first arrival is at {arrival_s[0]:.0f} s; subtract the start, count from 0"
        )
    if arrival_s[0] == arrival_s[-1]:
        raise TraceError(
            f"{path}: the trace has no length: {len(arrival_s)} request(s), all at {arrival_s[0]} s; "
            "give it at least two different arrival times"
        )


def _check_tokens(path: Path, line: Callable[[int], int], what: str, tokens: NDArray[np.integer[Any]]) -> None:
    bad = np.flatnonzero((tokens < 0) | (tokens > _MOST_TOKENS))
    if len(bad):
        row = int(bad[0])
        raise TraceError(
            f"{path}:{line(row)}: {tokens[row]} {what} tokens; write 0 to {_MOST_TOKENS}, or remove the row"
        )
