"""The rendered alerts in Prometheus' own rule tests; its `promtool` is run where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from raytide.manifests.render.monitoring import _burn_threshold
from raytide.manifests.render.objects import objects

from .conftest import CLUSTER, SERVICE, Declare

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (apt-get install prometheus)")
WATCHED = CLUSTER.replace("    namespace: ml\n", "    namespace: ml\n    monitoring: prometheus\n")
MINUTES = 8 * 60
KEPT = f"0+1000x{MINUTES}"


@pytest.fixture
def rules(declare: Declare, tmp_path: Path) -> Path:
    """The rules of a service that wants 99 %, as Prometheus reads them without its operator."""
    rendered = [one for one in objects(declare(WATCHED, SERVICE)) if one.kind == "PrometheusRule"]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rendered[0].value["spec"]))
    return file


def _played(
    rules: Path, missed_per_minute: str, expected: dict[str, bool], at: str, kept_per_minute: str = KEPT
) -> None:
    """Runs one rule test: so many requests miss their objectives, beside a thousand a minute that keep them."""
    labels = 'service="chat",instance="a"'
    kept = f'raytide_gateway_objectives_total{{{labels},kept="yes"}}'
    missed = f'raytide_gateway_objectives_total{{{labels},kept="no"}}'
    _fires(rules, {kept: kept_per_minute, missed: missed_per_minute}, expected, at)


def _fires(rules: Path, series: dict[str, str], expected: dict[str, bool], at: str) -> None:
    test: dict[str, Any] = {
        "rule_files": [str(rules)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": int(fires)}],
                    }
                    for alert, fires in expected.items()
                ],
            }
        ],
    }
    file = rules.with_name("test.json")
    file.write_text(json.dumps(test))
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rendered_rules_are_prometheus_rules(rules: Path) -> None:
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_panel_of_the_dashboard_asks_in_promql(declare: Declare, tmp_path: Path) -> None:
    (dashboard,) = (one for one in objects(declare(WATCHED, SERVICE)) if one.name.endswith("-dashboard"))
    (text,) = dashboard.value["data"].values()
    asked = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
    filled = [expr.replace("$__rate_interval", "1m").replace("$service", "chat") for expr in asked]
    file = tmp_path / "asked.json"
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(filled)]
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout


@needs_promtool
@pytest.mark.parametrize(
    ("missed", "fast", "slow"),
    [
        (f"0+5x{MINUTES}", False, False),  # half of what the budget allows
        (f"0+50x{MINUTES}", False, False),  # 4.8 %: five times the budget
        (f"0+80x{MINUTES}", False, True),  # 7.4 %
        (f"0+250x{MINUTES}", True, True),  # 20 %
    ],
)
def test_a_budget_that_burns_calls_and_one_that_lasts_is_silent(
    rules: Path, missed: str, fast: bool, slow: bool
) -> None:
    _played(rules, missed, {"RaytideBudgetBurnsFast": fast, "RaytideBudgetBurnsSlowly": slow}, at=f"{MINUTES}m")


@needs_promtool
def test_a_fast_burn_calls_within_an_hour_and_falls_silent_soon_after_it_ends(rules: Path) -> None:
    burning = "0x299 0+400x60 24000x119"  # five hours of calm, one of burning, two of calm
    _played(rules, burning, {"RaytideBudgetBurnsFast": True}, at="355m")
    _played(rules, burning, {"RaytideBudgetBurnsFast": False}, at="370m")


@needs_promtool
def test_a_service_that_nobody_asks_burns_nothing(rules: Path) -> None:
    expected = {"RaytideBudgetBurnsFast": False, "RaytideBudgetBurnsSlowly": False}
    _played(rules, f"7x{MINUTES}", expected, at=f"{MINUTES}m", kept_per_minute=f"9x{MINUTES}")


@needs_promtool
@pytest.mark.parametrize(
    ("failed", "fires"),
    [
        ("_x59 1x60", False),
        ("_x29 1+1x3 4x87", False),  # three more within half an hour, and an hour of calm
        ("_x89 1+1x30", True),
        ("0x119", False),
    ],
)
def test_starts_that_fail_again_and_again_call(rules: Path, failed: str, fires: bool) -> None:
    starts = 'ray_raytide_cold_starts_total{service="chat",revision="r",variant="v",outcome="%s"}'
    _fires(rules, {starts % "failed": failed, starts % "ready": "0+1x120"}, {"RaytideStartsFail": fires}, at="119m")


def test_a_generous_objective_can_still_be_burnt() -> None:
    assert _burn_threshold(0.99, 14.4) == pytest.approx(0.144)
    assert _burn_threshold(0.5, 14.4) == pytest.approx(0.75)
