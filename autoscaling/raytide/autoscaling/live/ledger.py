"""What a brain shows of its life: every decision that differs from the one before, requests, attainment and spend."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from raytide.autoscaling.decision import Decision, Reason, VariantDecision
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.kept import Kept
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Demand, Observation
from raytide.autoscaling.spend import Spend
from raytide.autoscaling.terms import Terms

KEPT_RECORDS: Final = 500
SHOWN_S: Final = 60.0
"""Of demand: long enough for a quantile, short enough to be the present."""


class Ledger:
    """Decisions, demand and spend of one service."""

    def __init__(self, spend: Spend | None = None, kept: Kept | None = None) -> None:
        self.spend = spend or Spend()
        self.kept = kept or Kept()
        self.last: Observation | None = None
        self._demands: deque[tuple[float, Demand]] = deque()
        self._records: deque[dict[str, Any]] = deque(maxlen=KEPT_RECORDS)
        self._bound: dict[str, tuple[int, int, str]] = {}

    @property
    def records(self) -> list[dict[str, Any]]:
        """The kept records, oldest first."""
        return list(self._records)

    @property
    def demands(self) -> list[Demand]:
        """What was seen of the last minute, oldest first."""
        return [demand for _, demand in self._demands]

    def enter(self, observation: Observation, decision: Decision, fleets: Sequence[Fleet], terms: Terms) -> None:
        """Account the time since the previous decision, and record what is new."""
        elapsed_s = decision.at_s - self.last.at_s if self.last else 0.0
        for fleet in fleets:
            price = terms.variant(fleet.variant).usd_per_hour
            self.spend = self.spend.after(fleet.num_holding, elapsed_s, price)
        self.last = observation
        if not isinstance(observation.demand, Missing):
            self.kept = self.kept.after(observation.demand.finished)
            self._demands.append((decision.at_s, observation.demand))
        while self._demands and decision.at_s - self._demands[0][0] >= SHOWN_S:
            self._demands.popleft()
        self._records.extend(entry for entry in records_of(decision, terms) if self._is_news(entry))

    def _is_news(self, entry: dict[str, Any]) -> bool:
        """Whether the target moved or another rule binds: a steady service has nothing to tell."""
        key = (entry["previous"], entry["target"], entry["rule"])
        news = entry["previous"] != entry["target"] or self._bound.get(entry["variant"]) != key
        self._bound[entry["variant"]] = key
        return news


def records_of(decision: Decision, terms: Terms) -> Iterator[dict[str, Any]]:
    """One plain record per variant, with the price of its target and every number that the decision rests on."""
    for variant in decision.variants:
        yield _record(decision.at_s, variant, terms.variant(variant.variant).usd_per_hour)


def _record(at_s: float, variant: VariantDecision, price: float | Missing) -> dict[str, Any]:
    return {
        "at_s": round(at_s, 3),
        "variant": variant.variant,
        "previous": variant.previous,
        "target": variant.target,
        "rule": str(variant.binding.rule),
        "usd_per_hour": None if isinstance(price, Missing) else variant.target * price,
        "reasons": [_reason_record(reason) for reason in variant.reasons],
    }


def _reason_record(reason: Reason) -> dict[str, Any]:
    return {
        "rule": str(reason.rule),
        "says": reason.says,
        "facts": {name: round(value, 4) for name, value in reason.facts.items()},
    }
