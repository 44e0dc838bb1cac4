"""What `simulate`, `compare` and `whatif` have in common: their options, and the case that these describe."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from raytide.autoscaling.simulate.conditions import Conditions, Router
from raytide.autoscaling.simulate.service import terms_of
from raytide.autoscaling.simulate.traces.read import read_trace
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError
from raytide.autoscaling.simulate.workloads import Spread, times
from raytide.autoscaling.terms import Terms
from raytide.cli.options import Overrides
from raytide.cli.values import BadOption, duration_s, parse_share, parsed, unknown
from raytide.core import catalog as known
from raytide.core.spec import Service, marks_of, read_as

SEARCHED_BELOW: Final = 300_000
"""Requests of a lap: for longer traces the oracle's search takes minutes, so it waits to be asked for."""

_SHORTEST_S: Final = 15.0
"""The oracle's plan has windows of this length."""
_SPREADS: Final[dict[str, Spread]] = {"jitter": "jitter", "shift": "shift"}

ColdStart = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Of every replica, as 120s. Default: the service's own.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31, help="Of jittered copies, of the router and of cold starts.")]
Times = Annotated[int, typer.Option("--times", min=1, metavar="K", help="Play K copies of the trace at once.")]
SpreadBy = Annotated[str, typer.Option(help="How copies differ: jitter (by 5 s) or shift (around the lap).")]
Laps = Annotated[int, typer.Option(min=1, help="The trace is played so often; the last lap is scored.")]
RouterName = Annotated[str, typer.Option(help="least-loaded, least-tokens, random-two or round-robin.")]
MetricDelay = Annotated[str, typer.Option(metavar="DURATION", help="Age of what a decision sees.")]
MetricLoss = Annotated[str, typer.Option(metavar="SHARE", help="Share of scrapes that are lost, as 30%.")]
StartSpread = Annotated[
    float, typer.Option(min=0.0, help="Standard deviation of the logarithm of the cold start; 0: all alike.")
]
Initial = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Replicas at the start. Default: for the first five minutes.")
]
CatalogFile = Annotated[Path | None, typer.Option("--catalog", help="A `kind: Catalog` file with your own numbers.")]
WantOracle = Annotated[
    bool | None,
    typer.Option(
        "--oracle/--no-oracle", help=f"Search the clairvoyant plan. Default: below {SEARCHED_BELOW:,} requests."
    ),
]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="OUT", help="Write plain data to this file; - is standard output.")
]
Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes. Default: one for each CPU.")]


def declared(file: Path, overrides: Overrides, catalog: Path | None) -> tuple[Service, known.Catalog, Terms]:
    """The service of a file, what is known of its hardware, and both as terms; SpecError where they do not fit."""
    given = tuple(overrides or ())
    service = read_as(Service, file, given)
    facts = known.with_overrides(catalog) if catalog else known.load()
    return service, facts, terms_of(service, facts, marks_of(file, given))


def scaled(path: Path, terms: Terms, copies: int, spread: str, seed: int) -> Trace:
    """The trace of a file, as many times as wanted; TraceError where it is over before a policy can decide."""
    trace = read_trace(path, classes=tuple(one.name for one in terms.classes))
    if trace.span_s < _SHORTEST_S:
        raise TraceError(f"{path}: the trace is over after {trace.span_s:.3g} s; give at least {_SHORTEST_S:g} s")
    return trace if copies == 1 else times(trace, copies, spread_of(spread), seed=seed)


def spread_of(word: str) -> Spread:
    """How copies of a trace are spread."""
    if word not in _SPREADS:
        raise unknown("--spread", word, tuple(_SPREADS))
    return _SPREADS[word]


def conditions_of(
    *,
    cold_start: str | None,
    seed: int,
    laps: int,
    router: str,
    metric_delay: str,
    metric_loss: str,
    start_spread: float = 0.0,
    initial: int | None = None,
) -> Conditions:
    """The conditions that these options describe."""
    return Conditions(
        cold_start_s=None if cold_start is None else duration_s("--cold-start", cold_start),
        cold_start_spread=start_spread,
        router=_router(router),
        metric_delay_s=round(duration_s("--metric-delay", metric_delay)),
        metric_loss=parsed("--metric-loss", metric_loss, parse_share),
        num_laps=laps,
        initial_replicas=initial,
        seed=seed,
    )


def require_initial(conditions: Conditions, terms: Terms) -> None:
    """Returns where the service may start as large as asked for."""
    if (conditions.initial_replicas or 0) > terms.max_replicas:
        raise BadOption(
            f"--initial is {conditions.initial_replicas} and scaling.max_replicas {terms.max_replicas}; "
            "start with at most that many"
        )


def require_writable(*outs: str | Path | None) -> None:
    """Returns where each of these files could be written now: said before minutes of work, not after them."""
    for out in outs:
        if out in (None, "-"):
            continue
        path = Path(str(out))
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise BadOption(f"{path} cannot be written: no such folder, or no right to; choose another place")


def write_json(out: str, content: Any) -> None:
    """Write plain data to a file, or to standard output where it is `-`."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    if out == "-":
        typer.echo(text)
    else:
        write_text(out, text + "\n")


def write_text(out: str | Path, text: str) -> None:
    """Write a file; BadOption where it cannot be written."""
    try:
        Path(out).write_text(text, "utf-8")
    except OSError as error:
        raise BadOption(f"{out} cannot be written: {error.strerror}; choose another place") from error


def wants_oracle(asked: bool | None, trace: Trace) -> bool:
    """Whether to search the clairvoyant plan: as asked, else where it does not take minutes."""
    return len(trace) < SEARCHED_BELOW if asked is None else asked


def with_seed(conditions: Conditions, seed: int) -> Conditions:
    """The same conditions under another seed."""
    return replace(conditions, seed=seed)


def _router(word: str) -> Router:
    by_word = {router.name.lower().replace("_", "-"): router for router in Router}
    if word not in by_word:
        raise unknown("--router", word, tuple(by_word))
    return by_word[word]
