"""`Cluster`: what Ray would say of nodes, replicas and jobs, as plain rows that a test moves through time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from raytide.autoscaling.live.follow import BRAIN
from raytide.autoscaling.live.settings import BrainSettings
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.terms import Objective, Terms, Variant
from raytide.services.accounting.pool import PricedPool
from raytide.services.accounting.sight import Sight
from raytide.services.rollout.revisions import IMPORT_PATH, Application

POOLS = (
    PricedPool(name="h100", accelerator="H100", market="on-demand", nano_usd_per_hour=7 * 10**9),
    PricedPool(name="l4", accelerator="L4", market="spot", nano_usd_per_hour=333_333_333),
    PricedPool(name="cpu", accelerator="CPU", market="on-demand", nano_usd_per_hour=10**8),
)


@dataclass
class Cluster:
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    actors: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    serve: dict[str, Any] = field(default_factory=dict)

    def add_node(self, node: str, pool: str, accelerator: str, num: int) -> None:
        labels = {"ray.io/node-group": pool, "ray.io/accelerator-type": accelerator}
        resources = {"CPU": 8.0 if num else 4.0, **({"GPU": float(num)} if num else {})}
        self.nodes[node] = {"node_id": node, "state": "ALIVE", "labels": labels, "resources_total": resources}

    def add_job(self, job: str, name: str, team: str | None = None) -> None:
        metadata = {"raytide-job": name, **({"team": team} if team else {})}
        self.jobs[job] = {
            "job_id": job, "submission_id": f"raysubmit_{job}", "driver_info": {"id": job}, "status": "RUNNING",
            "entrypoint": "python job.py", "metadata": metadata,
        }  # fmt: skip

    def add_actor(self, actor: str, node: str, job: str, resources: dict[str, float], name: str = "") -> None:
        self.actors[actor] = {
            "actor_id": actor, "state": "ALIVE", "job_id": job, "name": name, "node_id": node,
            "required_resources": resources, "placement_group_id": None,
        }  # fmt: skip

    def preempt(self, node: str) -> None:
        del self.nodes[node]
        for name in [name for name, actor in self.actors.items() if actor["node_id"] == node]:
            del self.jobs[self.actors.pop(name)["job_id"]]

    def sight(self) -> Sight:
        return Sight(
            nodes=list(self.nodes.values()),
            actors=list(self.actors.values()),
            placement_groups=list(self.groups.values()),
            tasks=list(self.tasks.values()),
            jobs=list(self.jobs.values()),
            serve=self.serve,
        )


def application(service: str, team: str) -> Application:
    """One of our services, as the operator puts it."""
    unknown = Missing(reason="none ran")
    variant = Variant(name="vllm-h100", engine=unknown, usd_per_hour=1.0, cold_start_s=1.0)
    objective = Objective(ttft_s=1.0, tpot_s=0.1, attainment=0.99)
    settings = BrainSettings(
        terms=Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=4),
        interval_s=5.0, scale_down_after_s=60.0, stale_after_s=15.0, journal=None, team=team,
    )  # fmt: skip
    return {
        "name": service, "import_path": IMPORT_PATH, "args": {"service": service, "revision": "abc"},
        "deployments": [{"name": BRAIN, "user_config": settings.to_user_config()}],
    }  # fmt: skip
