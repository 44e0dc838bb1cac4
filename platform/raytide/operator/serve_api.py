"""What bringing a service to life needs of Serve: the dashboard has it, and tests play it without a cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol


class ServeApi(Protocol):
    """Serve's declared and running applications."""

    address: str
    """As `http://127.0.0.1:8265`."""

    def serve_details(self) -> dict[str, Any]:
        """What Serve runs: HTTP options, proxies, applications with their deployments and replicas."""

    def put_applications(
        self,
        applications: Sequence[Mapping[str, Any]],
        http_options: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> None:
        """Deploy these applications beside the declared others, and end those that are named; all in one step."""
