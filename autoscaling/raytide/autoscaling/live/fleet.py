"""What Serve says of one variant's replicas, and what has happened to them since it was last asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One variant's replicas, by the ids that Serve gives them."""

    variant: str
    target: int
    """How many are wanted at present."""
    ready: frozenset[str] = frozenset()
    starting: Mapping[str, float] = field(default_factory=dict)
    """Replicas that do not serve yet, and when each was ordered."""
    draining: frozenset[str] = frozenset()

    @property
    def num_holding(self) -> int:
        """Replicas that hold their resources, whether they serve or not."""
        return len(self.ready) + len(self.starting) + len(self.draining)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happened between two looks at a variant."""

    became_ready_after_s: tuple[float, ...] = ()
    num_failed_starts: int = 0
    """Replicas that ended before they served, although they were wanted; Serve starts others in their place."""
    num_lost: int = 0
    """Replicas that served and are gone, although they were wanted."""


def changes(before: Fleet | None, now: Fleet, now_s: float) -> Changes:
    """What happened since `before`; nothing is known of it at the first look.

    Where fewer are wanted than before, Serve stops those first that do not serve yet: these have not failed.
    """
    if before is None:
        return Changes()
    started = sorted(now_s - before.starting[replica] for replica in now.ready & before.starting.keys())
    ended = len(before.starting.keys() - now.ready - now.starting.keys())
    gone = len(before.ready - now.ready - now.starting.keys())
    unwanted = max(0, before.target - now.target)
    return Changes(
        became_ready_after_s=tuple(started),
        num_failed_starts=max(0, ended - unwanted),
        num_lost=max(0, gone - max(0, unwanted - ended)),
    )
