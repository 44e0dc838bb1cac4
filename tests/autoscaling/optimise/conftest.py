from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.optimise.option import Option


@pytest.fixture(scope="session")
def option() -> Callable[..., Option]:
    """An option of one unit of work at one dollar, but for what is said."""

    def make(variant: str = "a", **known: Any) -> Option:
        return Option(variant=variant, **{"capacity": 1.0, "usd_per_hour": 1.0, **known})

    return make
