"""Numbers as people say them on a command line: `175B` parameters, `1T` tokens, `200k`."""

from __future__ import annotations

import re
from typing import Final

from raytide.core.catalog.errors import CatalogError

_SCALES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


def parse_quantity(text: str, what: str) -> float:
    """The number that `text` says, in powers of ten; B and G are both billions.

    Raises:
        CatalogError: It is no number above 0; `what` names it in the sentence.
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmbgt]?)", text.strip(), re.IGNORECASE)
    value = float(found[1]) * _SCALES[found[2].lower()] if found else 0.0
    if value <= 0:
        raise CatalogError(f"{what} is {text!r}; give a number above 0 such as 175B, 1.5T or 200k")
    return value
