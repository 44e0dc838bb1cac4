"""Workloads made of traces: more load, less, another part, another shape; the same seed makes the same requests."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.draw import Draw
from raytide.autoscaling.simulate.traces.rates import Rates, drawn_trace, read_rates
from raytide.autoscaling.simulate.traces.read import read_trace
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError

Spread = Literal["jitter", "shift"]


def times(trace: Trace, k: int, spread: Spread = "jitter", *, jitter_s: float = 5.0, seed: int = 0) -> Trace:
    """`k` times the load: copies whose requests each move by up to `jitter_s`, or copies shifted around the lap.

    Jitter keeps what users do together (a lunch break) and multiplies bursts; independent shifts are for bursts that
    many small sources make, which would not burst at the same time. What leaves the lap comes in at its other end.
    """
    rng = np.random.default_rng(seed)
    if spread == "jitter":
        moved_s = rng.uniform(-jitter_s, jitter_s, (k, len(trace)))
    else:
        moved_s = rng.uniform(0, trace.span_s, (k, 1))
    arrival_s = np.mod(trace.arrival_s + moved_s, trace.span_s)
    rows = np.tile(np.arange(len(trace)), k)
    return _rearranged(trace, arrival_s.ravel(), rows, trace.span_s, f"{trace.name} ×{k} {spread}")


def slice_s(trace: Trace, start_s: float, end_s: float) -> Trace:
    """The requests in `[start_s, end_s)`, from time 0."""
    rows = np.arange(*np.searchsorted(trace.arrival_s, (start_s, end_s)))
    name = f"{trace.name} {start_s:g}-{end_s:g} s"
    return _rearranged(trace, trace.arrival_s[rows] - start_s, rows, end_s - start_s, name)


def at_mean_rate(trace: Trace, requests_per_s: float, *, seed: int = 0) -> Trace:
    """The trace at this mean rate: requests left out at random, from as many jittered copies as it takes."""
    num_wanted = round(requests_per_s * trace.span_s)
    num_copies = math.ceil(num_wanted / len(trace))
    copies = times(trace, num_copies, seed=seed) if num_copies > 1 else trace
    rows = np.sort(np.random.default_rng([seed, 1]).choice(len(copies), num_wanted, replace=False))
    name = f"{trace.name} at {requests_per_s:g}/s"
    return _rearranged(copies, copies.arrival_s[rows], rows, trace.span_s, name)


def laps(trace: Trace, n: int) -> Trace:
    """The trace `n` times, one lap after the other."""
    starts_s = np.arange(n)[:, None] * trace.span_s
    rows = np.tile(np.arange(len(trace)), n)
    return _rearranged(trace, (starts_s + trace.arrival_s).ravel(), rows, n * trace.span_s, f"{trace.name}, {n} laps")


def from_rates(
    window_s: float,
    rates: Sequence[float] | NDArray[np.float64],
    *,
    lengths: Trace | None,
    cv: float = 1.0,
    seed: int = 0,
) -> Trace:
    """Requests at these rates, each for `window_s`; `cv` is that of the gaps, `lengths` whose lengths are drawn."""
    edges_s = window_s * np.arange(len(rates) + 1, dtype=np.float64)
    windows = Rates(edges_s=edges_s, requests_per_s=np.asarray(rates, dtype=np.float64))
    return drawn_trace("rates", windows, Draw(seed=seed, lengths=lengths, cv=cv))


def staircase(levels: Sequence[tuple[float, float]], *, lengths_from: Trace | None, seed: int = 0) -> Trace:
    """Poisson arrivals at levels of `(requests per second, seconds)`."""
    rates, seconds = (np.array(column, dtype=np.float64) for column in zip(*levels, strict=True))
    windows = Rates(edges_s=np.concatenate(([0.0], np.cumsum(seconds))), requests_per_s=rates)
    return drawn_trace("staircase", windows, Draw(seed=seed, lengths=lengths_from))


def step(
    base_rps: float,
    *,
    lengths_from: Trace | None,
    factor: float = 5.0,
    before_s: float = 1800.0,
    during_s: float = 300.0,
    after_s: float = 1800.0,
    seed: int = 0,
) -> Trace:
    """A base rate, a step up by `factor`, and back."""
    levels = ((base_rps, before_s), (factor * base_rps, during_s), (base_rps, after_s))
    return replace(staircase(levels, lengths_from=lengths_from, seed=seed), name=f"step ×{factor:g}")


def spike(base_rps: float, *, lengths_from: Trace | None, seed: int = 0) -> Trace:
    """A base rate with one minute of ten times as much, after half an hour."""
    trace = step(base_rps, lengths_from=lengths_from, factor=10.0, during_s=60.0, seed=seed)
    return replace(trace, name="spike ×10")


def _rearranged(
    trace: Trace, arrival_s: NDArray[np.float64], rows: NDArray[np.int64], span_s: float, name: str
) -> Trace:
    """These rows of a trace at other times, in order."""
    order = np.argsort(arrival_s, kind="stable")
    rows = rows[order]
    return replace(
        trace,
        name=name,
        arrival_s=arrival_s[order],
        prompt_tokens=trace.prompt_tokens[rows],
        output_tokens=trace.output_tokens[rows],
        cached_tokens=None if trace.cached_tokens is None else trace.cached_tokens[rows],
        class_of=None if trace.class_of is None else trace.class_of[rows],
        span_s=span_s,
    )


CONV: Final = "azure_2023_conv.csv"
CODE: Final = "azure_2023_code.csv"
RATES: Final = "servegen_m-large_rates_days1-10.csv"
DAY_8: Final = "servegen_m-large_day08_20rps.csv.gz"
LLM_D_LEVELS: Final = ((2.0, 330.0), *((rps, 360.0) for rps in (4.0, 6.0, 8.0, 10.0, 4.0)), (1.0, 300.0))
"""The published staircase of llm-d's SLO-aware autoscaling guide, which its own autoscaler is scored on."""
_DAY_S: Final = 86_400.0
_BURST_DAY: Final = 10
"""The day whose busiest window has 2.7 times its mean rate, the most of the ten."""
_OTHER_DAYS: Final = (1, 2, 3, 4, 5, 6, 7, 9)
_MILD_DAYS: Final = (1, 2, 3, 4, 5, 6, 10)
"""Days whose busiest window from 8 to 14 h has less than 1.5 times the mean of these hours."""
_SERVEGEN_CV: Final = 2.0
"""Of the gaps in a day drawn from rates: counts of day 8's single requests vary 3.6 times as much as Poisson's from
second to second, and 4.8 times from one ten seconds to the next; gaps of this dispersion make counts vary 4 times."""
_MILD_HOURS_S: Final = (8 * 3600.0, 14 * 3600.0)


def development(data: Path, seed: int = 0, only: Collection[str] | None = None) -> dict[str, Trace]:
    """The workloads that an autoscaler may be developed on, by name; `only` these where given, and all take a while.

    `data` is the folder with `traces/`. Days count from 1, as in the names of its files.

    Raises:
        TraceError: a file is missing, or `only` names an unknown workload.
    """
    builders = _builders(data / "traces")
    names = builders if only is None else only
    for name in names:
        if name not in builders:
            raise TraceError(f"no development workload is named {name!r}; known are {', '.join(builders)}")
    return {name: replace(builders[name](_seed_of(name, seed)), name=name) for name in names}


def development_names() -> tuple[str, ...]:
    """The names that `development` builds."""
    return tuple(_builders(Path()))


def _builders(traces: Path) -> dict[str, Callable[[int], Trace]]:
    return {
        "azure-conv-x8": lambda seed: times(read_trace(traces / CONV), 8, "jitter", seed=seed),
        "azure-code-x8": lambda seed: times(read_trace(traces / CODE), 8, "shift", seed=seed),
        "llm-d-staircase": partial(_llm_d, traces, 1.0),
        "llm-d-staircase-x5": partial(_llm_d, traces, 5.0),
        "step-5x": lambda seed: step(8.0, lengths_from=read_trace(traces / CONV), seed=seed),
        "servegen-day8": lambda _: read_trace(traces / DAY_8),
        "servegen-burst-day": partial(_day, traces, _BURST_DAY, (0.0, _DAY_S), 20.0),
        **{f"servegen-day{day}": partial(_day, traces, day, (0.0, _DAY_S), 20.0) for day in _OTHER_DAYS},
        **{f"servegen-mild-{day}": partial(_day, traces, day, _MILD_HOURS_S, 40.0) for day in _MILD_DAYS},
    }


def _llm_d(traces: Path, factor: float, seed: int) -> Trace:
    levels = [(factor * rps, seconds) for rps, seconds in LLM_D_LEVELS]
    return staircase(levels, lengths_from=read_trace(traces / CONV), seed=seed)


def _day(traces: Path, day: int, hours_s: tuple[float, float], requests_per_s: float, seed: int) -> Trace:
    start_s, end_s = (_DAY_S * (day - 1) + hour_s for hour_s in hours_s)
    rates = read_rates(traces / RATES).between(start_s, end_s).at_mean(requests_per_s)
    return drawn_trace("", rates, Draw(seed=seed, lengths=read_trace(traces / CONV), cv=_SERVEGEN_CV))


def _seed_of(name: str, seed: int) -> int:
    """A stream of its own for each workload."""
    return zlib.crc32(f"{name} {seed}".encode())
