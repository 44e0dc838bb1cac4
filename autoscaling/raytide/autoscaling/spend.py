"""What running replicas have cost so far."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.missing import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Replica time since the service started, and its price."""

    replica_seconds: float = 0.0
    usd: float = 0.0

    def after(self, num_replicas: int, seconds: float, usd_per_hour: float | Missing) -> Spend:
        """The spend once `num_replicas`, starting ones included, held their resources for `seconds` more."""
        added_s = num_replicas * max(0.0, seconds)  # a clock that is set back is no refund
        price = 0.0 if isinstance(usd_per_hour, Missing) else usd_per_hour
        return Spend(replica_seconds=self.replica_seconds + added_s, usd=self.usd + added_s * price / 3600)
