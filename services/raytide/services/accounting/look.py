"""What Ray says of itself, asked from within the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from raytide.autoscaling.live.watch import serve_details
from raytide.services.accounting.sight import Sight

MOST: Final = 10_000
"""Of each kind: as much as Ray's state API gives (ray 2.60, `RAY_MAX_LIMIT_FROM_API_SERVER`)."""


def look() -> Sight:
    """One look at everything; blocks for six calls, of some ten milliseconds each."""
    from ray.util.state import list_actors, list_jobs, list_nodes, list_placement_groups, list_tasks

    running = [("state", "=", "RUNNING"), ("type", "=", "NORMAL_TASK")]
    return Sight(
        nodes=_rows(list_nodes),
        actors=_rows(list_actors, [("state", "!=", "DEAD")]),
        placement_groups=_rows(list_placement_groups, [("state", "=", "CREATED")]),
        tasks=_rows(list_tasks, running),
        jobs=[job.model_dump() for job in list_jobs(address=_address(), detail=True, limit=MOST)],
        job_metadata=_job_metadata(),
        serve=serve_details(),
    )


def _rows(listed: Callable[..., Any], filters: list[tuple[str, str, str]] | None = None) -> list[dict[str, Any]]:
    found = listed(address=_address(), detail=True, limit=MOST, filters=filters or [], raise_on_missing_output=False)
    return [asdict(row) for row in found]


def _address() -> str:
    """Of the cluster that this process is connected to: without it, Ray looks for one on the machine."""
    import ray

    address: str = ray.get_runtime_context().gcs_address
    return address


def _job_metadata() -> Mapping[str, Mapping[str, str]]:
    """What programs gave to `ray.init`; the public listing of submitted jobs has only what was submitted."""
    from ray._private.worker import global_worker

    jobs = global_worker.gcs_client.get_all_job_info(
        skip_submission_job_info_field=True, skip_is_running_tasks_field=True
    )
    return {job_id.hex(): dict(info.config.metadata) for job_id, info in jobs.items()}
