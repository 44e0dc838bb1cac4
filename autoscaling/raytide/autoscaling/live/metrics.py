"""Ray's own metrics, as the exporter of its dashboard and any Prometheus see them.

Counts are counters and no histograms: Ray 2.60 exports a histogram's sum from the middles of its buckets
(`record_histogram_aggregated_batch`), so that a mean would say what the buckets are and not what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from raytide.autoscaling.live.measures import COUNTED, NAMES, Measure

TAGS: Final = {
    "raytide_desired_replicas": ("variant",),
    "raytide_usd_per_hour": ("variant",),
    "raytide_predicted_attainment": (),
    "raytide_forecast_replicas": ("quantile",),
    "raytide_forecast_coverage": ("quantile",),
    "raytide_binding_constraint": ("rule",),
    "raytide_served_share": ("class",),
    "raytide_learnt_cold_start_seconds": ("variant",),
    "raytide_cold_starts": ("variant", "outcome"),
    "raytide_cold_start_seconds": ("variant",),
    "raytide_lost_replicas": ("variant",),
}


class Metrics:
    """Of one revision of a service; each is made when it is first shown, because Ray must run by then."""

    def __init__(self, service: str, revision: str) -> None:
        self._tags = {"service": service, "revision": revision}
        self._made: dict[str, Any] = {}

    def show(self, measures: Iterable[Measure]) -> None:
        """Set the gauges to these values, and add them to the counters."""
        for measure in measures:
            metric, tags = self._metric(measure.name), {**self._tags, **measure.tags}
            if measure.name in COUNTED:
                metric.inc(measure.value, tags=tags)
            else:
                metric.set(measure.value, tags=tags)

    def _metric(self, name: str) -> Any:
        if name not in self._made:
            from ray.util.metrics import Counter, Gauge

            kind, says = (Counter, COUNTED[name]) if name in COUNTED else (Gauge, NAMES[name])
            self._made[name] = kind(name, description=says, tag_keys=(*self._tags, *TAGS[name]))
        return self._made[name]
