"""`raytide simulate`: one policy, one trace, and what it was worth beside the cheapest plan."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case, warm_up
from raytide.autoscaling.simulate.feasible import require_feasible
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle, clairvoyant
from raytide.autoscaling.simulate.policies import ORACLE, RAYTIDE, Entrant, entrant, require_known
from raytide.autoscaling.simulate.result import Result, played_by, reference_of, result_of
from raytide.autoscaling.simulate.run import Played
from raytide.cli import simulation as shared
from raytide.cli.options import Overrides, ServiceFile
from raytide.cli.progress import Line
from raytide.cli.values import BadOption


def simulate(
    file: ServiceFile,
    trace: Annotated[Path, typer.Option(metavar="FILE", help="Requests: CSV, JSON lines or a ServeGen folder.")],
    policy: Annotated[str, typer.Option(metavar="NAME", help="raytide, a peer, static-peak or oracle.")] = RAYTIDE,
    cold_start: shared.ColdStart = None,
    seed: shared.Seed = 0,
    json_: shared.JsonFile = None,
    times: shared.Times = 1,
    spread: shared.SpreadBy = "jitter",
    laps: shared.Laps = 2,
    router: shared.RouterName = "least-loaded",
    metric_delay: shared.MetricDelay = "1s",
    metric_loss: shared.MetricLoss = "0%",
    start_spread: shared.StartSpread = 0.0,
    initial: shared.Initial = None,
    oracle: shared.WantOracle = None,
    decisions: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every change as JSON lines.")] = None,
    journal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every decision of raytide, for `raytide journal replay`.")
    ] = None,
    page: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write a page with plots.")] = None,
    catalog: shared.CatalogFile = None,
    set_: Overrides = None,
) -> None:
    """Play a trace against a policy, and score attainment, latency, cost and calm.

    The last lap is scored; `cold` in the JSON is the first one, in which the controller knows nothing yet.
    """
    require_known(policy)
    shared.require_writable(json_, decisions, page, journal)
    _, _, terms = shared.declared(file, set_, catalog)
    conditions = shared.conditions_of(
        cold_start=cold_start,
        seed=seed,
        laps=laps,
        router=router,
        metric_delay=metric_delay,
        metric_loss=metric_loss,
        start_spread=start_spread,
        initial=initial,
    )
    shared.require_initial(conditions, terms)
    case = Case(trace=shared.scaled(trace, terms, times, spread, seed), terms=terms, conditions=conditions)
    require_feasible(case.trace, terms)
    with Line() as line:
        found = _oracle(case, oracle, policy, line)
        line.show(f"playing {len(case.trace):,} requests against {policy}")
        warm_up(case)
        entered = entrant(policy, case, oracle=None if isinstance(found, Missing) else found)
        played, wall_s = _played(entered, journal)
    result = result_of(policy, entered, played, reference_of(case, found), wall_s)
    if json_ != "-":
        typer.echo("\n".join((*_lines(result, case), *case.trace.notes)))
    if decisions:
        shared.write_text(decisions, "".join(f"{line}\n" for line in _changes(played.decisions)))
    if page:
        shared.write_text(page, _page(file, entered, played, result, found))
    if json_:
        shared.write_json(json_, result.to_json())


def _played(entered: Entrant, journal: Path | None) -> tuple[Played, float]:
    if journal is None:
        return played_by(entered, time.perf_counter)
    from raytide.autoscaling.journal import write
    from raytide.autoscaling.policy import Raytide
    from raytide.autoscaling.simulate.recorded import Recorded

    if not isinstance(entered.policy, Raytide):
        raise BadOption(f"--journal writes what raytide decides, and {entered.policy.name} plays; use --decisions")
    recorded = Recorded(policy=entered.policy)
    played = played_by(replace(entered, policy=recorded), time.perf_counter)
    shared.write_text(journal, "".join(write(recorded.entries)))
    return played


def _oracle(case: Case, asked: bool | None, policy: str, line: Line) -> Oracle | Missing:
    if policy != ORACLE and not shared.wants_oracle(asked, case.trace):
        return Missing(reason=f"not searched for {len(case.trace):,} requests; --oracle does")
    line.show("searching the cheapest plan in hindsight")
    return clairvoyant(case.trace, case.terms, case.conditions)


def _changes(decisions: tuple[Decision, ...]) -> Iterator[str]:
    for decision in decisions:
        changes = [
            {
                "variant": wanted.variant,
                "from": wanted.previous,
                "to": wanted.target,
                "reasons": [{**asdict(reason), "facts": dict(reason.facts)} for reason in wanted.reasons],
            }
            for wanted in decision.changes
        ]
        shares = {"served": decision.served, "reasons": [asdict(reason) for reason in decision.reasons]}
        line = {"at_s": decision.at_s, "changes": changes, **(shares if decision.served else {})}
        yield json.dumps(line, default=float, ensure_ascii=False)


def _page(file: Path, entered: Entrant, played: Played, result: Result, oracle: Oracle | Missing) -> str:
    from raytide.autoscaling.simulate.curves import changes_of, curves_of
    from raytide.autoscaling.simulate.league import ranked, row_of
    from raytide.autoscaling.simulate.page import Page, Section, html_of

    terms = entered.case.terms
    section = Section(
        trace=result.trace,
        runs=((result.policy, curves_of(played, terms)),),
        oracle=oracle if isinstance(oracle, Missing) else oracle.plan,
        ttft_s=terms.objective.ttft_s,
        changes=changes_of(played.decisions),
    )
    row = row_of([result], terms.objective.attainment)
    return html_of(Page(title=file.stem, terms=terms, entries=ranked({result.policy: row}), sections=(section,)))


def _lines(result: Result, case: Case) -> Iterator[str]:
    score, objective = result.score, case.terms.objective
    verdict = "keeps" if score.attainment >= objective.attainment else "misses"
    yield f"{result.policy} on {result.trace}: {score.requests:,} requests, cold start {result.cold_start_s:g} s"
    yield f"  attainment  {score.attainment:.2%}, {verdict} the objective of {objective.attainment:g}"
    yield f"  first lap   {result.cold.attainment:.2%} for ${result.cold.cost_usd:,.2f}"
    yield f"  TTFT        p50 {score.ttft_p50_s:.3f} s, p99 {score.ttft_p99_s:.3f} s"
    yield f"  TPOT        p50 {1000 * score.tpot_p50_s:.1f} ms, p99 {1000 * score.tpot_p99_s:.1f} ms"
    yield f"  cost        ${score.cost_usd:,.2f}, {score.gpu_hours:,.2f} GPU hours"
    yield f"  oracle      {_beside(result, case)}"
    yield f"  replicas    mean {score.mean_replicas:.2f}, most {score.max_replicas}"
    yield f"  steering    {score.changes} changes, {score.flaps} taken back within ten minutes"
    yield f"  recovery    {score.recovery_s:.0f} s, {score.aborted} requests aborted"
    if score.attainment_by_class:
        kept = ", ".join(f"{name} {share:.2%}" for name, share in score.attainment_by_class.items())
        yield f"  classes     {kept}; {score.shed:,} requests turned away"
    yield f"  took        {result.wall_s:.2f} s"


def _beside(result: Result, case: Case) -> str:
    first, *others = case.terms.variants
    cost, over, kept = result.reference.cost_usd, result.cost_over_oracle, result.reference.attainment
    if isinstance(cost, Missing) or isinstance(over, Missing) or isinstance(kept, Missing):
        return cost.reason if isinstance(cost, Missing) else "its plan costs nothing"
    alone = f" of {first.name} alone" if others else ""
    attained = f", and even it attains only {kept:.2%} within the service's bounds"
    misses = attained if kept < case.terms.objective.attainment else ""
    return f"${cost:,.2f}, so this is {over:.3f} times the cheapest plan found{alone}{misses}"
