"""`raytide cost`: who held the cluster's accelerators, what that cost, and what would have cost less."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any, Final

import typer

from raytide.autoscaling.missing import Missing
from raytide.cli.ledgers import LedgerUrl, existing
from raytide.cli.moments import said
from raytide.cli.options import AsJson, ClusterFile
from raytide.cli.values import BadOption, duration_s, unknown
from raytide.core.errors import RaytideError
from raytide.operator.cost.account import Account, account, month
from raytide.operator.cost.bill import BY, Line, lines
from raytide.operator.cost.forecast import MonthForecast
from raytide.operator.cost.idle import Idle, idle_report
from raytide.operator.cost.rounding import apportioned
from raytide.operator.site import Site, site
from raytide.services.accounting.book import Book

_NANO: Final = 10**9
_DOLLAR: Final = 10**9
"""In billionths of a dollar; from here on cents are small enough."""
_LONGEST_S: Final = 3650 * 86_400
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cost(
    by: Annotated[str, typer.Option(help=f"What to add up: {', '.join(BY)}.")] = "team",
    since: Annotated[str, typer.Option(help="How long ago it begins, as 24h or 7d.")] = "7d",
    idle: Annotated[bool, typer.Option("--idle", help="Say what idle accelerators cost, and what saves it.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    cluster: ClusterFile = None,
    ledger: LedgerUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show who held accelerators and what that cost; every accelerator-second is in one line, idle ones included."""
    if by not in BY:
        raise unknown("--by", by, tuple(BY))
    if as_csv and as_json:
        raise BadOption("--csv and --json exclude each other; write one of them")
    where, now_ns, lasting_s = site(None, cluster), time.time_ns(), duration_s("--since", since)
    if lasting_s > _LONGEST_S:
        raise BadOption(f"--since is {since!r}; write {_LONGEST_S // 86_400}d at most")
    engine = existing(ledger, where)
    if engine is None:
        raise _nothing(since)
    book = Book(engine)
    found = account(book, now_ns - round(lasting_s * _NANO), now_ns)
    if not found.shares:
        raise _nothing(since)
    bill = lines(found.shares, BY[by], found.spans.jobs)
    if as_csv:
        _write_csv(by, bill)
    elif as_json:
        typer.echo(json.dumps(_plain(found, by, bill, month(book, now_ns), _causes(found, where)), indent=2))
    else:
        typer.echo("\n".join([*_said(found, by, bill), _said_month(month(book, now_ns))]))
        if idle:
            typer.echo("\n".join(_said_idle(_causes(found, where), where)))


def _nothing(since: str) -> RaytideError:
    return RaytideError(
        f"nothing was accounted within {since}: the accountant runs beside the gateway, from the first "
        "`raytide apply` on; if that was elsewhere, set RAYTIDE_HOME or --ledger as there"
    )


def _causes(found: Account, where: Site) -> tuple[Idle, ...]:
    if where.cluster is None:
        return ()
    spec = where.cluster.spec
    return idle_report(found.spans, spec.pools, spec.kubernetes.idle_timeout, found.from_ns, found.until_ns)


def _said(found: Account, by: str, bill: Sequence[Line]) -> Iterator[str]:
    total = sum((line.nano_usd for line in bill), Fraction(0))
    money = [*_dollars([line.nano_usd for line in bill]), *_dollars([total])]
    hours = [_hours(line.hours) for line in bill]
    rows = [(by, "accelerator-hours", "$", "share", "")]
    for line, held, usd in zip(bill, hours, money[:-1], strict=True):
        share = f"{float(line.nano_usd / total):.1%}" if total else "unpriced"
        rows.append((line.name, held, usd, share, _notes(line)))
    rows.append(("together", _hours(_together(bill)), money[-1], "100.0%" if total else "", ""))
    yield f"from {said(found.from_ns / _NANO)} until {said(found.until_ns / _NANO)}"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, held, usd, share, notes in rows:
        text = f"{name:<{widths[0]}}  {held:>{widths[1]}}  {usd:>{widths[2]}}  {share:>{widths[3]}}  {notes}"
        yield text.rstrip()


def _together(bill: Sequence[Line]) -> Mapping[str, Fraction]:
    kinds = sorted({kind for line in bill for kind in line.hours})
    return {kind: sum((line.hours.get(kind, Fraction(0)) for line in bill), Fraction(0)) for kind in kinds}


def _hours(hours: Mapping[str, Fraction]) -> str:
    return ", ".join(f"{float(held):,.2f} {kind}" for kind, held in hours.items())


def _notes(line: Line) -> str:
    unpriced = f"{float(line.unpriced_hours):,.2f} h of no declared pool" if line.unpriced_hours else ""
    return "; ".join(note for note in (line.status.lower(), unpriced) if note)


def _dollars(amounts: Sequence[Fraction]) -> list[str]:
    """Of billionths, to the cent, and to the millionth where all are together less than a dollar."""
    digits = 2 if sum(amounts) >= _DOLLAR else 6
    parts = apportioned([amount * 10**digits / _NANO for amount in amounts])
    return [f"{part / 10**digits:,.{digits}f}" for part in parts]


def _said_month(forecast: MonthForecast | Missing) -> str:
    if isinstance(forecast, Missing):
        return f"this month: {forecast.reason}"
    so_far, expected, low, high = (
        float(each) / _NANO for each in (forecast.so_far, forecast.expected, forecast.low, forecast.high)
    )
    return f"this month: ${so_far:,.2f} so far, ${expected:,.2f} expected (${low:,.2f} to ${high:,.2f})"


def _said_idle(causes: Sequence[Idle], where: Site) -> Iterator[str]:
    if where.cluster is None:
        yield "idle: no cluster file declares the pools (--cluster)"
    for one in causes:
        yield f"idle in {one.pool}: ${one.usd:,.4f} for {one.why}"
        yield f"  {one.action}: up to ${one.saves_usd:,.4f} less"


def _write_csv(by: str, bill: Sequence[Line]) -> None:
    """Accelerator-nanoseconds would be exact and nobody's unit: hours and dollars to the billionth add up, too.

    Every cell is quoted, and names are no formulas (OWASP, CSV injection): a job is called as who submits it likes.
    """
    kinds = list(_together(bill))
    usd = apportioned([line.nano_usd for line in bill])
    columns = {kind: apportioned([line.hours.get(kind, Fraction(0)) * _NANO for line in bill]) for kind in kinds}
    rows = csv.writer(sys.stdout, quoting=csv.QUOTE_ALL)
    rows.writerow([by, "status", "usd", *(f"{kind}_hours" for kind in kinds), "unpriced_hours"])
    for place, line in enumerate(bill):
        held = [_billionths(columns[kind][place]) for kind in kinds]
        unpriced = _billionths(round(line.unpriced_hours * _NANO))
        rows.writerow([_no_formula(line.name), line.status, _billionths(usd[place]), *held, unpriced])


def _no_formula(name: str) -> str:
    """With an apostrophe before it where a spreadsheet would compute it."""
    return f"'{name}" if name.startswith(_FORMULA) else name


def _billionths(number: int) -> str:
    return f"{number // _NANO}.{number % _NANO:09d}"


def _plain(
    found: Account, by: str, bill: Sequence[Line], forecast: MonthForecast | Missing, causes: Sequence[Idle]
) -> dict[str, Any]:
    usd = apportioned([line.nano_usd for line in bill])
    return {
        "by": by,
        "from_s": found.from_ns / _NANO,
        "until_s": found.until_ns / _NANO,
        "lines": [
            {
                "name": line.name,
                "status": line.status or None,
                "nano_usd": usd[place],
                "hours": {kind: float(held) for kind, held in line.hours.items()},
                "unpriced_hours": float(line.unpriced_hours),
            }
            for place, line in enumerate(bill)
        ],
        "month": _plain_month(forecast),
        "idle": [
            {"pool": one.pool, "why": one.why, "usd": one.usd, "action": one.action, "saves_usd": one.saves_usd}
            for one in causes
        ],
    }


def _plain_month(forecast: MonthForecast | Missing) -> dict[str, Any]:
    if isinstance(forecast, Missing):
        return {"missing": forecast.reason}
    names = ("so_far", "expected", "low", "high")
    return {f"{name}_nano_usd": round(getattr(forecast, name)) for name in names}
