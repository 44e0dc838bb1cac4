"""What gateways count of each traffic class, as demand: what came between two words of each, not what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raytide.autoscaling.live.counted import NOBODY, ByClass, ClassCount
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import NOT_BY_CLASS, ClassDemand
from raytide.autoscaling.terms import TrafficClass


class Arriving:
    """The latest word of every gateway, so that the next one says what came in between."""

    def __init__(self) -> None:
        self._told: dict[str, ByClass] = {}

    def since(self, gateway: str, told: ByClass) -> ByClass | None:
        """What came since this gateway's word before; None for its first one, which may count what is long past."""
        before, self._told[gateway] = self._told.get(gateway), told
        if before is None:
            return None
        return {name: count.since(before.get(name, NOBODY)) for name, count in told.items()}


def added(told: Iterable[ByClass]) -> ByClass:
    """All of them together."""
    sums: dict[str, ClassCount] = {}
    for each in told:
        for name, count in each.items():
            sums[name] = sums.get(name, NOBODY) + count
    return sums


def by_class_of(told: Sequence[ByClass], classes: tuple[TrafficClass, ...]) -> tuple[ClassDemand, ...] | Missing:
    """The demand of each of these classes; missing where no gateway spoke, or no class is declared."""
    if not told or not classes:
        return NOT_BY_CLASS
    counts = added(told)
    return tuple(_demand(one.name, counts.get(one.name, NOBODY)) for one in classes)


def _demand(name: str, count: ClassCount) -> ClassDemand:
    return ClassDemand(name=name, num_arrivals=count.num, num_shed=count.num_shed, prompt_tokens=count.prompt_tokens)
