"""The clients of ServeGen: per client its rate, dispersion and lengths in windows of ten minutes, for two weeks.

A folder holds `chunk-N-trace.csv` (start, rate, cv, pattern, shape, scale; no header) and `chunk-N-dataset.json`
(probability of each length, from a time on) for every client N. The rates count, the scale does not: in the published
files shape and scale give another mean gap than the rate. Source: github.com/alibaba/ServeGen, Apache-2.0.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.draw import Draw, Lengths, draw_lengths
from raytide.autoscaling.simulate.traces.lengths import LengthsByTime, MalformedLengths, read_lengths
from raytide.autoscaling.simulate.traces.rates import MOST_REQUESTS, Rates
from raytide.autoscaling.simulate.traces.rows import open_text
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError

TRACE_GLOB: Final = "chunk-*-trace.csv"
_PATTERNS: Final = ("Gamma", "Weibull")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    start_s: float
    requests_per_s: float
    pattern: str
    shape: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    windows: tuple[_Window, ...]
    lengths: LengthsByTime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skipped:
    reason: str
    rate: float
    """Sum over its windows; 0 where they cannot be read either."""


def read_servegen(folder: Path, draw: Draw) -> Trace:
    """Requests of all clients in a folder, drawn at their rates; clients without readable files are skipped and noted.

    Lengths are each client's own, prompt and output independently, unless `draw.lengths` is given.

    Raises:
        TraceError: no client, no window, or no request is left.
    """
    files = sorted(folder.glob(TRACE_GLOB))
    if not files:
        raise TraceError(f"{folder}: a folder without {TRACE_GLOB}; name a trace file, or a folder of ServeGen clients")
    clients, skipped = _clients(files, need_lengths=draw.lengths is None)
    if not clients:
        raise TraceError(f"{folder}: none of its {len(files)} clients is readable; first, {skipped[0].reason}")
    return _drawn(folder, clients, draw, _notes(clients, skipped))


def _clients(files: list[Path], *, need_lengths: bool) -> tuple[list[_Client], list[_Skipped]]:
    clients: list[_Client] = []
    skipped: list[_Skipped] = []
    for file in files:
        windows: tuple[_Window, ...] = ()
        try:
            windows = _windows(file)
            dataset = file.with_name(file.name.replace("-trace.csv", "-dataset.json"))
            clients.append(_Client(windows=windows, lengths=read_lengths(dataset) if need_lengths else None))
        except (MalformedLengths, TraceError) as error:
            skipped.append(_Skipped(reason=str(error), rate=_rate(windows)))
    return clients, skipped


def _rate(windows: tuple[_Window, ...]) -> float:
    return sum(window.requests_per_s for window in windows)


def _notes(clients: list[_Client], skipped: list[_Skipped]) -> tuple[str, ...]:
    if not skipped:
        return ()
    lost = sum(client.rate for client in skipped)
    share = lost / max(lost + sum(_rate(client.windows) for client in clients), 1e-300)
    return (
        f"{len(skipped)} of {len(clients) + len(skipped)} clients skipped, with {share:.0%} of all requests; "
        f"lengths drawn from another trace would keep them; first, {skipped[0].reason}",
    )


def _windows(file: Path) -> tuple[_Window, ...]:
    with open_text(file) as rows:
        return tuple(_window(file, line, row) for line, row in enumerate(csv.reader(rows), start=1) if row)


def _window(file: Path, line: int, row: list[str]) -> _Window:
    try:
        start_s, rate, _, pattern, shape, _ = row
        window = _Window(start_s=float(start_s), requests_per_s=float(rate), pattern=pattern, shape=float(shape))
    except ValueError as error:
        raise TraceError(f"{file}:{line}: expected ts,rate,cv,pattern,shape,scale") from error
    if not (math.isfinite(window.start_s) and 0 <= window.requests_per_s < math.inf):
        raise TraceError(f"{file}:{line}: expected a finite start and a rate from 0 up")
    if window.requests_per_s > 0 and (pattern not in _PATTERNS or not window.shape > 0):
        raise TraceError(f"{file}:{line}: expected {' or '.join(_PATTERNS)} with a shape above 0")
    return window


def _drawn(folder: Path, clients: list[_Client], draw: Draw, notes: tuple[str, ...]) -> Trace:
    total = _total(clients).between(draw.start_s, draw.end_s)
    if not len(total.requests_per_s) or total.num_requests == 0:
        raise TraceError(f"{folder}: no requests from {draw.start_s:g} s to {draw.end_s:g} s; choose another part")
    scale = 1.0 if draw.requests_per_s is None else draw.requests_per_s * total.span_s / total.num_requests
    if total.num_requests * scale > MOST_REQUESTS:
        raise TraceError(
            f"{folder}: its rates make {total.num_requests * scale:,.0f} requests, more than {MOST_REQUESTS:,}; "
            "choose a lower mean rate or a part of the time"
        )
    window_s = float(total.edges_s[1] - total.edges_s[0])
    rng = np.random.default_rng(draw.seed)
    parts = [
        (arrivals_s, _lengths(client, window, len(arrivals_s), draw.lengths, rng))
        for client in clients
        for window in client.windows
        if window.requests_per_s > 0 and draw.start_s <= window.start_s < draw.end_s
        for arrivals_s in [_arrivals(window, scale, window_s, rng) - draw.start_s]
    ]
    return _merged(folder.name, parts, total.span_s, notes)


def _total(clients: list[_Client]) -> Rates:
    starts_s = np.unique([window.start_s for client in clients for window in client.windows])
    rates = np.zeros(len(starts_s))
    for client in clients:
        at = np.searchsorted(starts_s, [window.start_s for window in client.windows])
        np.add.at(rates, at, [window.requests_per_s for window in client.windows])
    window_s = float(np.min(np.diff(starts_s))) if len(starts_s) > 1 else 600.0
    return Rates(edges_s=np.append(starts_s, starts_s[-1] + window_s), requests_per_s=rates)


def _arrivals(window: _Window, scale: float, window_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Arrivals in a window: as many as its rate says, with gaps of its pattern, from a random phase.

    The measured rate already has the burst of each window in it, so the number is not drawn again.
    """
    expected = window.requests_per_s * scale * window_s
    num_requests = int(expected + rng.random())
    if not num_requests:
        return np.zeros(0)
    gaps = _gaps(window, num_requests, rng)
    at = np.cumsum(gaps) / max(float(gaps.sum()), 1e-300)
    return window.start_s + window_s * np.sort((at + rng.random()) % 1.0)


def _gaps(window: _Window, num_requests: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if window.pattern == "Gamma":
        return rng.gamma(window.shape, 1.0, num_requests)
    return rng.weibull(window.shape, num_requests)


def _lengths(
    client: _Client, window: _Window, num_requests: int, given: Trace | None, rng: np.random.Generator
) -> Lengths:
    if client.lengths is None:
        return draw_lengths(num_requests, given, rng)
    return client.lengths.draw(window.start_s, num_requests, rng)


def _merged(
    name: str, parts: list[tuple[NDArray[np.float64], Lengths]], span_s: float, notes: tuple[str, ...]
) -> Trace:
    arrival_s = np.concatenate([arrivals_s for arrivals_s, _ in parts])
    order = np.argsort(arrival_s, kind="stable")
    return Trace(
        name=name,
        arrival_s=arrival_s[order],
        prompt_tokens=np.concatenate([lengths.prompt_tokens for _, lengths in parts])[order],
        output_tokens=np.concatenate([lengths.output_tokens for _, lengths in parts])[order],
        span_s=span_s,
        notes=notes,
    )
