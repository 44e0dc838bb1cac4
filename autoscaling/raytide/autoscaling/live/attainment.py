"""How often a service kept its objectives so far: one verdict per decision, where enough requests allow one."""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.missing import Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainment:
    """Verdicts since the brain started."""

    judged: int = 0
    held: int = 0

    def after(self, shortfall: str | Missing) -> Attainment:
        """With one more verdict; a moment with too few requests is none."""
        if isinstance(shortfall, Missing):
            return self
        return Attainment(judged=self.judged + 1, held=self.held + (not shortfall))

    @property
    def share(self) -> float | Missing:
        """The share of judged moments in which every bound held."""
        return self.held / self.judged if self.judged else Missing(reason="too few requests for a verdict so far")
