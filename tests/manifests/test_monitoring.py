from __future__ import annotations

import json
import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from raytide.autoscaling.live.measures import COUNTED, NAMES
from raytide.autoscaling.live.metrics import TAGS
from raytide.core.errors import RaytideError
from raytide.jobs.train.gauges import _GAUGES
from raytide.manifests.platform import Platform
from raytide.manifests.render.objects import objects
from raytide.services.gateway.metrics import Metrics

from .conftest import CLUSTER, SERVICE, Declare

WATCHED = CLUSTER.replace("    namespace: ml\n", "    namespace: ml\n    monitoring: prometheus\n")
BUDGET = SERVICE.replace("  objectives", "  budget: {max_usd_per_hour: 5}\n  objectives")


@pytest.fixture
def watched(declare: Declare) -> Platform:
    return declare(WATCHED, BUDGET)


def _questions(platform: Platform) -> list[str]:
    """Every expression that Prometheus is asked."""
    found = []
    for one in objects(platform):
        if one.kind == "PrometheusRule":
            found += [rule["expr"] for group in one.value["spec"]["groups"] for rule in group["rules"]]
        if one.name.endswith("-dashboard"):
            (text,) = one.value["data"].values()
            found += [panel["targets"][0]["expr"] for panel in json.loads(text)["panels"]]
    return found


def _exported() -> set[str]:
    """What the brain, a gateway and a training run export, by the names that Prometheus sees."""
    families = text_string_to_metric_families(Metrics().text().decode())
    of_gateways = {family.name for family in families}
    of_training = {f"ray_raytide_train_{name}" for name in _GAUGES}
    return {f"ray_{name}" for name in (*NAMES, *COUNTED)} | of_gateways | of_training


def _base(metric: str) -> str:
    return re.sub("_(total|sum|count|bucket)$", "", metric)


def test_questions_are_about_metrics_that_exist(watched: Platform) -> None:
    questions = _questions(watched)
    assert len(questions) == 28
    asked = {metric for question in questions for metric in re.findall(r"(?:ray_)?raytide_[a-z_]+", question)}
    assert {_base(metric) for metric in asked} <= _exported()


def test_every_metric_of_the_brain_is_on_the_dashboard(watched: Platform) -> None:
    text = " ".join(_questions(watched))
    assert all(f"ray_{name}" in text for name in (*NAMES, *COUNTED))


def test_labels_that_are_asked_for_are_those_that_the_brain_sets(watched: Platform) -> None:
    known = {"service", "revision", "le", "outcome", "kind", "kept", "run"} | {
        tag for tags in TAGS.values() for tag in tags
    }
    for question in _questions(watched):
        grouped = re.findall(r"by \(([^)]+)\)", question)
        assert {label.strip() for labels in grouped for label in labels.split(",")} <= known
        assert "service" in question or "raytide_train_" in question


def test_a_service_with_a_budget_has_an_alert_of_it(watched: Platform, declare: Declare) -> None:
    assert any("> 5" in question for question in _questions(watched))
    assert not any("> 5" in question for question in _questions(declare(WATCHED, SERVICE)))


def test_where_no_prometheus_is_declared_nothing_is_watched(declare: Declare) -> None:
    assert _questions(declare()) == []
    kinds: set[Any] = {one.kind for one in objects(declare())}
    assert "PodMonitor" not in kinds


def test_rays_dashboard_is_told_where_grafana_and_prometheus_are(declare: Declare) -> None:
    where = (
        "    grafana: {url: http://grafana.a, browser_url: https://g.example.com, prometheus_url: http://prom.a:9090}\n"
    )
    told = _variables(declare(CLUSTER.replace("    namespace: ml\n", f"    namespace: ml\n{where}")))
    assert told["RAY_GRAFANA_HOST"] == "http://grafana.a"
    assert told["RAY_GRAFANA_IFRAME_HOST"] == "https://g.example.com"
    assert told["RAY_PROMETHEUS_HOST"] == "http://prom.a:9090"
    assert not any(name.startswith("RAY_GRAFANA") for name in _variables(declare(CLUSTER)))


def test_a_password_in_an_address_is_refused_and_not_repeated(declare: Declare) -> None:
    where = "    grafana: {url: 'http://admin:secret@grafana', prometheus_url: http://prom:9090}\n"
    with pytest.raises(RaytideError) as refused:
        declare(CLUSTER.replace("    namespace: ml\n", f"    namespace: ml\n{where}"))
    assert "spec.kubernetes.grafana.url" in str(refused.value)
    assert "secret" not in str(refused.value)


def _variables(platform: Platform) -> dict[str, str]:
    """Of the head's container."""
    (cluster,) = (one for one in objects(platform) if one.kind == "RayCluster")
    (container, *_) = cluster.value["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    return {each["name"]: str(each["value"]) for each in container["env"]}
