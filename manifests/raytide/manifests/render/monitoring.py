"""What Prometheus scrapes and when it calls somebody, for the Prometheus operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.core.spec import Service
from raytide.manifests.platform import Declared, Platform
from raytide.manifests.render.names import cluster_pods, metadata
from raytide.manifests.traced import Rendered, came

_API = "monitoring.coreos.com/v1"
STARTS_WITHIN, FAILED_STARTS = "30m", 2
"""One may be a node that was taken back, and a counter's first value is no increase to Prometheus."""
FAST, SLOW = 14.4, 6.0
"""Burn rates: of a budget of 30 days, 2 % in an hour, and 5 % in six."""


def pod_monitor(platform: Platform) -> Iterator[Rendered]:
    """What is scraped; nothing where no Prometheus is declared."""
    if platform.kubernetes.monitoring:
        tree = {
            "apiVersion": _API,
            "kind": "PodMonitor",
            "metadata": metadata(platform, platform.name),
            "spec": {
                "selector": {"matchLabels": cluster_pods(platform)},
                "podMetricsEndpoints": [
                    {"port": port} for port in ("metrics", "as-metrics", "dash-metrics", "gateway")
                ],
            },
        }
        yield Rendered.of(tree, platform.at("monitoring"))


def alert_rules(platform: Platform) -> Iterator[Rendered]:
    """The alerts of each service; nothing where there are none, or no Prometheus."""
    if platform.kubernetes.monitoring and platform.services:
        tree = {
            "apiVersion": _API,
            "kind": "PrometheusRule",
            "metadata": metadata(platform, platform.name),
            "spec": {"groups": [_group(service) for service in platform.services]},
        }
        yield Rendered.of(tree, platform.at("monitoring"))


def _group(service: Declared[Service]) -> dict[str, Any]:
    return {"name": f"raytide-{service.name}", "rules": list(_rules(service))}


def _burn_threshold(attainment: float, times: float) -> float:
    """The share of missed requests at which the error budget burns so many times as fast as it may.

    Of a budget so large that not even missing all would burn it so fast: halfway from the budget to all.
    """
    budget = 1.0 - attainment
    return round(min(times * budget, (1.0 + budget) / 2), 6)


def _burns(service: Declared[Service], times: float, windows: tuple[str, str], severity: str) -> dict[str, Any]:
    """Over both windows: the long one for enough requests, the short one so that it ends soon after the burn does.

    Two burn rates with two windows each, as in chapter 5 of the Site Reliability Workbook.
    """
    threshold, long = _burn_threshold(service.document.spec.objectives.attainment, times), windows[0]
    missed = (f"{_missed(service.name, window)} > {threshold:g}" for window in windows)
    return _alert(
        "RaytideBudgetBurns" + ("Fast" if severity == "critical" else "Slowly"),
        came(" and ".join(missed), service.at("spec", "objectives", "attainment")),
        "2m",
        service.name,
        f"{service.name} misses its objectives for more than {threshold * 100:g}% of the requests of the last {long}: "
        f"see `raytide status`, and `raytide explain {service.name}` for its size.",
        severity,
    )


def _missed(service: str, window: str) -> str:
    """Absent where nobody asked."""
    counted = f'increase(raytide_gateway_objectives_total{{service="{service}"'
    return f'sum({counted},kept="no"}}[{window}])) / sum({counted}}}[{window}]))'


def _rules(service: Declared[Service]) -> Iterator[dict[str, Any]]:
    spec, name = service.document.spec, service.name
    of = f'{{service="{name}"}}'
    wanted = spec.objectives.attainment
    yield _burns(service, FAST, ("1h", "5m"), "critical")
    yield _burns(service, SLOW, ("6h", "30m"), "warning")
    yield _alert(
        "RaytideObjectivesAtRisk",
        came(f"ray_raytide_predicted_attainment{of} < {wanted:g}", service.at("spec", "objectives", "attainment")),
        "10m",
        name,
        f"{name} is predicted to miss its objectives: see `raytide explain {name}` for what binds its size.",
    )
    yield _alert(
        "RaytideUndecided",
        f"absent_over_time(ray_raytide_desired_replicas{of}[5m])",
        "5m",
        name,
        f"Nothing decides about {name}: its brain is down or not scraped; its size stays as it is.",
    )
    failed = f'ray_raytide_cold_starts_total{{service="{name}",outcome="failed"}}'
    yield _alert(
        "RaytideStartsFail",
        f"sum(increase({failed}[{STARTS_WITHIN}])) > {FAILED_STARTS}",
        "0m",
        name,
        f"Replicas of {name} end before they serve, again and again: the reason is in their log on Ray's Serve page.",
    )
    if spec.budget:
        yield _alert(
            "RaytideOverBudget",
            came(
                f"sum(ray_raytide_usd_per_hour{of}) > {spec.budget.max_usd_per_hour:g}",
                service.at("spec", "budget", "max_usd_per_hour"),
            ),
            "5m",
            name,
            f"{name} costs more than its budget; a decision never orders that, so prices or bounds were changed.",
        )


def _alert(
    alert: str, expression: Any, lasting: str, service: str, summary: str, severity: str = "warning"
) -> dict[str, Any]:
    return {
        "alert": alert,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity, "service": service},
        "annotations": {"summary": summary},
    }
