"""What the gateway's application is told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class GatewaySettings(BaseModel):
    """Arguments of the application: changing any of them replaces the gateways one after the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    """That all gateways of a node share."""
    ledger: str
    """URL of the database of keys, budgets and usage."""
    rollouts: str
    """Folder where the conductor keeps how rollouts stand."""
    max_body_bytes: int
    num_replicas: int
    on_head: bool = False
    traces: str | None = None
    """Where spans go, by OTLP over HTTP."""
