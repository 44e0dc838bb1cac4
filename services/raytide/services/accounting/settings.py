"""What the accountant is told."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from raytide.services.accounting.pool import PricedPool

ACCOUNTANT: Final = "accountant"
"""Name of the deployment."""


class AccountantSettings(BaseModel):
    """What changes in place: the declared pools, and with them the prices from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pools: tuple[PricedPool, ...] = ()
