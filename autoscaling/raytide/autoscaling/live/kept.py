"""How many requests kept their objectives so far."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Requests that finished since the service started, and those of them that kept every bound."""

    num: int = 0
    attained: int = 0

    def after(self, finished: Finished) -> Kept:
        """With these requests."""
        return Kept(num=self.num + finished.num, attained=self.attained + finished.attained)

    @property
    def share(self) -> float | Missing:
        """The attainment."""
        return self.attained / self.num if self.num else Missing(reason="no request has finished so far")
