"""Nodes, and what is held of them, over time.

A node is accounted by its accelerators, and one that has none by its CPUs: what its price is paid for. Ray shares both
out in ten-thousandths, and time is whole nanoseconds, so that every amount is an integer and sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNITS: Final = 10_000
"""In one accelerator: the smallest part that Ray gives away (ray 2.60, `FixedPoint`)."""


class Kind(StrEnum):
    """What may hold an accelerator."""

    SERVICE = "service"
    JOB = "job"
    PLATFORM = "platform"
    """A node that takes no work, as a head without CPUs: what all of them need."""
    IDLE = "idle"
    """Nobody, as was seen."""
    UNKNOWN = "unknown"
    """The node was there and nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whom accelerator time is attributed to."""

    kind: Kind
    name: str = ""
    """Of the service; of a job, what it was submitted as."""
    team: str = ""
    """Empty where none is declared."""
    variant: str = ""
    revision: str = ""
    canary: bool = False
    """Whether it ran beside the revision that served."""
    job: str = ""
    """The id that Ray gave to the job."""


IDLE: Final = Owner(kind=Kind.IDLE)
UNKNOWN: Final = Owner(kind=Kind.UNKNOWN)
PLATFORM: Final = Owner(kind=Kind.PLATFORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a node is, and what it costs."""

    pool: str
    """Empty where no declared pool is like it."""
    accelerator: str
    """As Ray labels it; CPU for a node without one."""
    market: str
    units: int
    """Of all its accelerators, else of all its CPUs; above zero."""
    nano_usd_per_hour: int | None
    """For the whole node; None where no pool is declared that it could be of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpan:
    """A time through which a node was seen."""

    node: str
    rate: Rate
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSpan:
    """A time through which something was held of a node."""

    claim: str
    """An id: the same claim of the same node counts once, whoever wrote it down."""
    node: str
    owner: Owner
    units: int
    from_ns: int
    until_ns: int
