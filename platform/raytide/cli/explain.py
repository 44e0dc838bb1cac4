"""`raytide explain SERVICE`: why it has the size it has, and what would have changed that."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Final

import typer

from raytide.autoscaling.codec import plain
from raytide.autoscaling.explain.explain import explain as explained
from raytide.autoscaling.explain.explanation import Alternative, Counterfactual, Explanation, SeenVariant, Traffic
from raytide.autoscaling.explain.moment import Moment, moment, span_of
from raytide.autoscaling.missing import Missing
from raytide.cli.journals import journal_of, lines_of, read_lines
from raytide.cli.moments import parse_moment, said
from raytide.cli.options import AsJson
from raytide.core.errors import RaytideError
from raytide.core.units import format_duration

COLUMNS: Final = 80
_LABEL: Final = 12
_LONGEST_GAP_S: Final = 60.0
"""A decision that is this much older than the time asked for, and than three intervals, was not in force then."""


def explain(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name.")],
    at: Annotated[
        str | None,
        typer.Option(metavar="T", help="12:31 (UTC), an ISO time, or how long ago, as 90s or 5m. Default: the latest."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another journal, as of `simulate --journal`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what was seen and expected at a moment, what was decided, what bound it, and what would have changed it."""
    lines = read_lines(journal) if journal else lines_of(journal_of(service))
    found = _found(lines, at, time.time() if journal is None else None)
    told = explained(found)
    if as_json:
        typer.echo(json.dumps({"service": service, **plain(told)}, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(describe(service, told)))


def _found(lines: list[str], at: str | None, now_s: float | None) -> Moment:
    """The decision that was in force; times are counted from now, or from the end of a file."""
    span = span_of(lines)
    if isinstance(span, Missing):
        raise RaytideError(f"nothing to explain: {span.reason}")
    begin_s, end_s = span
    at_s = None if at is None else parse_moment(at, end_s if now_s is None else now_s)
    found = moment(lines, at_s)
    covers = f"the journal has decisions from {said(begin_s)} to {said(end_s)}"
    if isinstance(found, Missing):
        raise RaytideError(f"no decision at {said(at_s or end_s)}: {found.reason}; {covers}")
    decided_s, interval_s = found.entry.decision.at_s, found.entry.policy.interval_s
    if at_s is not None and at_s - decided_s > max(_LONGEST_GAP_S, 3 * interval_s):
        raise RaytideError(f"no decision at {said(at_s)}: the last one before it is of {said(decided_s)}; {covers}")
    return found


def describe(service: str, told: Explanation) -> Iterator[str]:
    """The explanation for people, on 80 columns."""
    yield f"{service} at {said(told.at_s)}"
    for target in told.targets:
        moved = f"{target.previous} → {target.target}" if target.previous != target.target else f"stays {target.target}"
        yield from _row("decided", f"{target.variant} {moved}, {_usd(target.usd_per_hour)}")
    binding = told.binding
    yield from _row("bound by", binding.reason if isinstance(binding, Missing) else f"{binding.rule}: {binding.says}")
    for reason in told.reasons[:-1]:
        yield from _row("after", f"{reason.rule}: {reason.says}")
    yield from _row("seen", _traffic(told.traffic, told.queued))
    for seen in told.seen:
        yield from _row("", _replicas(seen))
    yield from _row("forecast", _forecast(told))
    yield from _table("instead", (_alternative(each) for each in told.alternatives))
    yield from _table("changed by", (_change(each) for each in told.would_change))
    if told.would_not_change:
        yield from _row("unmoved by", "; ".join(told.would_not_change))
    if told.served:
        yield from _row("let in", ", ".join(f"{share:.0%} of {name}" for name, share in told.served.items()))


def _row(label: str, text: str) -> Iterator[str]:
    lines = wrap(text, COLUMNS - _LABEL - 2, break_long_words=False) or [""]
    yield f"  {label:<{_LABEL}}{lines[0]}".rstrip()
    yield from (f"  {'':<{_LABEL}}{line}" for line in lines[1:])


def _table(label: str, rows: Iterator[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield from _row(label if number == 0 else "", row)


def _traffic(traffic: Traffic | Missing, queued: int) -> str:
    waits = f"; {queued} requests wait for a first replica" if queued else ""
    if isinstance(traffic, Missing):
        return f"nothing: {traffic.reason}{waits}"
    kept = f"{traffic.attained} of {traffic.finished} requests kept their objectives"
    missed = f" ({traffic.missed_ttft} missed TTFT, {traffic.missed_tpot} TPOT)"
    misses = missed if traffic.attained < traffic.finished else ""
    failed = f", {traffic.errors} failed" if traffic.errors else ""
    came = f"{traffic.arrivals_per_s:.1f} requests/s over {format_duration(traffic.span_s)}{_lengths(traffic)}"
    return f"{came}; {kept}{misses}{failed}{waits}"


def _lengths(traffic: Traffic) -> str:
    if isinstance(traffic.prompt_tokens, Missing) or isinstance(traffic.output_tokens, Missing):
        return ""
    return f" of {traffic.prompt_tokens:,.0f} prompt and {traffic.output_tokens:,.0f} output tokens"


def _replicas(seen: SeenVariant) -> str:
    counts = {"ready": seen.ready, "starting": seen.starting, "draining": seen.draining}
    stand = ", ".join(f"{num} {state}" for state, num in counts.items() if num) or "none"
    if isinstance(seen.running, Missing) or isinstance(seen.waiting, Missing):
        return f"{seen.variant}: {stand}"
    return f"{seen.variant}: {stand}; {seen.running} requests run, {seen.waiting} wait"


def _forecast(told: Explanation) -> str:
    seen = told.outlook
    if isinstance(seen, Missing):
        return f"none: {seen.reason}"
    fan = f"{seen.need_q50:.1f} replicas' work expected, {seen.need_q90:.1f} at p90, {seen.need_q99:.1f} at p99"
    return f"in {seen.lead_s:.0f} s, when an order would serve: {fan}"


def _alternative(each: Alternative) -> str:
    mark = "→" if each.chosen else " "
    unit = "replica " if each.replicas == 1 else "replicas"
    return f"{mark} {each.replicas} {unit}  {_usd(each.usd_per_hour):>11}  {each.missing_share:7.2%} would miss"


def _change(each: Counterfactual) -> str:
    mix = " + ".join(f"{num} {name}" for name, num in each.targets.items() if num) or "none"
    return f"{each.change} → {mix}, {_usd(each.usd_per_hour)}"


def _usd(price: float | Missing) -> str:
    return "price unknown" if isinstance(price, Missing) else f"${price:,.2f}/h"
