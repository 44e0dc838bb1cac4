"""The gateway of a cluster as a Serve application: one for all services, and beside them in every Serve config."""

from __future__ import annotations

from typing import Any, Final

from raytide.core.spec.cluster import Gateway
from raytide.services.gateway.settings import GatewaySettings

GATEWAY_APP: Final = "raytide-gateway"
IMPORT_PATH: Final = "raytide.services.gateway.deployment:build"


def gateway_application(declared: Gateway, ledger: str, rollouts: str) -> dict[str, Any]:
    """The entry under `applications:` of a Serve config; `ledger` is the URL of the one that is not declared.

    `rollouts` is the folder of the files that say how rollouts stand.
    """
    settings = GatewaySettings(
        host=declared.host,
        port=declared.port,
        ledger=declared.ledger or ledger,
        rollouts=rollouts,
        max_body_bytes=declared.max_body,
        num_replicas=declared.replicas,
    )
    return {"name": GATEWAY_APP, "route_prefix": "/", "import_path": IMPORT_PATH, "args": settings.model_dump()}
