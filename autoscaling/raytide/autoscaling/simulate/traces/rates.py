"""Request rates per window: what a service publishes that keeps its requests to itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.checked import trace_name
from raytide.autoscaling.simulate.traces.draw import Draw, draw_arrivals, draw_lengths
from raytide.autoscaling.simulate.traces.rows import Kind, csv_line, read_columns
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError

COLUMNS: Final = ("window_start_s", "requests_per_s")
MOST_REQUESTS: Final = 50_000_000
"""More do not fit into a laptop's memory beside their simulation (16 bytes each, and several copies)."""
_HIGHEST_RATE: Final = 1e12
"""Per second; beyond every service, and far from where floats overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A rate per window; a window ends where the next begins."""

    edges_s: NDArray[np.float64]
    """Start of each window and end of the last; one more than there are rates."""
    requests_per_s: NDArray[np.float64]

    @property
    def num_requests(self) -> float:
        """The expected number of requests."""
        return float(np.sum(self.requests_per_s * np.diff(self.edges_s)))

    @property
    def span_s(self) -> float:
        """From the first window's start to the last one's end."""
        return float(self.edges_s[-1] - self.edges_s[0])

    def between(self, start_s: float, end_s: float) -> Rates:
        """The windows that start in `[start_s, end_s)`, from time 0."""
        starts_s = self.edges_s[:-1]
        first, after = np.searchsorted(starts_s, (start_s, end_s))
        edges_s = self.edges_s[first : after + 1]
        return Rates(edges_s=edges_s - edges_s[:1], requests_per_s=self.requests_per_s[first:after])

    def at_mean(self, requests_per_s: float) -> Rates:
        """All rates times one factor, so that their mean is this one."""
        factor = requests_per_s * self.span_s / self.num_requests
        return Rates(edges_s=self.edges_s, requests_per_s=self.requests_per_s * factor)


def read_rates(path: Path) -> Rates:
    """The windows of a rates file; the last is as long as the one before it.

    Raises:
        TraceError: a window that does not follow the one above it, a negative rate, fewer than two windows.
    """
    columns = read_columns(path, dict.fromkeys(COLUMNS, Kind.NUMBER))
    starts_s, rates = (columns[name] for name in COLUMNS)
    if len(starts_s) < 2:
        raise TraceError(
            f"{path}: {len(starts_s)} window(s) of rates; give it at least two, so that their length is known"
        )
    _check_rows(path, starts_s, rates)
    return Rates(edges_s=np.append(starts_s, 2 * starts_s[-1] - starts_s[-2]), requests_per_s=rates)


def read_rates_trace(path: Path, draw: Draw) -> Trace:
    """Requests drawn at the rates of a file.

    Raises:
        TraceError: no request or too many to hold follow from its rates.
    """
    rates = read_rates(path).between(draw.start_s, draw.end_s)
    if not len(rates.requests_per_s) or rates.num_requests == 0:
        raise TraceError(
            f"{path}: no requests from {draw.start_s:g} s to {draw.end_s:g} s; choose another part of the file"
        )
    rates = rates if draw.requests_per_s is None else rates.at_mean(draw.requests_per_s)
    if rates.num_requests > MOST_REQUESTS:
        raise TraceError(
            f"{path}: its rates make {rates.num_requests:,.0f} requests, more than {MOST_REQUESTS:,}; "
            "choose a lower mean rate or a part of the file"
        )
    return drawn_trace(trace_name(path), rates, draw)


def drawn_trace(name: str, rates: Rates, draw: Draw) -> Trace:
    """A trace of requests drawn at these rates, with the lengths, dispersion and seed of `draw`."""
    rng = np.random.default_rng(draw.seed)
    arrival_s = draw_arrivals(rates.edges_s - rates.edges_s[0], rates.requests_per_s, draw.cv, rng)
    lengths = draw_lengths(len(arrival_s), draw.lengths, rng)
    return Trace(
        name=name,
        arrival_s=arrival_s,
        prompt_tokens=lengths.prompt_tokens,
        output_tokens=lengths.output_tokens,
        cached_tokens=lengths.cached_tokens,
        span_s=rates.span_s,
    )


def _check_rows(path: Path, starts_s: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    back = np.flatnonzero(~(np.diff(starts_s) > 0) | ~np.isfinite(starts_s[1:]))
    if len(back):
        row = int(back[0]) + 1
        raise TraceError(
            f"{path}:{csv_line(path)(row)}: the window at {starts_s[row]:g} s does not follow the one above it, at "
            f"{starts_s[row - 1]:g} s; sort the file by time and keep one row per window"
        )
    bad = np.flatnonzero(~((rates >= 0) & (rates <= _HIGHEST_RATE)))
    if len(bad):
        row = int(bad[0])
        raise TraceError(
            f"{path}:{csv_line(path)(row)}: a rate of {rates[row]} requests/s; write 0 to {_HIGHEST_RATE:g}"
        )
