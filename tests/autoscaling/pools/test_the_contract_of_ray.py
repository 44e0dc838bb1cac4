"""What Ray 2.60's own autoscaler does with floors and ceilings: why the plan is as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingReply, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import NodeState, NodeStatus
from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

from raytide.autoscaling.pools.plan import PoolPlan

IDLE_S = 60.0
BUSY: dict[str, Any] = {"free": 0.0, "idle_s": 0.0}
IDLE: dict[str, Any] = {"free": 8.0, "idle_s": 2 * IDLE_S}


def _node(number: int, free: float, idle_s: float) -> AutoscalerInstance:
    name = f"n{number}"
    state = NodeState(
        node_id=name.encode(),
        instance_id=name,
        ray_node_type_name="h100",
        total_resources={"GPU": 8.0},
        available_resources={"GPU": free},
        status=NodeStatus.RUNNING,
        idle_duration_ms=int(idle_s * 1000),
    )
    instance = Instance(
        instance_id=name, instance_type="h100", status=Instance.RAY_RUNNING, node_id=name, node_kind=NodeKind.WORKER
    )
    return AutoscalerInstance(cloud_instance_id=name, ray_node=state, im_instance=instance)


def schedule(nodes: Sequence[dict[str, Any]], *, floor: int, most: int = 10, waiting: int = 0) -> SchedulingReply:
    """Ray's decision for these nodes of eight GPUs; each that waits wants a whole one."""
    demand = [ResourceRequestUtil.make({"GPU": 8.0}) for _ in range(waiting)]
    kind = NodeTypeConfig(name="h100", min_worker_nodes=floor, max_worker_nodes=most, resources={"GPU": 8.0})
    request = SchedulingRequest(
        disable_launch_config_check=True,  # as KubeRay's provider sets it
        node_type_configs={"h100": kind},
        idle_timeout_s=IDLE_S,
        resource_requests=ResourceRequestUtil.group_by_count(demand),
        current_instances=[_node(number, **node) for number, node in enumerate(nodes)],
        cloud_resource_availabilities={},
    )
    return ResourceDemandScheduler().schedule(request)


def _ended(reply: SchedulingReply) -> int:
    return len(reply.to_terminate)


def _launched(reply: SchedulingReply) -> int:
    return sum(one.count for one in reply.to_launch)


def test_without_a_floor_nodes_whose_replicas_are_away_for_a_minute_are_given_back() -> None:
    assert _ended(schedule([IDLE] * 3, floor=0)) == 3


def test_a_floor_keeps_them() -> None:
    assert _ended(schedule([IDLE] * 3, floor=3)) == 0


def test_beside_a_job_a_floor_keeps_only_what_it_has_more_than_the_job() -> None:
    beside = [BUSY] * 4 + [IDLE] * 3
    assert _ended(schedule(beside, floor=3)) == 3
    plan = PoolPlan(pool="h100", needed=3, taken=4, least=0, most=10)
    reply = schedule(beside, floor=plan.nodes)
    assert (_ended(reply), _launched(reply)) == (0, 0)


def test_above_a_floor_the_pool_grows_for_a_job_that_waits_as_far_as_it_may() -> None:
    assert _launched(schedule([BUSY] * 3, floor=3, most=5, waiting=4)) == 2


def test_a_ceiling_below_what_runs_ends_nodes_with_the_work_on_them() -> None:
    assert _ended(schedule([BUSY] * 4, floor=0, most=3)) == 1
