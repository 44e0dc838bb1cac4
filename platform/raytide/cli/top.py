"""`raytide top`: what runs, looked at again and again."""

from __future__ import annotations

import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from raytide.autoscaling.missing import Missing
from raytide.cli.options import Address, ClusterFile
from raytide.core.errors import RaytideError
from raytide.operator.adapters.dashboard import Dashboard
from raytide.operator.screen import DecisionRow, JobRow, Screen, ServiceRow, screen_of
from raytide.operator.site import Site, site
from raytide.operator.status import services

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_BARS: Final = "▁▂▃▄▅▆▇█"
_SHOWN_LOOKS: Final = 8
Loads = defaultdict[str, deque[float]]
"""Requests per second of each service at the last looks, the oldest first."""


def top(
    address: Address = None,
    cluster: ClusterFile = None,
    every: Annotated[float, typer.Option("--every", min=0.2, metavar="SECONDS", help="Between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, as when the output is no terminal.")] = False,
) -> None:
    """Show services, jobs and decisions, live; Ctrl-C ends it."""
    from rich.console import Console

    where, loads = site(address, cluster), Loads(lambda: deque(maxlen=_SHOWN_LOOKS))
    jobs = Dashboard(where.address)
    first = _look(where, jobs)
    console = Console()
    if once or not sys.stdout.isatty():
        console.print(page(first, loads))
        return
    _live(console, first, loads, lambda: _look(where, jobs), every)


def _live(console: Any, first: Screen, loads: Loads, look: Callable[[], Screen], every_s: float) -> None:
    from rich.live import Live

    shown = first
    with (
        suppress(KeyboardInterrupt),  # how it is ended
        Live(page(first, _seen(loads, first)), console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            time.sleep(every_s)
            try:
                shown, problem = look(), ""
                _seen(loads, shown)
            except RaytideError as error:  # it may come back; what was seen last is no load of now
                problem = str(error)
            live.update(page(shown, loads, problem), refresh=True)


def _look(where: Site, jobs: Dashboard) -> Screen:
    return screen_of(where.address, services(where.dashboard), jobs.jobs(), time.time())


def _seen(loads: Loads, screen: Screen) -> Loads:
    for row in screen.services:
        if not isinstance(row.arrivals_per_s, Missing):
            loads[row.name + row.revision].append(row.arrivals_per_s)
    return loads


def page(screen: Screen, loads: Loads, problem: str = "") -> RenderableType:
    """All of it, one table below the other."""
    from rich.console import Group
    from rich.text import Text

    at = datetime.fromtimestamp(screen.at_s, UTC).strftime("%H:%M:%S UTC")
    title = Text.assemble(("raytide", "bold"), f"  {screen.cluster}  {at}  services {_usd(screen.usd_per_hour)}")
    parts: list[RenderableType] = [title, Text(problem, style="red")] if problem else [title]
    return Group(*parts, "", _services(screen, loads), "", _jobs(screen.jobs), "", _decisions(screen.decisions))


def _services(screen: Screen, loads: Loads) -> RenderableType:
    if not screen.services:
        return "no service runs; `raytide apply services/chat.yaml` starts one"
    table = _table("service", "replicas", "req/s", "", "run/q", "TTFT", "TPOT", "kept", "$/h")
    for row in screen.services:
        table.add_row(*_cells(row, loads[row.name + row.revision]), _num(row.usd_per_hour, ".2f"))
    return table


def _cells(row: ServiceRow, loads: deque[float]) -> Iterator[str]:
    yield " ".join([row.name, *(["canary"] if row.is_canary else []), *([row.state] if row.state != "running" else [])])
    starting = "" if isinstance(row.starting, Missing) or not row.starting else f" +{row.starting}"
    yield f"{_num(row.ready)}{starting} → {_num(row.target)}"
    yield _num(row.arrivals_per_s, ".1f")
    yield _line(loads)
    yield f"{_num(row.running)}/{_num(row.waiting)}"
    yield _ms(row.ttft_s)
    yield _ms(row.tpot_s)
    yield _attained(row)


def _attained(row: ServiceRow) -> str:
    if isinstance(row.attained, Missing) or isinstance(row.wanted, Missing):
        return "–"
    style = "green" if row.attained >= row.wanted else "red"
    return f"[{style}]{row.attained * 100:.1f}/{row.wanted * 100:g}%[/]"


def _jobs(jobs: tuple[JobRow, ...]) -> Table:
    from rich.markup import escape

    table = _table("job", "status", "took", "does", fills=True)
    for row in jobs:
        table.add_row(escape(row.job), row.status, _duration(row.took_s), escape(row.does))
    return table


def _decisions(decisions: tuple[DecisionRow, ...]) -> Table:
    from rich.markup import escape

    table = _table("decided", "service", "size", "why", fills=True)
    for row in decisions:
        at = datetime.fromtimestamp(row.at_s, UTC).strftime("%H:%M:%S")
        table.add_row(at, row.service, f"{row.previous} → {row.target}", escape(row.says))
    return table


def _table(*columns: str, fills: bool = False) -> Table:
    """Where it `fills` the line, the last column takes what the others leave."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), expand=fills)
    for column in columns:
        ratio = 1 if fills and column == columns[-1] else None
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=ratio)
    return table


def _line(loads: deque[float]) -> str:
    """The load of the last looks as bars, the highest full."""
    most = max(loads, default=0.0)
    return "".join(_BARS[round(load / most * (len(_BARS) - 1))] for load in loads) if most else ""


def _num(value: float | Missing, form: str = "d") -> str:
    return "–" if isinstance(value, Missing) else format(value, form)


def _ms(value: float | Missing) -> str:
    return "–" if isinstance(value, Missing) else f"{value * 1e3:.0f} ms"


def _usd(value: float | Missing) -> str:
    return "–" if isinstance(value, Missing) else f"${value:.2f}/h"


def _duration(value: float | Missing) -> str:
    if isinstance(value, Missing):
        return "–"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
