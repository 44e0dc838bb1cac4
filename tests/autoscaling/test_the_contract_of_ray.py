"""What Ray 2.60 does with the follower: a drift of its policy interface breaks here and not on a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ray.serve._private.common import DeploymentID, DeploymentStatus, ReplicaID, ReplicaState, TimeStampedValue
from ray.serve.autoscaling_policy import _apply_app_level_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from raytide.autoscaling.live.follow import AGE, BRAIN, TARGET, follow
from raytide.autoscaling.live.reports import Fleet, ReplicaReport
from raytide.autoscaling.live.watch import ReportWindow, fleets

NOW_S = 100.0
REPLICAS, THE_BRAIN = (DeploymentID(name=name, app_name="chat") for name in ("vllm-cpu", BRAIN))


def _context(deployment: DeploymentID, raw_metrics: Any = None, *, most: int) -> AutoscalingContext:
    config = AutoscalingConfig(min_replicas=1, max_replicas=most, upscale_delay_s=0.0, downscale_delay_s=0.0)
    return AutoscalingContext(
        deployment_id=deployment,
        deployment_name=deployment.name,
        app_name=deployment.app_name,
        current_num_replicas=1,
        target_num_replicas=1,
        running_replicas=[],
        total_num_requests=0.0,
        total_queued_requests=0.0,
        aggregated_metrics=None,
        raw_metrics=lambda: raw_metrics or {},
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=most,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=NOW_S,
        config=config,
    )


def _decided(raw_metrics: Any) -> dict[Any, int]:
    contexts = {REPLICAS: _context(REPLICAS, most=4), THE_BRAIN: _context(THE_BRAIN, raw_metrics, most=1)}
    targets, _ = _apply_app_level_autoscaling_config(follow)(contexts)
    return dict(targets)


def _metrics(target: float) -> dict[str, Any]:
    replica = ReplicaID(unique_id="r", deployment_id=THE_BRAIN)
    values = {AGE: 1.0, TARGET + REPLICAS.name: target}
    return {name: {replica: [TimeStampedValue(NOW_S - 1, value)]} for name, value in values.items()}


@pytest.mark.parametrize(
    ("raw_metrics", "targets"),
    [
        (_metrics(3.0), {REPLICAS: 3}),
        ({}, {REPLICAS: 1}),
        (_metrics(float("nan")), {}),  # Serve keeps what is not named
    ],
)
def test_serve_runs_what_the_brain_decided(raw_metrics: Any, targets: dict[Any, int]) -> None:
    assert _decided(raw_metrics) == targets


def test_fleets_are_counted_from_serves_own_states(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray import serve
    from ray.serve.schema import ApplicationStatusOverview, DeploymentStatusOverview, ServeStatus

    states = {
        ReplicaState.RUNNING: 2,
        ReplicaState.STARTING: 1,
        ReplicaState.UPDATING: 1,
        ReplicaState.RECOVERING: 1,
        ReplicaState.STOPPING: 3,
    }
    deployment = DeploymentStatusOverview(
        status=DeploymentStatus.UPDATING, status_trigger="AUTOSCALING", replica_states=states, message=""
    )
    application = ApplicationStatusOverview(
        status="RUNNING", message="", last_deployed_time_s=0.0, deployments={"v": deployment}
    )
    monkeypatch.setattr(serve, "status", lambda: ServeStatus(applications={"chat": application}))
    (unknown,) = fleets("chat", ("v", "absent"), {})
    assert unknown == Fleet(variant="v", num_ready=2, num_starting=3, num_stopping=3, target=5)
    assert fleets("chat", ("v",), {"v": 4})[0].target == 4


def test_reports_are_kept_for_one_window(report: ReplicaReport) -> None:
    window = ReportWindow()
    for at_s in (100.0, 110.0, 120.0, 121.0):
        window.add(replace(report, at_s=at_s), 20.0)
    assert [kept.at_s for kept in window.all()] == [110.0, 120.0, 121.0]
