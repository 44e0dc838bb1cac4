"""What the brain writes down: every decision that differs from the one before, and what replicas have cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raytide.autoscaling.live import journal
from raytide.autoscaling.live.attainment import Attainment
from raytide.autoscaling.live.decided import Decision
from raytide.autoscaling.live.reports import Observation
from raytide.autoscaling.live.sizing import Limits, shortfall
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.spend import Spend

KEPT_RECORDS = 500
"""Records that the status shows; the file keeps all."""


class Ledger:
    """Decisions and spend of one service since its brain started."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._records: deque[dict[str, Any]] = deque(maxlen=KEPT_RECORDS)
        self._last: dict[str, tuple[int, int, str]] = {}
        self._last_at_s: float | None = None
        self.spend = Spend()
        self.attainment = Attainment()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The kept records, oldest first."""
        return list(self._records)

    def enter(self, decision: Decision, num_holding: int, usd_per_hour: float | Missing) -> None:
        """Account the time since the previous decision, and record what changed."""
        if self._last_at_s is not None:
            self.spend = self.spend.after(num_holding, decision.at_s - self._last_at_s, usd_per_hour)
        self._last_at_s = decision.at_s
        self._record([entry for entry in journal.record(decision) if self._is_news(entry)])

    def judge(self, observation: Observation, limits: Limits) -> None:
        """Enter whether every variant kept its objectives over the window that ends now."""
        for view in observation.variants:
            if not isinstance(view.traffic, Missing):
                self.attainment = self.attainment.after(shortfall(view.traffic.samples, limits))

    def _is_news(self, entry: dict[str, Any]) -> bool:
        """Whether the target moved or another rule binds: a steady service writes nothing."""
        key = (entry["previous"], entry["target"], entry["rule"])
        news = entry["previous"] != entry["target"] or self._last.get(entry["variant"]) != key
        self._last[entry["variant"]] = key
        return news

    def _record(self, entries: Sequence[dict[str, Any]]) -> None:
        self._records.extend(entries)
        if self.file is None or not entries:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(journal.line(entry) for entry in entries)
