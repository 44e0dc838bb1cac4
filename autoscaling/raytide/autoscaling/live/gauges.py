"""Ray's own metrics, as the exporter of its dashboard and any Prometheus see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from raytide.autoscaling.live.measures import NAMES, Measure

_TAGS: Final = {
    "raytide_desired_replicas": ("variant",),
    "raytide_usd_per_hour": ("variant",),
    "raytide_predicted_attainment": (),
    "raytide_forecast_replicas": ("quantile",),
    "raytide_binding_constraint": ("rule",),
    "raytide_served_share": ("class",),
}


class Gauges:
    """The gauges of one revision of a service; made at the first decision, because Ray must run by then."""

    def __init__(self, service: str, revision: str) -> None:
        self._tags = {"service": service, "revision": revision}
        self._gauges: dict[str, Any] = {}

    def show(self, measures: Iterable[Measure]) -> None:
        """Set the gauges to these values."""
        for measure in measures:
            self._gauge(measure.name).set(measure.value, tags={**self._tags, **measure.tags})

    def _gauge(self, name: str) -> Any:
        if name not in self._gauges:
            from ray.util.metrics import Gauge

            self._gauges[name] = Gauge(name, description=NAMES[name], tag_keys=(*self._tags, *_TAGS[name]))
        return self._gauges[name]
