"""What was seen in the last seconds, as a value: most products decide on a mean over such a window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Samples of the last `length_s` seconds, oldest first."""

    length_s: float
    samples: tuple[tuple[float, float], ...] = ()
    """(at_s, value)."""

    def add(self, at_s: float, value: float) -> Window:
        """This window with one more sample, without those that are `length_s` old or older."""
        return Window(length_s=self.length_s, samples=(*self._since(at_s - self.length_s), (at_s, value)))

    def at(self, now_s: float) -> Window:
        """This window as it stands later."""
        return Window(length_s=self.length_s, samples=self._since(now_s - self.length_s))

    def _since(self, after_s: float) -> tuple[tuple[float, float], ...]:
        # In order of time: what is too old is a prefix, one sample long at a steady interval.
        samples, first = self.samples, 0
        while first < len(samples) and samples[first][0] <= after_s:
            first += 1
        return samples[first:]

    @property
    def num(self) -> int:
        """Samples in the window."""
        return len(self.samples)

    @property
    def total(self) -> float:
        """Sum of the values; 0 of an empty window."""
        return sum(value for _, value in self.samples)

    @property
    def mean(self) -> float:
        """Mean of the values; 0 of an empty window."""
        return self.total / len(self.samples) if self.samples else 0.0

    @property
    def max(self) -> float:
        """Greatest value; 0 of an empty window."""
        return max((value for _, value in self.samples), default=0.0)

    @property
    def min(self) -> float:
        """Least value; 0 of an empty window."""
        return min((value for _, value in self.samples), default=0.0)
