"""What letting go was worth: a replica that was soon ordered again had better been kept.

Every such turn doubles how much less a replica must be worth before one is let go again, and is forgotten as all else
that is learnt. A load that falls and stays so is followed at once; one that only wavers is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_SOON_S: Final = 600.0
_SOON_COLD_STARTS: Final = 5.0
"""What is saved in less time is not much more than what the start costs that follows. Where starts are fast, a fleet
that turns round within ten minutes still loses its caches and scatters its sessions."""
MOST_TURNS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Regret:
    """Turns of late, and since when replicas are away."""

    turns: float = 0.0
    let_go_s: float | None = None

    def doubt(self, least: float) -> float:
        """By how much less a replica must be worth to be let go, `least` where nothing was regretted."""
        return float(least * 2.0**self.turns)

    def after(self, elapsed_s: float, more: int, now_s: float, *, soon_s: float, half_life_s: float) -> Regret:
        """With a decision for so many replicas more, or fewer where it is below zero."""
        turns = self.turns * 0.5 ** (elapsed_s / half_life_s)
        if more < 0:
            return Regret(turns=turns, let_go_s=now_s)
        if more == 0 or self.let_go_s is None:
            return replace(self, turns=turns)
        turned = now_s - self.let_go_s < soon_s
        return Regret(turns=min(MOST_TURNS, turns + 1.0) if turned else turns)


NOTHING_REGRETTED: Final = Regret()


def soon_s(cold_start_s: float) -> float:
    """In less time than this an order regrets that a replica was let go."""
    return max(_SOON_S, _SOON_COLD_STARTS * cold_start_s)
