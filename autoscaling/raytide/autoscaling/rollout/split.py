"""Which requests a canary gets: every hundredth at 1 %, not each with a probability of 1 %.

So a canary never sees more than its share, not even of the first hundred requests, where chance alone would send it
twice or thrice as many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What the canary is owed."""

    credit: float = 0.0
    """In requests, from 0 to below 1."""

    def after(self, num: int, weight: float) -> tuple[int, Split]:
        """How many of the next `num` requests are the canary's at this weight, and what it is owed then."""
        owed = self.credit + num * weight
        taken = math.floor(owed + _ROUNDING)
        return taken, Split(credit=max(0.0, owed - taken))
