"""Rounding lines so that they still add up to their rounded sum."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def apportioned(values: Sequence[Fraction]) -> list[int]:
    """Whole numbers that are each less than one from their value, and together the nearest one to the sum.

    The largest remainders are rounded up (the method of Hamilton).
    """
    whole = [value.numerator // value.denominator for value in values]
    left = round(sum(values, Fraction(0))) - sum(whole)
    by_remainder = sorted(range(len(values)), key=lambda place: (whole[place] - values[place], place))
    for place in by_remainder[:left]:
        whole[place] += 1
    return whole
