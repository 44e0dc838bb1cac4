"""The league as it is played: every policy on every case, tuning apart from scoring, oracles beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.league import Entry, Row, ranked, row_of
from raytide.autoscaling.simulate.oracle.clairvoyant import Oracle
from raytide.autoscaling.simulate.policies import settings_of
from raytide.autoscaling.simulate.result import Reference, Result, plain, reference_of
from raytide.autoscaling.simulate.tune import best_setting, said
from raytide.autoscaling.terms import Terms
from raytide.cli import simulation as shared
from raytide.cli.cells import Cell, Outcome, Pool, gathered, played, pool_of, searched
from raytide.cli.progress import Line


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class League:
    """Everything that was played, by cell; references by case."""

    cases: tuple[Case, ...]
    oracles: Mapping[int, Oracle]
    references: Mapping[int, Reference]
    outcomes: Mapping[Cell, Outcome]
    """Of the scored cases, defaults and tuned settings."""
    tuned: Mapping[str, int]
    """The chosen setting of each family; empty without tuning."""

    @property
    def attainment(self) -> float:
        """The objective's."""
        return self.cases[0].terms.objective.attainment

    def rows(self, settings: Mapping[str, int]) -> dict[str, Row]:
        """The rows of the policies in these settings."""
        return {
            name: row_of(
                [self.outcomes[Cell(policy=name, case=c, setting=s)].result for c in range(len(self.cases))],
                self.attainment,
            )
            for name, s in settings.items()
        }

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The table, best first."""
        names = dict.fromkeys(cell.policy for cell in self.outcomes)
        return ranked(self.rows(dict.fromkeys(names, 0)), self.rows(self.tuned))


def play_league(
    names: Sequence[str],
    scored: tuple[Case, ...],
    development: tuple[Case, ...],
    want_oracle: bool | None,
    jobs: int | None,
) -> League:
    """The league of these policies: on the scored cases as they come, and as tuned on the development cases."""
    cells = [Cell(policy=name, case=case) for name in names for case in range(len(scored))]
    trials = _trials(names, range(len(scored), len(scored) + len(development)))
    with Line() as line, pool_of((*scored, *development), jobs) as pool:
        line.show(f"playing {len(names)} policies on {len(scored)} runs of the traces")
        searches = _searches(scored, want_oracle, pool)
        outcomes = _gathered(cells, trials, pool, line)
        tuned = _chosen(outcomes, trials, scored[0].terms)
        chosen = [Cell(policy=name, case=c, setting=s) for name, s in tuned.items() for c in range(len(scored))]
        outcomes |= _gathered([cell for cell in chosen if cell not in outcomes], [], pool, line)
        oracles = gathered(searches, line.show, "plans searched")
    unsearched = Missing(reason="not searched")
    references = {c: reference_of(case, oracles.get(c, unsearched)) for c, case in enumerate(scored)}
    final = {cell: _beside(outcomes[cell], references[cell.case]) for cell in dict.fromkeys((*cells, *chosen))}
    return League(cases=scored, oracles=oracles, references=references, outcomes=final, tuned=tuned)


def _trials(names: Sequence[str], cases: Sequence[int]) -> list[Cell]:
    """Every setting of every family on these cases."""
    settings = {name: range(len(settings_of(name))) for name in names} if cases else {}
    return [Cell(policy=name, case=c, setting=s) for name, own in settings.items() for s in own for c in cases]


def _gathered(cells: Sequence[Cell], trials: Sequence[Cell], pool: Pool, line: Line) -> dict[Cell, Outcome]:
    return gathered({cell: pool.submit(played, cell) for cell in (*trials, *cells)}, line.show, "runs played")


def _beside(outcome: Outcome, reference: Reference) -> Outcome:
    return replace(outcome, result=replace(outcome.result, reference=reference))


def _searches(scored: Sequence[Case], asked: bool | None, pool: Pool) -> dict[int, Future[Oracle]]:
    """The searches go first, because they take longest; on all traces or on none, so that rows compare."""
    wanted = all(shared.wants_oracle(asked, case.trace) for case in scored)
    return {c: pool.submit(searched, c) for c in range(len(scored))} if wanted else {}


def _chosen(outcomes: Mapping[Cell, Outcome], trials: Sequence[Cell], terms: Terms) -> dict[str, int]:
    by_policy: dict[str, dict[int, list[Result]]] = {}
    for cell in trials:
        by_policy.setdefault(cell.policy, {}).setdefault(cell.setting, []).append(outcomes[cell].result)
    return {name: best_setting(own, terms.objective.attainment) for name, own in by_policy.items()}


def json_of(league: League) -> dict[str, Any]:
    """Plain data: every run, the oracles, the chosen settings, and the table."""
    return {
        "rows": [
            {**outcome.result.to_json(), "setting": _setting(cell), "column": "tuned" if cell.setting else "default"}
            for cell, outcome in league.outcomes.items()
        ],
        "oracles": [
            {**_reference(league.references[c]), "trace": case.trace.name, "seed": case.conditions.seed}
            for c, case in enumerate(league.cases)
        ],
        "settings": {name: _setting(Cell(policy=name, case=0, setting=s)) for name, s in league.tuned.items()},
        "league": [
            {"default": e.default.to_json(), "tuned": None if isinstance(e.tuned, Missing) else e.tuned.to_json()}
            for e in league.entries
        ],
    }


def _reference(reference: Reference) -> dict[str, Any]:
    return {
        "cost_usd": plain(reference.cost_usd),
        "attainment": plain(reference.attainment),
        "fluid_cost_usd": plain(reference.fluid_cost_usd),
    }


def _setting(cell: Cell) -> str:
    settings = settings_of(cell.policy)
    return said(settings[cell.setting], settings[0]) if settings else "found in hindsight"
