"""The pages for who is on call: every alert has its section, and every metric its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from raytide.autoscaling.live.measures import COUNTED, NAMES
from raytide.autoscaling.live.metrics import TAGS
from raytide.jobs.train.gauges import _GAUGES
from raytide.manifests.platform import read_platform
from raytide.manifests.render.objects import objects
from raytide.services.gateway.metrics import Metrics

_HEAD = """\
# Metrics

What raytide exports to Prometheus beside Ray's own metrics. The gateway answers `/metrics` on its port; the others come
from Ray's agent on each node, which the prefix `ray_` shows. A value that is not known is absent, never zero.

| metric | labels | from | says |
|---|---|---|---|
"""


def _lines() -> Iterator[str]:
    for name, says in {**NAMES, **COUNTED}.items():
        labels = ", ".join(f"`{tag}`" for tag in ("service", *TAGS[name]))
        yield f"| `ray_{name}{'_total' if name in COUNTED else ''}` | {labels} | brain | {says.rstrip('.')} |"
    for name, says in _GAUGES.items():
        yield f"| `ray_raytide_train_{name}` | `run` | training | {says} |"
    metrics = Metrics()
    metrics.of("a")
    for counted in (metrics.refused, metrics.retried, metrics.held):
        counted.labels("a")
    for counted in (metrics.judged, metrics.unkept):
        counted.labels("a", "b")
    for family in text_string_to_metric_families(metrics.text().decode()):
        if family.name.endswith("_created"):
            continue
        names = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        suffix = {"counter": "_total", "histogram": "_bucket, _sum, _count"}.get(family.type, "")
        name = f"`{family.name}{suffix.split(',')[0]}`" + (" (also `_sum`, `_count`)" if "," in suffix else "")
        yield f"| {name} | {', '.join(f'`{each}`' for each in names)} | gateway | {family.documentation} |"


def test_the_table_of_metrics_is_what_is_exported(golden: Callable[[Path, str], None]) -> None:
    golden(Path("docs/metrics.md"), _HEAD + "\n".join(_lines()) + "\n")


def test_every_alert_has_a_section_that_says_what_to_do(repository: Path) -> None:
    fleet = repository / "manifests/examples/fleet"
    rules = [
        rule["alert"]
        for one in objects(read_platform(fleet / "cluster.yaml", [fleet / "workloads"]))
        if one.kind == "PrometheusRule"
        for group in one.value["spec"]["groups"]
        for rule in group["rules"]
    ]
    headings = re.findall(r"^## (.*)$", (repository / "docs/runbook.md").read_text(), re.MULTILINE)
    assert set(rules) <= {alert for heading in headings for alert in heading.split(", ")}
    assert len(set(rules)) >= 4
