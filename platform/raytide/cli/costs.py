"""What each alternative of a what-if costs and keeps: by simulation, or by the closed-form model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.analytic import Sized, sized
from raytide.autoscaling.simulate.result import plain
from raytide.autoscaling.simulate.score import Score
from raytide.cli.alternatives import Alternative
from raytide.cli.cells import Cell, gathered, played, pool_of
from raytide.cli.progress import Line

_UNPLAYED: Final = Missing(reason="not played")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an alternative costs and keeps; or why it cannot be."""

    axis: str
    value: str
    attainment: float | Missing
    kept: bool = False
    mean_replicas: float = 0.0
    max_replicas: int = 0
    usd_per_hour: float = 0.0
    usd_per_million_tokens: float = 0.0
    """Of output tokens."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        if isinstance(self.attainment, Missing):
            return {"axis": self.axis, "value": self.value, "infeasible": self.attainment.reason}
        return {
            "axis": self.axis,
            "value": self.value,
            "attainment": self.attainment,
            "kept": self.kept,
            "mean_replicas": self.mean_replicas,
            "max_replicas": self.max_replicas,
            "usd_per_hour": plain(self.usd_per_hour),
            "usd_per_million_output_tokens": plain(self.usd_per_million_tokens),
        }


def simulated(others: Sequence[Alternative], policy: str, jobs: int | None) -> list[Cost]:
    """Each different case once; alternatives that share one share its run."""
    cases = {id(other.case): other.case for other in others if not isinstance(other.case, Missing)}
    places = {key: place for place, key in enumerate(cases)}
    cells = {
        number: Cell(policy=policy, case=places[id(other.case)], num_standing=other.num_standing)
        for number, other in enumerate(others)
        if not isinstance(other.case, Missing)
    }
    with Line() as line, pool_of(tuple(cases.values()), jobs) as pool:
        futures = {cell: pool.submit(played, cell) for cell in dict.fromkeys(cells.values())}
        outcomes = gathered(futures, line.show, "alternatives played")
    scores = {number: outcomes[cell].result.score for number, cell in cells.items()}
    return [_cost(other, scores.get(number, _UNPLAYED)) for number, other in enumerate(others)]


def calculated(others: Sequence[Alternative]) -> list[Cost]:
    """By the closed-form model, in this process."""
    return [
        _cost(other, other.case if isinstance(other.case, Missing) else sized(other.case.trace, other.case.terms))
        for other in others
    ]


def _cost(other: Alternative, found: Score | Sized | Missing) -> Cost:
    if isinstance(other.case, Missing) or isinstance(found, Missing):
        reason = other.case if isinstance(other.case, Missing) else found
        assert isinstance(reason, Missing)
        return Cost(axis=other.axis, value=other.value, attainment=reason)
    trace = other.case.trace
    return Cost(
        axis=other.axis,
        value=other.value,
        attainment=found.attainment,
        kept=found.attainment >= other.case.terms.objective.attainment,
        mean_replicas=found.mean_replicas,
        max_replicas=found.max_replicas,
        usd_per_hour=found.cost_usd / trace.span_s * 3600,
        usd_per_million_tokens=found.cost_usd / float(trace.output_tokens.sum(dtype="f8")) * 1e6,
    )
