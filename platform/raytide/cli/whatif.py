"""`raytide whatif`: what the same service would cost on other hardware, at other prices, objectives or traffic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.feasible import require_feasible
from raytide.autoscaling.simulate.policies import RAYTIDE, require_known
from raytide.cli import simulation as shared
from raytide.cli.alternatives import Ask, alternatives
from raytide.cli.costs import Cost, calculated, simulated
from raytide.cli.options import Overrides, ServiceFile
from raytide.cli.values import BadOption, listed
from raytide.core.units import parse_duration_s, parse_usd_per_hour

_BAR: Final = 18
_MOST_TRAFFIC: Final = 1000.0
"""Times the trace, and its inverse the least: every copy of a request is played."""
"""Characters of the longest bar of the cost curve."""


def whatif(
    file: ServiceFile,
    trace: Annotated[Path, typer.Option(metavar="FILE", help="Requests: CSV, JSON lines or a ServeGen folder.")],
    hardware: Annotated[str | None, typer.Option(metavar="LIST", help="As H100:2,H200:1,H100:2:spot.")] = None,
    price: Annotated[str | None, typer.Option(metavar="LIST", help="Of one replica, as $5/h,$8/h.")] = None,
    ttft: Annotated[str | None, typer.Option(metavar="LIST", help="Bounds of TTFT, as 1s,2s.")] = None,
    tpot: Annotated[str | None, typer.Option(metavar="LIST", help="Bounds of TPOT, as 50ms,100ms.")] = None,
    traffic: Annotated[str | None, typer.Option(metavar="LIST", help="Factors on the load, as 0.5,1,2.")] = None,
    cold_start: Annotated[str | None, typer.Option(metavar="LIST", help="Of every replica, as 30s,120s.")] = None,
    headroom: Annotated[
        str | None, typer.Option(metavar="LIST", help="Standing replicas for jumps nobody foresees, as 0,1,2,4.")
    ] = None,
    analytic: Annotated[
        bool, typer.Option("--analytic", help="By the closed-form model: at once, without cold starts and queues.")
    ] = False,
    policy: Annotated[str, typer.Option(metavar="NAME", help="Which policy sizes the service.")] = RAYTIDE,
    seed: shared.Seed = 0,
    times: shared.Times = 1,
    spread: shared.SpreadBy = "jitter",
    laps: shared.Laps = 2,
    json_: shared.JsonFile = None,
    jobs: shared.Jobs = None,
    catalog: shared.CatalogFile = None,
    set_: Overrides = None,
) -> None:
    """Say what the service would cost if one thing were different: each value of each list stands for itself.

    Without a list, the traffic is halved and doubled.
    """
    require_known(policy)
    shared.require_writable(json_)
    ask = _ask(hardware, price, ttft, tpot, traffic, cold_start, headroom)
    if analytic and (ask.cold_start_s or ask.headroom):
        raise BadOption("--analytic knows no cold starts; leave out --cold-start and --headroom, or simulate")
    service, facts, terms = shared.declared(file, set_, catalog)
    conditions = shared.conditions_of(
        cold_start=None, seed=seed, laps=laps, router="least-loaded", metric_delay="1s", metric_loss="0%"
    )
    case = Case(trace=shared.scaled(trace, terms, times, spread, seed), terms=terms, conditions=conditions)
    require_feasible(case.trace, terms)
    others = alternatives(service, facts, case, ask)
    costs = calculated(others) if analytic else simulated(others, policy, jobs)
    if json_ != "-":
        _print(costs)
    if json_:
        shared.write_json(json_, {"policy": None if analytic else policy, "rows": [cost.to_json() for cost in costs]})


def _ask(
    hardware: str | None,
    price: str | None,
    ttft: str | None,
    tpot: str | None,
    traffic: str | None,
    cold_start: str | None,
    headroom: str | None,
) -> Ask:
    ask = Ask(
        hardware=listed("--hardware", hardware, str),
        usd_per_hour=listed("--price", price, parse_usd_per_hour),
        ttft_s=listed("--ttft", ttft, _positive_s),
        tpot_s=listed("--tpot", tpot, _positive_s),
        traffic=listed("--traffic", traffic, _factor),
        cold_start_s=listed("--cold-start", cold_start, parse_duration_s),
        headroom=listed("--headroom", headroom, _count),
    )
    return Ask(traffic=(0.5, 2.0)) if ask == Ask() else ask


def _positive_s(text: str) -> float:
    if (seconds := parse_duration_s(text)) > 0:
        return seconds
    raise ValueError("a duration above 0, as 500ms")


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if 1.0 / _MOST_TRAFFIC <= factor <= _MOST_TRAFFIC:
        return factor
    raise ValueError(f"a factor from {1.0 / _MOST_TRAFFIC:g} to {_MOST_TRAFFIC:g}, as 0.5 or 2")


def _count(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise ValueError("a number of replicas, as 2")


def _print(costs: Sequence[Cost]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what if", "", "attained", "replicas", "most", "$/h", "$/M out", "", box=None, pad_edge=False)
    for column in table.columns[2:7]:
        column.justify = "right"
    dearest = max(cost.usd_per_hour for cost in costs) or 1.0
    for cost in costs:
        table.add_row(cost.axis, cost.value, *_cells(cost, dearest))
    console = Console(width=100, highlight=False)
    console.print(table)
    for cost in costs:
        if isinstance(cost.attainment, Missing):
            console.print(f"{cost.axis} {cost.value}: {cost.attainment.reason}")
    console.print("$/M out: dollars for a million output tokens; ! where the objective is missed")


def _cells(cost: Cost, dearest: float) -> tuple[str, ...]:
    if isinstance(cost.attainment, Missing):
        return ("not possible", "", "", "", "", "")
    return (
        f"{'' if cost.kept else '! '}{cost.attainment:.2%}",
        f"{cost.mean_replicas:.2f}",
        f"{cost.max_replicas}",
        f"{cost.usd_per_hour:.2f}",
        f"{cost.usd_per_million_tokens:.3f}",
        "█" * max(1, round(_BAR * cost.usd_per_hour / dearest)),
    )
