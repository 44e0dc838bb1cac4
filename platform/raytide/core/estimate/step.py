"""One line of arithmetic: what it is, how it was computed, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal[
    "accelerators", "bytes", "FLOP", "h", "passes", "replicas", "requests", "requests/s", "s", "tokens", "tokens/s",
    "USD", "USD/h", "USD/Mtoken",
]  # fmt: skip

_PREFIXES: Final = ((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A quantity with its derivation."""

    label: str
    formula: str
    """The arithmetic in words and numbers, as `175B parameters × 2 bytes`."""
    value: float
    unit: Unit

    @property
    def text(self) -> str:
        """The value as a person writes it: `350 GB`, `17 ms`, `$6.88/h`."""
        return says(self.value, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Steps about one subject."""

    title: str
    steps: tuple[Step, ...]

    def __getitem__(self, label: str) -> Step:
        """The step of that label."""
        return next(step for step in self.steps if step.label == label)


def says(value: float, unit: Unit) -> str:
    """A value with its unit, in three significant digits where it is not a count."""
    if unit == "s":
        return duration(value)
    if unit.startswith("USD"):
        return f"${value:,.2f}{unit.removeprefix('USD')}"
    if unit in ("bytes", "FLOP"):
        return f"{prefixed(value)}{'B' if unit == 'bytes' else 'FLOP'}"
    number = f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.3g}"
    return f"{number} {singular(unit) if number == '1' else unit}"


def singular(unit: str) -> str:
    """The unit for one of it."""
    return {"passes": "pass"}.get(unit, unit[:-1] if unit.endswith("s") and "/" not in unit else unit)


def prefixed(value: float) -> str:
    """The value with a decimal prefix, ready for its unit: `350 G`."""
    factor, prefix = next(((factor, prefix) for factor, prefix in _PREFIXES if value >= factor), (1.0, ""))
    return f"{significant(value / factor)} {prefix}"


def counted(value: float) -> str:
    """A large number as people say it: `175B`, `1.5T`, `50`."""
    scales = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
    factor, suffix = next(((factor, suffix) for factor, suffix in scales if value >= factor), (1.0, ""))
    return f"{significant(value / factor)}{suffix}" if suffix else f"{value:,g}"


def duration(seconds: float) -> str:
    """Seconds in the unit that keeps the number readable."""
    scales = ((86400 * 2, 86400, "days"), (7200, 3600, "h"), (120, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms"))
    factor, unit = next(((factor, unit) for least, factor, unit in scales if seconds >= least), (1e-6, "µs"))
    return f"{significant(seconds / factor)} {unit}"


def significant(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
