from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.serve.schema import ServeApplicationSchema

from raytide.core.spec import Service, read_as
from raytide.operator.plan.desired import ServedModel, application
from raytide.operator.plan.diff import Change, Verb, differences, plan

Desired = Callable[..., dict[str, Any]]


@pytest.fixture
def desired(repository: Path) -> Desired:
    def render(*overrides: str, version: int = 3, prices: tuple[float | None, ...] = ()) -> dict[str, Any]:
        service = read_as(Service, repository / "services" / "chat.yaml", overrides)
        model = ServedModel(path=f"/models/chat/{version}", label=f"chat v{version}")
        return application(
            service, model, prices=prices or [0.05] * len(service.spec.hardware), journal="/home/journal/chat.jsonl"
        )

    return render


def _as_serve_answers(declared: dict[str, Any]) -> dict[str, Any]:
    """The same through Serve's own schema and JSON, with defaults filled in and everything in another order."""
    kept = ServeApplicationSchema.model_validate(declared).model_dump(exclude_unset=True)
    answer: dict[str, Any] = json.loads(json.dumps(kept, sort_keys=True))
    deployments = [{"health_check_period_s": 10.0, **entry} for entry in reversed(answer["deployments"])]
    return {"runtime_env": {}, "external_scaler_enabled": False, **answer, "deployments": deployments}


def test_a_service_that_does_not_run_is_created(desired: Desired) -> None:
    step = plan(desired(), None)
    assert (step.service, step.verb, step.changes) == ("chat", Verb.CREATE, ())
    assert (step.min_replicas, step.max_replicas, step.usd_per_hour) == (1, 2, (0.05, 0.1))


def test_the_second_time_there_is_nothing_to_do(desired: Desired) -> None:
    for live in (desired(), _as_serve_answers(desired())):
        assert plan(desired(), live).verb is Verb.NOTHING


@pytest.mark.parametrize(
    ("override", "change"),
    [
        ("spec.scaling.max_replicas=4", "deployments.vllm-cpu.autoscaling_config.max_replicas: 2 → 4"),
        ("spec.objectives.ttft.p95=900ms", "deployments.Brain.user_config.terms.objective.ttft_s: 0.5 → 0.9"),
        ("spec.budget={max_usd_per_hour: 3}", "deployments.Brain.user_config.terms.max_usd_per_hour: (none) → 3.0"),
        ("spec.route=/chat", "deployments.Brain.user_config.access.route: / → /chat"),
        (
            "spec.traffic={classes: [{name: paid, priority: 1}]}",
            "deployments.Brain.user_config.access.priorities.paid: (none) → 1",
        ),
    ],
)
def test_bounds_objectives_routes_and_classes_change_in_place(desired: Desired, override: str, change: str) -> None:
    step = plan(desired(override), _as_serve_answers(desired()))
    assert step.verb is Verb.UPDATE
    assert change in map(str, step.changes)
    assert all(not str(other).startswith("args") for other in step.changes)


def test_another_model_version_restarts_the_replicas(desired: Desired) -> None:
    step = plan(desired(version=4), _as_serve_answers(desired()))
    assert step.verb is Verb.RESTART
    assert {change.path for change in step.changes} == {
        "args.revision",
        "args.model_version",
        "args.variants.vllm-cpu.engine.model_path",
    }


def test_an_argument_that_is_no_longer_declared_is_a_change(desired: Desired) -> None:
    live = _as_serve_answers(desired("spec.engine.args.max_model_len=256"))
    changes = plan(desired(), live).changes
    assert Change(path="args.variants.vllm-cpu.engine.args.max_model_len", live=256, desired=None) in changes


def test_a_key_that_only_serve_fills_in_is_no_change() -> None:
    assert list(differences({"a": 1}, {"a": 1, "state": "RUNNING"})) == []
    assert list(differences({"args": {"a": 1}}, {"args": {"a": 1, "b": 2}})) == [
        Change(path="args.b", live=2, desired=None)
    ]


def test_a_deployment_that_is_missing_is_a_change(desired: Desired) -> None:
    live = _as_serve_answers(desired())
    live["deployments"] = [entry for entry in live["deployments"] if entry["name"] == "Brain"]
    (change,) = differences(desired(), live)
    assert (change.path, change.live) == ("deployments.vllm-cpu", None)


def test_a_quota_of_the_hardware_bounds_the_replicas(desired: Desired) -> None:
    rendered = desired("spec.scaling.max_replicas=9", "spec.hardware.0.max_replicas=4")
    step = plan(rendered, None)
    assert step.max_replicas == 4
    brain = next(entry for entry in rendered["deployments"] if entry["name"] == "Brain")
    assert brain["user_config"]["terms"]["variants"][0]["max_replicas"] == 4


TWO = "spec.hardware=[{accelerator: H100, price: $4/h, max_replicas: 1}, {accelerator: L4, market: spot, price: $1/h}]"


def test_the_price_is_from_the_cheapest_way_for_the_fewest_to_the_dearest_for_the_most(desired: Desired) -> None:
    bounds = ("spec.scaling.min_replicas=1", "spec.scaling.max_replicas=3")
    step = plan(desired(TWO, *bounds, prices=(4.0, 1.0)), None)
    assert (step.min_replicas, step.max_replicas, step.usd_per_hour) == (1, 3, (1.0, 6.0))
    budget = "spec.budget={max_usd_per_hour: 5}"
    assert plan(desired(TWO, *bounds, budget, prices=(4.0, 1.0)), None).usd_per_hour == (1.0, 5.0)
    assert plan(desired(TWO, prices=(4.0, None)), None).usd_per_hour is None


def test_a_variant_that_is_no_longer_declared_is_a_change_of_the_revision(desired: Desired) -> None:
    one = "spec.hardware=[{accelerator: H100}]"
    step = plan(desired(one), _as_serve_answers(desired(TWO)))
    assert step.verb is Verb.RESTART
    assert "args.variants.vllm-l4-spot" in {change.path for change in step.changes}


def test_planning_changes_neither_side(desired: Desired) -> None:
    wanted, live = desired(), _as_serve_answers(desired(version=4))
    before = copy.deepcopy((wanted, live))
    plan(wanted, live)
    assert (wanted, live) == before
