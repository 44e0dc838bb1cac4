"""`raytide compare`: the league of policies on the same traces, in the same simulator, beside the cheapest plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.feasible import require_feasible
from raytide.autoscaling.simulate.league import Row
from raytide.autoscaling.simulate.policies import LEAGUE, require_known
from raytide.autoscaling.terms import Terms
from raytide.cli import simulation as shared
from raytide.cli.cells import Cell
from raytide.cli.league import League, json_of, play_league
from raytide.cli.options import Overrides
from raytide.cli.values import BadOption

_NUM_PLOTTED: Final = 4
"""Policies in one plot; more lines hide each other."""


def compare(
    file: Annotated[Path, typer.Argument(metavar="SERVICE.yaml", help="A file of kind Service.")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="TRACE", help="More traces.", show_default=False)] = None,
    trace: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A trace to score on; repeat it for several.")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A policy, or several with commas. Default: all.")
    ] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Add a tuned column; needs --tune-on.")] = False,
    tune_on: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A trace to choose settings on, apart from the scored.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Runs of each pair, for confidence.")] = 1,
    cold_start: shared.ColdStart = None,
    seed: shared.Seed = 0,
    times: shared.Times = 1,
    spread: shared.SpreadBy = "jitter",
    laps: shared.Laps = 2,
    router: shared.RouterName = "least-loaded",
    metric_delay: shared.MetricDelay = "1s",
    metric_loss: shared.MetricLoss = "0%",
    start_spread: shared.StartSpread = 0.0,
    oracle: shared.WantOracle = None,
    json_: shared.JsonFile = None,
    html: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write a page with plots.")] = None,
    jobs: shared.Jobs = None,
    catalog: shared.CatalogFile = None,
    set_: Overrides = None,
) -> None:
    """Compare policies on traces: who keeps the objective everywhere, and at what multiple of the cheapest plan.

    With --tune-on, each family's twelve settings are tried on other traces, and the best is scored too.
    """
    names = _names(policy)
    shared.require_writable(json_, html)
    _, _, terms = shared.declared(file, set_, catalog)
    conditions = shared.conditions_of(
        cold_start=cold_start,
        seed=seed,
        laps=laps,
        router=router,
        metric_delay=metric_delay,
        metric_loss=metric_loss,
        start_spread=start_spread,
    )
    scale = _Scale(copies=times, spread=spread)
    scored = _cases([*(trace or ()), *(more or ())], scale, terms, conditions, seeds, "--trace")
    wanted = [*(tune_on or ())] if tune or tune_on else None
    development = () if wanted is None else _cases(wanted, scale, terms, conditions, 1, "--tune-on")
    league = play_league(names, scored, development, oracle, jobs)
    if json_ != "-":
        _print(league)
    if json_:
        shared.write_json(json_, json_of(league))
    if html:
        shared.write_text(html, _page(file, league))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    copies: int
    spread: str


def _names(policy: Sequence[str] | None) -> tuple[str, ...]:
    words = [word.strip() for given in policy or ("all",) for word in given.split(",") if word.strip()]
    names = [name for word in words for name in (LEAGUE if word == "all" else (word,))]
    for name in names:
        require_known(name)
    return tuple(dict.fromkeys(names))


def _cases(
    paths: Sequence[Path], scale: _Scale, terms: Terms, conditions: Conditions, seeds: int, option: str
) -> tuple[Case, ...]:
    """Each trace under each seed."""
    if not paths:
        raise BadOption(f"no trace to play; give at least one as {option} FILE")
    cases = []
    for path in dict.fromkeys(paths):
        for seed in range(conditions.seed, conditions.seed + seeds):
            trace = shared.scaled(path, terms, scale.copies, scale.spread, seed)
            require_feasible(trace, terms)
            cases.append(Case(trace=trace, terms=terms, conditions=shared.with_seed(conditions, seed)))
    return _distinct(cases, paths, seeds)


def _distinct(cases: list[Case], paths: Sequence[Path], seeds: int) -> tuple[Case, ...]:
    """Traces of the same name in different folders are called by their paths."""
    names = [case.trace.name for case in cases[::seeds]]
    if len(set(names)) == len(names):
        return tuple(cases)
    by_case = [str(path) for path in dict.fromkeys(paths) for _ in range(seeds)]
    return tuple(replace(case, trace=replace(case.trace, name=name)) for case, name in zip(cases, by_case, strict=True))


def _page(file: Path, league: League) -> str:
    from raytide.autoscaling.simulate.page import Page, html_of

    entries = league.entries
    first = next(iter(league.outcomes)).policy
    others = [entry.default.policy for entry in entries if entry.default.policy != first]
    sections = tuple(_sections(league, [first, *others]))
    return html_of(
        Page(title=f"{file.stem}: the league", terms=league.cases[0].terms, entries=entries, sections=sections)
    )


def _sections(league: League, names: Sequence[str]) -> Iterator[Any]:
    """One for each trace under the first seed; the policy that was named first, beside the best of the others."""
    from raytide.autoscaling.simulate.page import Section

    objective = league.cases[0].terms.objective
    for c, case in enumerate(league.cases):
        if case.conditions.seed != league.cases[0].conditions.seed:
            continue
        best = [league.outcomes[Cell(policy=name, case=c)] for name in names[:_NUM_PLOTTED]]
        yield Section(
            trace=case.trace.name,
            runs=tuple((outcome.result.policy, outcome.curves) for outcome in best),
            oracle=league.oracles[c].plan if c in league.oracles else Missing(reason="not searched"),
            ttft_s=objective.ttft_s,
            changes=best[0].changes,
        )


def _print(league: League) -> None:
    from rich.console import Console
    from rich.table import Table

    over = "cost/oracle" if league.oracles else "cost USD"
    heads = ["policy", "kept", over, "worst att.", "TTFT p99", "flaps"]
    table = Table(*heads, box=None, pad_edge=False)
    if league.tuned:
        for head in ("tuned: kept", over, "worst att."):
            table.add_column(head)
    for column in table.columns[1:]:
        column.justify = "right"
    for entry in league.entries:
        row, tuned = entry.default, entry.tuned
        cells = [
            row.policy,
            _kept(row),
            _cost(row),
            f"{row.attainment:.2%}",
            f"{row.ttft_p99_s:.2f} s",
            f"{row.flaps:.0f}",
        ]
        own = [] if isinstance(tuned, Missing) else [_kept(tuned), _cost(tuned), f"{tuned.attainment:.2%}"]
        table.add_row(*cells, *own)
    console = Console(width=100, highlight=False)
    console.print(table)
    console.print(
        f"{len(league.cases)} runs of the traces; an objective counts as kept from {league.attainment:.2%} on"
    )


def _kept(row: Row) -> str:
    return f"{row.num_kept}/{len(row.standings)}"


def _cost(row: Row) -> str:
    if isinstance(row.interval, Missing):
        return f"{row.relative:.3f}"
    return f"{row.relative:.3f} ±{(row.interval[1] - row.interval[0]) / 2:.3f}"
