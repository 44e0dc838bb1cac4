"""How many replicas are needed when: until no start but the fastest could help, and when the slowest is in.

A variant that starts in a minute need not be ordered for what may come in ten. So each lead has its own forecast, whose
errors are its own, and its own hold: what starts fast is let go sooner, because it is soon back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.policy.settings import Settings
from raytide.autoscaling.policy.size import size
from raytide.autoscaling.policy.steady import steady
from raytide.autoscaling.policy.supply import Supply
from raytide.autoscaling.terms import Terms

LEADS_DIFFER_S: Final = 30.0
"""A start that is so much faster at most bridges nothing that a request would notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """How many replicas are needed, in those of the first variant."""

    soon: int
    """Until the slower starts of now are in."""
    later: int
    """From when the slowest is in."""
    soon_s: float = 0.0
    """The fastest start."""
    later_s: float = 0.0
    """The slowest start."""

    @property
    def has_bridge(self) -> bool:
        """Whether some variant starts so much faster than another that it can stand in for it."""
        return self.later_s - self.soon_s > LEADS_DIFFER_S


def ahead(
    later: int, known: Knowledge, supplies: tuple[Supply, ...], terms: Terms, settings: Settings, now_s: float
) -> tuple[Ahead, Knowledge]:
    """What is needed on the way to `later`, and the wishes to remember; the same at all times where all start alike."""
    soon_s, later_s = (which(supply.cold_start_s for supply in supplies) for which in (min, max))
    flat = Ahead(soon=later, later=later, soon_s=soon_s, later_s=later_s)
    if known.soon is None or not flat.has_bridge:
        return flat, known
    sized, _ = size(replace(known, forecast=known.soon), supplies, terms, settings, lead_s=soon_s)
    hold_s = max(settings.least_hold_s, settings.hold_cold_starts * soon_s)
    soon, _, wishes = steady(sized, running(supplies), known.soon_wishes, hold_s=hold_s, now_s=now_s)
    return replace(flat, soon=max(soon, 1) if later else 0), replace(known, soon_wishes=wishes)


def running(supplies: tuple[Supply, ...]) -> int:
    """What is wanted at present, in replicas of the first variant."""
    return as_first({supply.variant.name: supply.view.target for supply in supplies}, supplies)


def as_first(targets: Mapping[str, int], supplies: tuple[Supply, ...]) -> int:
    """What replicas of each variant bear together, in replicas of the first variant."""
    return round(sum(targets[supply.variant.name] * supply.bears for supply in supplies) / supplies[0].bears)
