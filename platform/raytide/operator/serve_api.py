"""What bringing a service to life needs of Serve: the dashboard has it, and a rehearsal without a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class ServeApi(Protocol):
    """Serve's declared and running applications."""

    address: str
    """As `http://127.0.0.1:8265`."""

    def serve_details(self) -> dict[str, Any]:
        """What Serve runs: HTTP options, proxies, applications with their deployments and replicas."""

    def declared_application(self, name: str) -> dict[str, Any] | None:
        """The config that an application was last deployed with; None where there is none."""

    def put_applications(self, applications: Sequence[Mapping[str, Any]], http_options: Mapping[str, Any]) -> None:
        """Deploy these applications beside the declared others."""

    def delete_application(self, name: str) -> None:
        """Remove one application, keep the others."""


class RehearsedServe:
    """A Serve that runs nothing: what is put is running after it was looked at so many times."""

    def __init__(self, looks_until_running: int = 1) -> None:
        self.address = "http://127.0.0.1:1"
        self._looks = looks_until_running
        self._applications: dict[str, dict[str, Any]] = {}
        self._deployed = 0

    def serve_details(self) -> dict[str, Any]:
        """The applications, each a look nearer to running; a proxy, so that no port is asked for."""
        for application in self._applications.values():
            application["looks"] += 1
            if application["looks"] >= self._looks:
                application["status"] = "RUNNING"
        return {"applications": {name: dict(app) for name, app in self._applications.items()}, "proxies": {"here": {}}}

    def declared_application(self, name: str) -> dict[str, Any] | None:
        """What was put under this name."""
        found = self._applications.get(name)
        return found["deployed_app_config"] if found else None

    def put_applications(self, applications: Sequence[Mapping[str, Any]], http_options: Mapping[str, Any]) -> None:
        """Takes each in the place of the one of its name; one that is the same stays as it is, as with Serve."""
        for application in applications:
            if self.declared_application(application["name"]) != application:
                self._take(application)

    def _take(self, application: Mapping[str, Any]) -> None:
        self._deployed += 1
        self._applications[application["name"]] = {
            "name": application["name"],
            "status": "DEPLOYING",
            "deployed_app_config": dict(application),
            "last_deployed_time_s": float(self._deployed),
            "looks": 0,
        }

    def delete_application(self, name: str) -> None:
        """Forgets it."""
        self._applications.pop(name, None)

    @property
    def num_deployed(self) -> int:
        """How often an application was deployed."""
        return self._deployed
