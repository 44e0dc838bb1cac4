"""The Ray jobs of a pipeline's steps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from raytide.core.errors import ClusterUnreachable, RunFailed
from raytide.core.home import home

_CONFIG: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where Ray tells a submitted job its own runtime environment (ray 2.60.0, job_supervisor.py)."""


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a submitted job is."""

    state: Literal["absent", "running", "succeeded", "failed", "unknown"]
    exit_code: int | None = None
    """Of its driver, where that ended by itself."""


class Jobs(Protocol):
    """What a pipeline asks of a cluster."""

    def submit(self, job: str, entrypoint: str, labels: Mapping[str, str]) -> None:
        """Run a command as a job of this name; it stays `absent` where nobody answers now.

        Raises:
            RunFailed: It is refused.
        """

    def state(self, job: str) -> JobState:
        """Where it is; `absent` where no job of this name was submitted, `unknown` where nobody answers now."""

    def last_line(self, job: str) -> str:
        """What it printed last; empty where that was nothing."""

    def stop(self, job: str) -> None:
        """End it."""


class RayJobs:
    """Jobs of the cluster that this process runs on, seen on its dashboard."""

    def __init__(self) -> None:
        from ray.job_submission import JobSubmissionClient

        try:
            self._client = JobSubmissionClient()
        except (ConnectionError, RuntimeError) as error:
            raise ClusterUnreachable(
                "No Ray cluster takes jobs here; start one with ray start --head and submit this: ray job submit -- "
                f"python -m raytide.jobs.pipeline FILE ({str(error).splitlines()[0]})."
            ) from error

    def submit(self, job: str, entrypoint: str, labels: Mapping[str, str]) -> None:
        """As `Jobs.submit`, in the runtime environment of this process's own job."""
        environment = own_environment(os.environ, self._client.get_address())
        try:
            self._client.submit_job(
                submission_id=job, entrypoint=entrypoint, runtime_env=environment, metadata=dict(labels)
            )
        except RuntimeError as error:
            raise RunFailed(f"Ray refused {job} ({str(error).splitlines()[-1]})") from error
        except OSError:  # of requests: nobody answers now
            return

    def state(self, job: str) -> JobState:
        """As `Jobs.state`."""
        try:
            found = self._client.get_job_info(job)
        except (RuntimeError, OSError) as error:  # the client makes a RuntimeError of every status but 200
            return JobState("absent" if "status code 404" in str(error) else "unknown")
        if not found.status.is_terminal():
            return JobState("running")
        return JobState("succeeded" if found.status == "SUCCEEDED" else "failed", found.driver_exit_code)

    def last_line(self, job: str) -> str:
        """As `Jobs.last_line`."""
        try:
            lines = self._client.get_job_logs(job).strip().splitlines()
        except (RuntimeError, OSError):  # the job has no log yet, or nobody answers
            return ""
        return lines[-1].strip() if lines else ""

    def stop(self, job: str) -> None:
        """As `Jobs.stop`."""
        with suppress(RuntimeError, OSError):  # it is gone, or nobody answers; the others are still to be stopped
            self._client.stop_job(job)


def own_environment(environ: Mapping[str, str], dashboard: str) -> dict[str, Any]:
    """The runtime environment that this job was submitted with, and where it works: storage folder and dashboard."""
    environment: dict[str, Any] = json.loads(environ.get(_CONFIG, "{}")).get("runtime_env", {})
    place = {"RAYTIDE_HOME": str(home()), "RAY_API_SERVER_ADDRESS": dashboard}
    return environment | {"env_vars": environment.get("env_vars", {}) | place}
