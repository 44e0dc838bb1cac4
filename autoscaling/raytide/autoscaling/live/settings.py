"""The knobs of one service's brain, as the operator renders them into its `user_config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.live.succession import TakesOver
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.policy import Raytide, Settings
from raytide.autoscaling.rollout.evidence import Quality
from raytide.autoscaling.terms import Terms

_UNSCORED = Missing(reason="its model is in no registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainSettings:
    """What changes without a restart."""

    terms: Terms
    interval_s: float
    """Time between two decisions."""
    scale_down_after_s: float
    """The shortest time that a replica must not have been worth having before it is let go."""
    stale_after_s: float
    """Age at which a report counts as missing."""
    journal: str | None
    """File that every decision is appended to; none where unset, and then a restart forgets."""
    access: Mapping[str, Any] | None = None
    """Who may call, as declared: nothing here reads it, the gateway is told."""
    shadow: bool = False
    """Whether decisions are recorded only."""
    takes_over: TakesOver | None = None
    """Of a canary; None of the revision that serves."""
    quality: Quality | Missing = _UNSCORED
    """The score of its model in the registry, which a canary's is compared with."""
    team: str = ""
    """Whose the service is, as declared: the accountant reads it from here."""

    @property
    def policy(self) -> Raytide:
        """The policy that decides."""
        return Raytide(settings=Settings(least_hold_s=self.scale_down_after_s), interval_s=self.interval_s)

    @property
    def memory(self) -> Path | None:
        """The file beside the journal that holds what was learnt."""
        return Path(self.journal).with_suffix(".state.json") if self.journal else None

    def to_user_config(self) -> dict[str, Any]:
        """Plain data for a Serve config."""
        config: dict[str, Any] = plain(self)
        return config

    @classmethod
    def from_user_config(cls, config: Mapping[str, Any]) -> BrainSettings:
        """The inverse of `to_user_config`."""
        settings: BrainSettings = typed(cls, config)
        return settings
