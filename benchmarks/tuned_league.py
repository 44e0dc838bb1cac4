"""The league with equal chances: python benchmarks/tuned_league.py DATA [--cold-start S] [--seeds N] [--json OUT].

Every family has twelve settings. They are tried on development draws (Azure code, the staircase and half an hour of a
ServeGen day, of a seed that is not scored), and the best of them is scored beside the default: on Azure conv, Azure
code, the staircase and an hour of another ServeGen day, each drawn once per seed. Costs are dollars, because the
clairvoyant plans of so many traces would take hours; intervals are 95 % of their geometric mean, by bootstrap over the
seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from reference_case import reference_terms

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.case import Case
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.league import Row
from raytide.autoscaling.simulate.policies import LEAGUE
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import development, slice_s
from raytide.autoscaling.terms import Terms
from raytide.cli.league import json_of, play_league

SCORED_S: Final = {
    "azure-conv-x8": None,
    "azure-code-x8": None,
    "llm-d-staircase-x5": None,
    "servegen-mild-1": 3600.0,
}
"""The workloads, and how much of each is played; all of it where None."""
TUNED_ON_S: Final = {"azure-code-x8": None, "llm-d-staircase-x5": None, "servegen-mild-2": 1800.0}
_TUNING_SEED: Final = 100


def main() -> None:
    """The table, the best tuned family first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds traces/")
    parser.add_argument("--cold-start", type=float, default=120.0, help="seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--policy", nargs="*", default=list(LEAGUE))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    terms = reference_terms(given.cold_start)
    scored = [case for seed in range(given.seeds) for case in _cases(given.data, SCORED_S, terms, seed)]
    league = play_league(
        given.policy, tuple(scored), tuple(_cases(given.data, TUNED_ON_S, terms, _TUNING_SEED)), False, None
    )
    for entry in league.entries:
        tuned = "" if isinstance(entry.tuned, Missing) else _said(entry.tuned)
        print(f"{entry.default.policy:20} {_said(entry.default):58} {tuned}")
    if given.json:
        given.json.write_text(json.dumps(json_of(league), indent=1) + "\n")


def _cases(data: Path, parts_s: dict[str, float | None], terms: Terms, seed: int) -> Sequence[Case]:
    drawn = development(data, seed, only=tuple(parts_s))
    conditions = Conditions(seed=seed)
    return [
        Case(trace=_part(drawn[name], length_s), terms=terms, conditions=conditions)
        for name, length_s in parts_s.items()
    ]


def _part(trace: Trace, length_s: float | None) -> Trace:
    return trace if length_s is None else replace(slice_s(trace, 0.0, length_s), name=trace.name)


def _said(row: Row) -> str:
    spread = "" if isinstance(row.interval, Missing) else f" [{row.interval[0]:.2f}, {row.interval[1]:.2f}]"
    return f"{row.num_kept}/{len(row.standings)} kept  ${row.relative:.2f}{spread}  worst {row.attainment:.2%}"


if __name__ == "__main__":
    main()
