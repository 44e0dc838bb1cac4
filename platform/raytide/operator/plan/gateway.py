"""The gateway of a cluster as a Serve application: one for all services, and beside them in every Serve config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from raytide.core.spec.cluster import Gateway, Pool
from raytide.services.accounting.pool import PricedPool
from raytide.services.accounting.settings import ACCOUNTANT, AccountantSettings
from raytide.services.gateway.settings import GatewaySettings

GATEWAY_APP: Final = "raytide-gateway"
IMPORT_PATH: Final = "raytide.services.gateway.deployment:build"


def gateway_application(declared: Gateway, pools: Sequence[Pool], ledger: str, rollouts: str) -> dict[str, Any]:
    """The entry under `applications:` of a Serve config; `ledger` is the URL of the one that is not declared.

    `rollouts` is the folder of the files that say how rollouts stand; what a node costs comes from the `pools`.
    """
    settings = GatewaySettings(
        host=declared.host,
        port=declared.port,
        ledger=declared.ledger or ledger,
        rollouts=rollouts,
        max_body_bytes=declared.max_body,
        num_replicas=declared.replicas,
        on_head=declared.on_head,
        traces=declared.traces,
    )
    prices = AccountantSettings(pools=tuple(PricedPool.of(pool) for pool in pools))
    return {
        "name": GATEWAY_APP,
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": settings.model_dump(),
        "deployments": [{"name": ACCOUNTANT, "user_config": prices.model_dump(mode="json")}],
    }
