"""The knobs of the policy. One set of defaults serves every service; none is fitted to a trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be turned; all others follow from the declaration and from what is observed."""

    budget_share: float = 0.6
    """Predicted misses that are left unprotected, as a multiple of what the objective allows: below one, because bursts
    that were not seen yet are in no distribution that was learnt."""
    standing_share: float = 0.7
    """The same for the size that the standing distribution of needs implies, which bounds every forecast."""
    hold_cold_starts: float = 1.5
    """A replica is let go only after it was not worth having for so many cold starts: shorter, and the restart costs
    more than was saved."""
    least_hold_s: float = 60.0
    return_doubt: float = 1.5
    """A replica is let go only if it would not be worth having at a price so much lower: what keeps a fleet calm where
    two sizes are worth about the same, and lets it go at once where the load has really fallen. Every time that one is
    soon ordered again doubles it (`regret`)."""
    half_life_s: float = 5400.0
    """Of everything learnt."""
    stretch_half_life_s: float = 2700.0
    """Of how much more or less than modelled a replica bears: shorter, because that shifts with the fleet's size."""
    headroom_replicas: int = 0
    """Standing replicas above the forecast, for jumps that nothing announces."""
    margin_s: float = 20.0
    """Added to the cold start to make the lead: the time between decisions, metrics and the router's share."""
