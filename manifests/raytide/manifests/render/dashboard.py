"""The Grafana dashboard of a platform's services, as a ConfigMap that Grafana's sidecar finds by its label.

Panels ask for what the brain, the gateways and training runs export (`autoscaling/live/measures.py`,
`services/gateway/metrics.py`, `jobs/train/gauges.py`). One variable chooses among the services that have metrics, so
that no service is named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from raytide.manifests.platform import Platform
from raytide.manifests.render.names import metadata
from raytide.manifests.traced import Rendered

_OF: Final = '{service=~"$service"}'
_RATE: Final = "[$__rate_interval]"
_BRAIN: Final = "ray_raytide_"
_GATEWAY: Final = "raytide_gateway_"
_TRAINING: Final = "ray_raytide_train_"
_FIRST: Final = f"rate({_GATEWAY}first_byte_seconds"
_STARTED: Final = '{service=~"$service",outcome="ready"}'
_COLUMNS: Final = 2
_WIDTH, _HEIGHT = 24 // _COLUMNS, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """A line for each combination of the labels `by`."""

    title: str
    by: tuple[str, ...]
    asks: str
    unit: str


def _panel(title: str, aggregation: str, labels: tuple[str, ...], asks: str, unit: str) -> _Panel:
    """Of services; `labels` are those beside the service."""
    by = ("service", *labels)
    return _Panel(title=title, by=by, asks=f"{aggregation} by ({', '.join(by)}) ({asks})", unit=unit)


def _p95(title: str, histogram: str) -> _Panel:
    """Of all replicas and gateways of a service together."""
    buckets = f"sum by (service, le) (rate({_GATEWAY}{histogram}_bucket{_OF}{_RATE}))"
    return _Panel(title=title, by=("service",), asks=f"histogram_quantile(0.95, {buckets})", unit="s")


def _mean_start() -> _Panel:
    took = f"sum by (service, variant) ({_BRAIN}cold_start_seconds_total{_OF})"
    starts = f"sum by (service, variant) ({_BRAIN}cold_starts_total{_STARTED})"
    return _Panel(title="Cold start, mean", by=("service", "variant"), asks=f"{took} / {starts}", unit="s")


def _run(title: str, gauge: str, unit: str) -> _Panel:
    """Of the training runs that go on now."""
    return _Panel(title=title, by=("run",), asks=f"max by (run) ({_TRAINING}{gauge})", unit=unit)


_PANELS: Final = (
    _panel("Replicas wanted", "sum", ("variant",), f"{_BRAIN}desired_replicas{_OF}", "short"),
    _panel("Price of what is wanted, $/h", "sum", (), f"{_BRAIN}usd_per_hour{_OF}", "currencyUSD"),
    _panel("Predicted attainment", "min", (), f"{_BRAIN}predicted_attainment{_OF}", "percentunit"),
    _panel("Forecast, in replicas", "max", ("quantile",), f"{_BRAIN}forecast_replicas{_OF}", "short"),
    _panel("What binds the size", "max", ("rule",), f"{_BRAIN}binding_constraint{_OF} > 0", "short"),
    _panel("Forecasts that held, by quantile", "min", ("quantile",), f"{_BRAIN}forecast_coverage{_OF}", "percentunit"),
    _panel("Let in, by class", "min", ("class",), f"{_BRAIN}served_share{_OF}", "percentunit"),
    _panel("Requests that ended, 1/s", "sum", ("outcome",), f"rate({_GATEWAY}requests_total{_OF}{_RATE})", "reqps"),
    _panel("Kept their objectives, 1/s", "sum", ("kept",), f"rate({_GATEWAY}objectives_total{_OF}{_RATE})", "reqps"),
    _panel("Requests under way", "sum", (), f"{_GATEWAY}requests_under_way{_OF}", "short"),
    _panel("Waiting for a replica", "sum", (), f"{_GATEWAY}requests_held{_OF}", "short"),
    _panel("Tokens, 1/s", "sum", ("kind",), f"rate({_GATEWAY}tokens_total{_OF}{_RATE})", "short"),
    _panel("Billed, $/s", "sum", (), f"rate({_GATEWAY}charged_usd_total{_OF}{_RATE})", "currencyUSD"),
    _panel("Until an answer begins, mean", "avg", (), f"{_FIRST}_sum{_OF}{_RATE}) / {_FIRST}_count{_OF}{_RATE})", "s"),
    _p95("TTFT of streams, p95", "time_to_first_token_seconds"),
    _p95("TPOT of streams, p95", "time_per_output_token_seconds"),
    _panel("Cold starts", "sum", ("variant", "outcome"), f"{_BRAIN}cold_starts_total{_OF}", "short"),
    _mean_start(),
    _panel("Cold start, as counted on", "max", ("variant",), f"{_BRAIN}learnt_cold_start_seconds{_OF}", "s"),
    _panel("Replicas lost", "sum", ("variant",), f"{_BRAIN}lost_replicas_total{_OF}", "short"),
    _run("Training: goodput", "goodput", "percentunit"),
    _run("Training: tokens, 1/s", "tokens_per_s", "short"),
)


def dashboard(platform: Platform) -> Iterator[Rendered]:
    """The dashboard; nothing where no Prometheus is declared."""
    if platform.kubernetes.monitoring:
        tree = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(platform, f"{platform.name}-dashboard", labels={"grafana_dashboard": "1"}),
            "data": {f"raytide-{platform.name}.json": dashboard_json(platform.name)},
        }
        yield Rendered.of(tree, platform.at("monitoring"))


def dashboard_json(name: str) -> str:
    """What Grafana imports, for the services of the cluster `name`."""
    return json.dumps(_dashboard(name), indent=1) + "\n"


def _dashboard(name: str) -> dict[str, Any]:
    return {
        "title": f"raytide: {name}",
        "uid": f"raytide-{name}"[:40],  # the most that Grafana takes
        "schemaVersion": 39,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_SERVICE]},
        "panels": [_drawn(index, panel) for index, panel in enumerate(_PANELS)],
    }


_SERVICE: Final = {
    "name": "service",
    "type": "query",
    "query": "label_values(ray_raytide_desired_replicas, service)",
    "refresh": 2,
    "multi": True,
    "includeAll": True,
    "current": {"text": "All", "value": "$__all"},
}


def _drawn(index: int, panel: _Panel) -> dict[str, Any]:
    row, column = divmod(index, _COLUMNS)
    target = {
        "refId": "A",
        "expr": panel.asks,
        "legendFormat": " ".join(f"{{{{{label}}}}}" for label in panel.by),
    }
    return {
        "id": index + 1,
        "title": panel.title,
        "type": "timeseries",
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [target],
    }
