from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


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

    def put_applications(
        self,
        applications: Sequence[Mapping[str, Any]],
        http_options: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> None:
        """Takes each in the place of the one of its name; one that is the same stays as it is, as with Serve."""
        for name in without:
            self._applications.pop(name, None)
        for application in applications:
            known = self._applications.get(application["name"], {})
            if known.get("deployed_app_config") != application:
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

    @property
    def num_deployed(self) -> int:
        """How often an application was deployed."""
        return self._deployed
