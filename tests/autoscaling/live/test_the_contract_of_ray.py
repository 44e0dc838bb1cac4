"""What Ray 2.60 does with the follower: a drift of its policy interface breaks here and not on a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ray.serve._private.client import ServeControllerClient
from ray.serve._private.common import (
    DeploymentID,
    DeploymentStatus,
    DeploymentStatusTrigger,
    ReplicaID,
    ReplicaState,
    TimeStampedValue,
)
from ray.serve.autoscaling_policy import _apply_app_level_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext
from ray.serve.context import ReplicaContext
from ray.serve.schema import DeploymentDetails, DeploymentSchema, ReplicaDetails

from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.follow import AGE, BRAIN, TARGET, follow
from raytide.autoscaling.live.watch import fleets

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


def _details(monkeypatch: pytest.MonkeyPatch, **states: list[ReplicaDetails]) -> None:
    """Plays what Serve's controller answers, made with Serve's own schema."""
    from ray.serve import context

    deployments = {
        name: DeploymentDetails(
            name=name,
            status=DeploymentStatus.UPDATING,
            status_trigger=DeploymentStatusTrigger.AUTOSCALING,
            message="",
            deployment_config=DeploymentSchema(name=name),
            target_num_replicas=4,
            required_resources={},
            replicas=replicas,
        ).model_dump(exclude_unset=True)
        for name, replicas in states.items()
    }

    class Client:
        def get_serve_details(self) -> dict[str, Any]:
            return {"applications": {"chat": {"deployments": deployments}}}

    assert "get_serve_details" in dir(ServeControllerClient)
    assert "_get_global_client" in dir(context)
    monkeypatch.setattr(context, "_get_global_client", Client)


def _replica(name: str, state: ReplicaState, start_time_s: float = 90.0) -> ReplicaDetails:
    return ReplicaDetails(replica_id=name, state=state, start_time_s=start_time_s)


def test_fleets_are_read_from_serves_own_states(monkeypatch: pytest.MonkeyPatch) -> None:
    _details(
        monkeypatch,
        v=[
            _replica("a", ReplicaState.RUNNING),
            _replica("b", ReplicaState.STARTING, 95.5),
            _replica("c", ReplicaState.UPDATING),
            _replica("d", ReplicaState.RECOVERING),
            _replica("e", ReplicaState.STOPPING),
            _replica("f", ReplicaState.PENDING_MIGRATION),
        ],
    )
    (unknown,) = fleets("chat", ("v", "absent"), {})
    assert unknown == Fleet(
        variant="v", target=4, ready=frozenset("acdf"), starting={"b": 95.5}, draining=frozenset("e")
    )
    assert fleets("chat", ("v",), {"v": 2})[0].target == 2


def test_a_replica_calls_itself_as_serve_does() -> None:
    replica = ReplicaID(unique_id="r", deployment_id=REPLICAS)
    assert ReplicaDetails(replica_id=replica.unique_id, state=ReplicaState.RUNNING, start_time_s=0.0)
    assert "replica_id" in ReplicaContext.__dataclass_fields__
